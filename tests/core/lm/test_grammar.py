"""The automaton against the meaning of its parts: a token may come exactly if some valid whole begins so."""

import random

import pytest
from toy import CODES, MARKS, TEXTS, VOCABULARY, language, said

from acestep_core.errors import UserError
from acestep_core.lm.grammar import Codes, Free, Grammar, Mark, OneOf, Text
from acestep_core.lm.reading import Reader
from acestep_core.lm.vocabulary import Vocabulary, build

FIELDS = Grammar(
    (Text("a: "), OneOf(("1", "12", "121")), Text("\nb: "), OneOf(("a", "ab")), Text("\n"), Mark("</think>"))
)
FOLDED = Grammar((Free(50, "folded"), Text("\nb: "), OneOf(("1", "2")), Mark("</think>")))
LYRICS = Grammar((Text("a"), Free(50, "many", forbidden="", empty=True), Mark("<|im_end|>")))
LINE = Grammar((Free(50, "one"), Text("\n"), Mark("<|im_end|>")))
SOUNDS = Grammar((Mark("</think>"), Codes(2, 4), Mark("<|im_end|>")))
LONGEST = {FIELDS: 0, FOLDED: 6, LYRICS: 5, LINE: 5, SOUNDS: 0}


@pytest.mark.parametrize("grammar", LONGEST, ids=["fields", "folded", "lyrics", "line", "codes"])
def test_a_token_may_come_exactly_if_something_valid_begins_so(grammar):
    whole = language(grammar, LONGEST[grammar])
    begins = {_begin(w, n) for w in whole for n in range(_length(w) + 1)}
    reader = Reader(grammar, VOCABULARY)
    waiting, tried = [([], reader.start())], 0
    while waiting and tried < 400:
        tokens, state = waiting.pop(random.Random(tried).randrange(len(waiting)))
        tried += 1
        inside = _length(said(tokens)) + 4 <= LONGEST[grammar] or not LONGEST[grammar]
        if not inside:
            continue
        allowed = reader.allowed(state).ids.tolist()
        expected = [t for t in range(len(VOCABULARY.texts)) if _known(t) and said([*tokens, t]) in begins]
        assert allowed == expected, (said(tokens), [_shown(t) for t in set(allowed) ^ set(expected)])
        waiting += [([*tokens, t], reader.after(state, t)) for t in allowed]
    assert tried > 15


def _known(token):
    return token < len(TEXTS) or token in MARKS.values() or token in CODES


def _shown(token):
    return TEXTS[token] if token < len(TEXTS) else token


def _length(whole):
    return sum(len(s) if isinstance(s, bytes) else 1 for s in whole)


def _begin(whole, length):
    """So much of it: a byte or a mark each."""
    found = []
    for piece in whole:
        if length <= 0:
            break
        taken = piece[:length] if isinstance(piece, bytes) else piece
        length -= len(taken) if isinstance(piece, bytes) else 1
        found.append(taken)
    return tuple(found)


def test_the_state_follows_from_the_tokens_alone():
    reader, again = Reader(FOLDED, VOCABULARY), Reader(FOLDED, VOCABULARY)
    rng, state, tokens = random.Random(1), reader.start(), []
    for _ in range(60):
        if reader.done(state):
            break
        tokens.append(int(rng.choice(reader.allowed(state).ids)))
        state = reader.after(state, tokens[-1])
        assert again.walk(tokens) == state
    with pytest.raises(ValueError, match="cannot come"):
        reader.after(reader.start(), MARKS["<|im_end|>"])


def test_a_free_text_ends_at_its_limit_and_finishes_what_it_began():
    grammar = Grammar((Free(3, "folded"), Text("\nb")))
    reader = Reader(grammar, VOCABULARY)
    spell = {t: i for i, t in enumerate(TEXTS)}
    at_limit = reader.walk([spell[b"a"], spell[b"a"], spell[b"a"]])
    assert {TEXTS[t] for t in reader.allowed(at_limit).ids} == {b"\n", b"\nb"}
    begun = reader.walk([spell[b"a"], spell[b"a"], spell[b"a\xe5"]])
    assert {TEXTS[t] for t in reader.allowed(begun).ids} == {b"\x85", b"\x85\x89", b"\x89"}
    indented = reader.walk([spell[b"a"], spell[b"a"], spell[b"\n "]])
    assert {TEXTS[t] for t in reader.allowed(indented).ids} == {b" "}


def test_as_many_codes_as_were_asked_for():
    reader = Reader(Grammar((Codes(2, 2), Mark("<|im_end|>"))), VOCABULARY)
    state = reader.start()
    for _ in range(2):
        assert reader.allowed(state).ids.tolist() == CODES
        state = reader.after(state, CODES[1])
    assert reader.allowed(state).ids.tolist() == [MARKS["<|im_end|>"]]
    assert reader.done(reader.after(state, MARKS["<|im_end|>"]))


def test_the_likeliest_is_asked_for_where_a_part_says_so():
    reader = Reader(Grammar((Text("a"), OneOf(("1", "2"), surest=True), Text("b"))), VOCABULARY)
    assert not reader.allowed(reader.start()).surest
    assert reader.allowed(reader.walk([TEXTS.index(b"a")])).surest


def test_a_vocabulary_that_cannot_spell_it_is_refused():
    with pytest.raises(UserError, match="cannot spell"):
        Reader(Grammar((Text("xyz"),)), VOCABULARY).allowed(Reader(Grammar((Text("xyz"),)), VOCABULARY).start())


def test_two_counting_parts_never_stand_side_by_side():
    with pytest.raises(ValueError, match="side by side"):
        Grammar((Free(3), Codes(1, 2)))


def test_tokens_are_read_as_byte_level_bpe_spells_them():
    codes = {f"<|audio_code_{i}|>": 10 + i for i in range(64001)}
    found = build({"Ġa": 0, "åħī": 1, "Ċ": 2, **codes}, {"<think>": 3})
    assert isinstance(found, Vocabulary)
    assert found.texts[:4] == [b" a", "光".encode(), b"\n", None] and found.marks == {"<think>": 3}
    assert len(found.codes) == 64000 and 64010 not in found.code_of  # there are 64,000 codes, whatever the table says
    with pytest.raises(UserError, match="no byte-level tokenizer"):
        build({"▁a": 0, **codes}, {})
    with pytest.raises(UserError, match="no tokens for the 64000 audio codes"):
        build({"a": 0}, {})
