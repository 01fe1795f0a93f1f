"""ACE-Step's transcriber and captioner: a tiny model of the real classes here, and a chat server on loopback.

The tiny model writes a fixed answer, so the way in and out is checked; how well released models hear is not.
"""

import base64
import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import soundfile

from acestep_core import FatalError, Song, UserError
from acestep_core.testing.fakes import Provider, fake_provider, write_wav
from acestep_plugins.acestep_omni.annotator import AceStepCaptioner
from acestep_plugins.acestep_omni.answer import parse_transcript, plain_caption
from acestep_plugins.acestep_omni.hear import CUT_OFF
from acestep_plugins.acestep_omni.transcriber import AceStepTranscriber

LYRICS = "[Verse 1]\nRain on the roof\nSun again"
ANSWER = f"# Languages\nde\n\n# Lyrics\n{LYRICS}"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with fake_provider() as found:
        yield found


@pytest.fixture
def song(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "my song.wav", 3.0)


@pytest.fixture
def make() -> Iterator[Callable[..., Any]]:
    made = []

    def make(plugin: type = AceStepTranscriber, **options: Any) -> Any:
        made.append(plugin(**options))
        if made[-1].base_url:
            made[-1].service.sleep = lambda s: None
        return made[-1]

    yield make
    for thing in made:
        thing.close()


@pytest.fixture
def local(make, omni_folder: Path) -> Callable[..., Any]:
    return lambda **options: make(**{"model": str(omni_folder), "device": "cpu", **options})


def says(text: Any, reason: str = "stop") -> dict:
    return {"choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason}]}


def test_a_model_on_this_machine_writes_lyrics_and_language_without_torchvision(local, song: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    found = local().transcribe(song)
    assert (found.text, found.language, found.confidence) == (LYRICS, "de", None)


def test_the_whole_audio_reaches_the_model_with_the_prompt_it_was_trained_with(local, tmp_path: Path):
    import torch

    made = local()
    thinker, heard = made._once.get(), []
    thinker.model.model.audio_tower.register_forward_pre_hook(
        lambda module, args, told: heard.append((args[0].shape, int(told["feature_lens"].sum()))), with_kwargs=True
    )
    made.transcribe(write_wav(tmp_path / "long.wav", 40.0, rate_hz=16_000, channels=1))  # longer than Whisper's window
    assert heard == [(torch.Size([128, 4000]), 4000)]
    ids = thinker.inputs("*Task* Transcribe this audio in detail", torch.zeros(16_000 * 40).numpy())["input_ids"][0]
    text = thinker.tokenizer.decode(ids)
    assert text.count("<|AUDIO|>") == 25 * 40
    assert text.replace("<|AUDIO|>", "") == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
        "*Task* Transcribe this audio in detail<|audio_bos|><|audio_eos|><|im_end|>\n<|im_start|>assistant\n"
    )


def test_the_number_of_audio_tokens_is_what_the_model_makes(local):
    from acestep_plugins.acestep_omni.thinker import audio_tokens

    tower = local()._once.get().model.model.audio_tower
    for frames in (4, 99, 100, 101, 199, 200, 201, 3000, 4001):
        import torch

        assert audio_tokens(frames) == int(tower._get_feat_extract_output_lengths(torch.tensor([frames]))[1])


def test_an_answer_that_is_cut_off_is_a_guess(local, song: Path):
    found = local(max_tokens=5).transcribe(song)
    assert (found.text, found.confidence) == ("[Verse 1]\nRain on the roof", CUT_OFF) and CUT_OFF < 0.5


def test_a_long_song_is_heard_in_pieces(local, tmp_path: Path):
    found = local(longest_min=0.05).transcribe(write_wav(tmp_path / "long.wav", 7.0))
    assert found.text == "\n\n".join([LYRICS] * 3)


def test_several_threads_share_one_model_that_is_let_go_of(local, song: Path, monkeypatch):
    from acestep_plugins.acestep_omni import thinker

    loads, real = [], thinker.Thinker
    monkeypatch.setattr(thinker, "Thinker", lambda *a: loads.append(a) or real(*a))
    made = local()
    with ThreadPoolExecutor(3) as pool:
        assert {t.text for t in pool.map(made.transcribe, [song] * 4)} == {LYRICS}
    assert len(loads) == 1
    made.close()
    assert made.transcribe(song).text and len(loads) == 2


def test_sampling_is_repeatable(local, song: Path):
    texts = {local(temperature=1.0, repetition_penalty=1.2).transcribe(song).text for _ in range(2)}
    assert len(texts) == 1


def test_what_is_no_such_model_is_told_and_ends_the_run(local, omni_folder: Path, song: Path, tmp_path: Path):
    with pytest.raises(FatalError, match="cannot load the model"):
        local(model=str(tmp_path / "nowhere"), offline=True).transcribe(song)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text('{"model_type": "whisper"}')
    with pytest.raises(FatalError, match=r"no Qwen2\.5-Omni but whisper"):
        local(model=str(tmp_path / "other")).transcribe(song)


def test_missing_weights_are_not_made_up(local, omni_folder: Path, song: Path, tmp_path: Path):
    from safetensors.torch import load_file, save_file

    for path in omni_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    weights.pop("thinker.lm_head.weight")
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(FatalError, match=r"lacks 1 weights \(lm_head.weight\)"):
        local(model=str(tmp_path)).transcribe(song)


@pytest.mark.parametrize(("plugin", "model", "prompt"), [
    (AceStepTranscriber, "ACE-Step/acestep-transcriber", "*Task* Transcribe this audio in detail"),
    (AceStepCaptioner, "ACE-Step/acestep-captioner", "*Task* Describe this audio in detail"),
])  # fmt: skip
def test_a_chat_server_gets_the_prompt_and_the_audio(plugin, model, prompt, provider, make, song: Path, monkeypatch):
    monkeypatch.setenv("TEST_KEY", "Very-Secret")
    provider.answer(200, says(ANSWER))
    made = make(plugin, base_url=f"{provider.url}/v1", key_env="TEST_KEY")
    if plugin is AceStepTranscriber:
        assert made.transcribe(song).text == LYRICS
    else:
        made.annotate(Song(song), ["caption"])
    asked = provider.received[0]
    body = json.loads(asked.body)
    assert (asked.method, asked.path) == ("POST", "/v1/chat/completions")
    assert asked.headers["Authorization"] == "Bearer Very-Secret"
    assert set(body) == {"model", "messages", "max_tokens", "temperature"}
    assert (body["model"], body["max_tokens"], body["temperature"]) == (model, 2048, 0.0)
    text, audio = body["messages"][0]["content"]
    assert body["messages"][0]["role"] == "user" and text == {"type": "text", "text": prompt}
    assert audio["type"] == "input_audio" and audio["input_audio"]["format"] == "wav"
    assert base64.b64decode(audio["input_audio"]["data"]) == song.read_bytes()


def test_formats_chat_servers_do_not_take_become_wav(provider: Provider, make, song: Path, tmp_path: Path):
    wave, rate_hz = soundfile.read(song)
    soundfile.write(tmp_path / "a.flac", wave, rate_hz)
    provider.answer(200, says(ANSWER))
    make(base_url=provider.url).transcribe(tmp_path / "a.flac")
    audio = json.loads(provider.received[0].body)["messages"][0]["content"][1]["input_audio"]
    assert audio["format"] == "wav" and base64.b64decode(audio["data"])[:4] == b"RIFF"


def test_a_penalty_is_sent_where_it_is_asked_for(provider: Provider, make, song: Path):
    provider.answer(200, says(ANSWER))
    make(base_url=provider.url, repetition_penalty=1.2).transcribe(song)
    assert json.loads(provider.received[0].body)["repetition_penalty"] == 1.2


def test_a_server_that_stops_at_the_limit_gives_a_guess(provider: Provider, make, song: Path):
    provider.answer(200, says(ANSWER, "length"))
    assert make(base_url=provider.url).transcribe(song).confidence == CUT_OFF
    assert make(AceStepCaptioner, base_url=provider.url).annotate(Song(song), ["caption"])["caption"].confidence == 0.3


@pytest.mark.parametrize("answer", [{}, {"choices": []}, {"choices": [{"message": None}]}, says(None), says(3)])
def test_answers_of_another_shape_are_told(answer: dict, provider: Provider, make, song: Path):
    provider.answer(200, answer)
    with pytest.raises(UserError, match="my song.wav without a text"):
        make(base_url=provider.url).transcribe(song)


def test_an_answer_in_parts_is_joined_and_the_hint_chooses_among_several_languages(provider, make, song: Path):
    provider.answer(200, says([{"type": "text", "text": "# Languages\nen, ja\n"}, {"text": "# Lyrics\nla"}]))
    made = make(base_url=provider.url)
    assert made.transcribe(song).language == "en" and made.transcribe(song, language="ja").language == "ja"
    assert made.transcribe(song, language="fr").language == "en" and made.transcribe(song).text == "la"


def test_the_captioner_asks_nothing_it_cannot_answer(provider: Provider, make, song: Path):
    assert make(AceStepCaptioner, base_url=provider.url).annotate(Song(song), ["bpm", "genre"]) == {}
    assert not provider.received


def test_the_captioner_hears_the_first_part_of_a_long_song_and_estimates_it(provider: Provider, make, tmp_path: Path):
    provider.answer(200, says("Slow bells."))
    made = make(AceStepCaptioner, base_url=provider.url, longest_min=0.05)
    long = write_wav(tmp_path / "long.wav", 7.0)
    assert made.annotate(Song(long), ["caption"])["caption"].value == "Slow bells." and len(provider.received) == 1
    assert made.estimate(long).cost_usd is None and made.estimate(long).wall_s > 0
    assert make(AceStepCaptioner).estimate(long) is None


@pytest.mark.parametrize(("answer", "lyrics", "codes"), [
    (ANSWER, LYRICS, ["de"]),
    ("Sure, here it is:\n```markdown\n# Languages\nen, ja\n\n# Lyrics\n**[Verse 1]**\nRain\n```\n", "[Verse 1]\nRain",
     ["en", "ja"]),
    ("**Languages:** English and Japanese\n\n**Lyrics:**\n\n## Chorus\nla la\n[Outro\nbye",
     "[Chorus]\nla la\n[Outro]\nbye", ["en", "ja"]),
    ("Languages: de\nLyrics: Hallo\nWelt\n\n# Notes\nsung softly", "Hallo\nWelt", ["de"]),
    ("# Languages\nzh\nyue\n[Verse]\n你好", "[Verse]\n你好", ["zh", "yue"]),
    ("# Languages\nen\n\nHello there\nit is me", "Hello there\nit is me", ["en"]),
    ("# Languages\nen\n\nIs it", "Is it", ["en"]),
    ("[Verse]\nRain on\nlyrics of mine\n", "[Verse]\nRain on\nlyrics of mine", []),
    ("# Lyrics\nLanguage\nLyrics\n#1 fan", "Language\nLyrics\n#1 fan", []),
    ("# Lyrics\nla\n\n\n\nlo<|im_end|>", "la\n\nlo", []),
    ("# Languages\nelvish\n# Lyrics\nna", "na", []),
    ("# Languages\nen\n\n# Lyrics\n[Instrumental]", "", ["en"]), ("", "", []), ("\n```\n\n```", "", []),
])  # fmt: skip
def test_transcripts_are_read_however_they_are_dressed(answer: str, lyrics: str, codes: list[str]):
    assert parse_transcript(answer) == (lyrics, codes)


@pytest.mark.parametrize(("answer", "caption"), [
    ("Slow bells\nover a drone.", "Slow bells over a drone."), ("", ""),
    ("Here is the description:\n\n# Caption\n**Slow** bells.\n```\n", "Slow bells."), ("Mood: calm", "Mood: calm"),
])  # fmt: skip
def test_captions_become_one_plain_line(answer: str, caption: str):
    assert plain_caption(answer) == caption
