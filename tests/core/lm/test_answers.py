"""What the model is asked, what it may answer, and how that is read: every text the grammar can say reads back."""

import json
import random

import pytest

from acestep_core.errors import UserError
from acestep_core.lm.answers import read, read_metas
from acestep_core.lm.decoding import texts
from acestep_core.lm.grammars import CAPTION_TOKENS, grammar
from acestep_core.lm.reading import Reader
from acestep_core.lm.requests import Codes, Create, LmSettings, Metas, Plan, Rewrite, Understand
from acestep_core.lm.vocabulary import build
from acestep_core.lm.wording import messages, thoughts, unconditional
from acestep_core.prompts import KEYSCALES, LANGUAGES, TIMESIGNATURES

ALL = Metas(99, "calm: piano", 30, "jazz", "F♯ minor", "no", "3")
REQUESTS = {
    "plan": Plan("a", "b"),
    "plan without words": Plan("a", "b", skip=frozenset({"genres", "caption", "language"})),
    "plan with everything": Plan("a", "b", ALL),
    "understand": Understand([1, 2]),
    "understand without words": Understand(None, words=False),
    "create": Create("a song"),
    "create an instrumental": Create("a song", instrumental=True),
    "rewrite": Rewrite("a", "b", Metas(bpm=120, keyscale="C major")),
}


@pytest.fixture(scope="module")
def vocabulary():
    from acestep_plugins.backends.pt.tiny_tokenizer import build_tokenizer

    found = json.loads(build_tokenizer().backend_tokenizer.to_str())
    return build(found["model"]["vocab"], {t["content"]: t["id"] for t in found["added_tokens"]})


@pytest.mark.parametrize("name", REQUESTS)
def test_whatever_is_said_reads_back_in_range(vocabulary, name):
    request = REQUESTS[name]
    reader = Reader(grammar(request), vocabulary)
    for seed in range(12):
        rng, state, tokens = random.Random(seed), reader.start(), []
        while not reader.done(state):
            allowed = reader.allowed(state).ids
            ends = [t for t in allowed if (vocabulary.texts[t] or b"").startswith(b"\n")]
            often = ends and rng.random() < 0.3  # else every free text would come to its limit
            tokens.append(int(rng.choice(ends if often else allowed)))
            state = reader.after(state, tokens[-1])
        said = "".join(texts(reader, tokens))
        answer = read(said, request)
        skipped = request.skip if isinstance(request, Plan) else set()
        assert not answer.metas.problems() and "�" not in said
        for field in Metas.__dataclass_fields__:
            value, given = getattr(answer.metas, field), getattr(request.metas, field)
            if given:
                assert value == given and answer.origins[field] == "user"
            elif field in skipped:
                assert not value and field not in answer.origins
            else:
                assert value and answer.origins[field] == "model", (field, said)
        assert "\n" not in answer.metas.caption and len(tokens) <= 2 * CAPTION_TOKENS + 2200
        if name == "create an instrumental":
            assert answer.lyrics == "[Instrumental]"


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("bpm: 120\ncaption: a long\n  line\nduration: 30\n", Metas(bpm=120, caption="a long line", duration_s=30)),
        ("caption: 'it''s: so'\nkeyscale: c MAJOR\ntimesignature: 4/4",
         Metas(caption="it's: so", keyscale="C major", timesignature="4")),
        ("BPM 120\nbpm: fast\nkeyscale: H major\nlanguage: xx\nduration: 9000", Metas()),
        ("vocal_language: en\nkey: A minor\nbpm: 95.5 BPM", Metas(bpm=95, keyscale="A minor", language="en")),
        ("bpm: 100\nbpm: 110", Metas(bpm=100)),
        ("\ufeffjust talk\n\n", Metas()),
    ],
)  # fmt: skip
def test_odd_thoughts_are_read_as_far_as_they_can(said, found):
    assert read_metas(said) == found


def test_an_answer_without_its_end_or_tags_is_read_too():
    whole = read("<think>\nbpm: 80\n</think>\n# Lyric\n[Verse]\nla la<|im_end|>rest", Create("x"))
    assert whole.metas.bpm == 80 and whole.lyrics == "[Verse]\nla la"
    open_end = read("bpm: 80\n\n# Lyrics\nla", Create("x"))
    assert open_end.metas.bpm == 80 and open_end.lyrics == "la"


def test_chats_are_worded_as_the_model_knows_them():
    system, user = messages(Plan("calm piano", "la la"))
    assert system["content"] == "# Instruction\nGenerate audio semantic tokens based on the given conditions:\n\n"
    assert user["content"] == "# Caption\ncalm piano\n\n# Lyric\nla la\n"
    assert messages(Understand([5, 63999]))[1]["content"] == "<|audio_code_5|><|audio_code_63999|>"
    assert messages(Understand(None))[1]["content"] == "NO USER INPUT"
    assert messages(Create("", instrumental=True))[1]["content"] == "NO USER INPUT\n\ninstrumental: true"
    assert messages(Rewrite("", ""))[1]["content"] == "# Caption\nNO USER INPUT\n\n# Lyric\n[Instrumental]"
    codes = messages(Codes("c", "l", Metas(bpm=90, duration_s=30, timesignature="4")))
    assert codes[2] == {"role": "assistant", "content": "<think>\nbpm: 90\nduration: 30\ntimesignature: 4\n</think>"}
    led = unconditional(Codes("c", "l", ALL))
    assert led[1] == codes[1] and led[2]["content"] == "<think>\n</think>"
    assert "# Caption\nnoise\n" in unconditional(Codes("c", "l", ALL, negative="noise"))[1]["content"]


def test_thoughts_are_yaml_and_read_back():
    import yaml

    long = Metas(bpm=99, caption="a: caption " * 20 + "'quoted' 音", duration_s=30, language="no", timesignature="3")
    assert yaml.safe_load(thoughts(long)) == {
        "bpm": 99, "caption": long.caption, "duration": 30, "language": "no", "timesignature": 3
    }  # fmt: skip
    assert read_metas(thoughts(long)) == long and thoughts(Metas()) == ""


@pytest.mark.parametrize(
    ("metas", "problem"),
    [
        (Metas(bpm=29), "bpm 29 is out of range"),
        (Metas(duration_s=601), "601 s is out of range"),
        (Metas(keyscale="H major"), "'H major' is no key"),
        (Metas(language="xx"), "'xx' is no language"),
        (Metas(timesignature="5"), "'5' is no metre"),
    ],
)
def test_what_the_model_cannot_say_is_told(metas, problem):
    assert [str(p) for p in metas.problems() if problem in str(p)]


def test_a_caption_of_several_lines_cannot_be_forced():
    with pytest.raises(UserError, match="several lines"):
        grammar(Plan("a", "b", Metas(caption="one\ntwo")))


def test_choices_are_the_models():
    assert len(KEYSCALES) == 70 and len(LANGUAGES) == 51 and TIMESIGNATURES == ("2", "3", "4", "6")
    assert LmSettings().options() == {
        "temperature": 0.85, "top_k": 0, "top_p": 0.9, "repetition_penalty": 1.0, "cfg": 2.0, "negative_prompt": ""
    }  # fmt: skip
    with pytest.raises(UserError, match="top_p"):
        LmSettings(top_p=0).checked()
