"""Held-out songs: the share asked for, the same for the same seed, and never half of what belongs together."""

from pathlib import Path

import pytest

from acestep_core.data import Song
from acestep_core.splitting import song_groups, split_songs


def song(name: str, lyrics: str = "", number: str = "") -> Song:
    return Song(path=Path(name), id=number or name, lyrics=lyrics)


def held_out(sides: dict[str, str]) -> set[str]:
    return {n for n, side in sides.items() if side == "validation"}


MANY = [song(f"song {n}.wav") for n in range(40)]


@pytest.mark.parametrize(("share", "count"), [(0, 0), (0.1, 4), (0.25, 10), (0.5, 20)])
def test_the_share_asked_for_is_held_out(share, count):
    assert len(held_out(split_songs(MANY, share, seed=0))) == count


def test_the_seed_and_not_the_order_of_songs_decides():
    first = split_songs(MANY, 0.2, seed=3)
    assert split_songs(MANY[::-1], 0.2, seed=3) == first
    assert held_out(split_songs(MANY, 0.2, seed=4)) != held_out(first)


def test_both_sides_get_a_song_where_there_are_two():
    two = [song("a.wav"), song("b.wav")]
    for share in (0.01, 0.5, 0.99):
        assert sorted(split_songs(two, share, seed=0).values()) == ["train", "validation"]
    assert held_out(split_songs(two[:1], 0.5, seed=0)) == set()


WORDS = "Down by the harbour the lanterns are lit\nand nobody knows where the ferry went"
TOGETHER = {
    "the same name in other folders": (song("cd1/Tide.flac"), song("mp3/tide.mp3")),
    "names that only macOS spells differently": (song("caf\u00e9.wav"), song("x/cafe\u0301.mp3")),
    "the same recording": (song("a.wav", number="1"), song("b.wav", number="1")),
    "the same words": (
        song("live.wav", WORDS),
        song("studio.wav", f"[Verse]\n{WORDS.upper()}"),
    ),
}


@pytest.mark.parametrize("pair", TOGETHER.values(), ids=TOGETHER)
def test_songs_that_belong_together_are_on_one_side(pair):
    for seed in range(30):
        sides = split_songs([*MANY[:6], *pair], 0.3, seed)
        assert sides[pair[0].id] == sides[pair[1].id]


def test_belonging_together_goes_through_others():
    chain = [song("a.wav", WORDS), song("b.wav", WORDS), song("x/b.mp3"), song("c.wav")]
    assert [[s.path.name for s in g] for g in song_groups(chain)] == [["a.wav", "b.wav", "b.mp3"], ["c.wav"]]


def test_short_lyrics_say_nothing_about_belonging_together():
    assert len(song_groups([song("a.wav", "[Instrumental]"), song("b.wav", "[Instrumental]")])) == 2


def test_a_song_keeps_its_side_when_songs_are_added():
    before = split_songs(MANY[:20], 0.2, seed=0)
    after = split_songs(MANY, 0.2, seed=0, kept=before)
    assert {n: after[n] for n in before} == before and len(held_out(after)) == 8


def test_what_joins_a_held_out_song_is_held_out_too():
    kept = {"live.wav": "validation", "studio.wav": "train"}
    sides = split_songs([song("live.wav", WORDS), song("studio.wav", WORDS), song("b.wav")], 0.1, 0, kept)
    assert sides == {"live.wav": "validation", "studio.wav": "validation", "b.wav": "train"}
