"""Prompts of a song: shares add up, what is kept stays, and rates are what they say."""

from collections import Counter
from pathlib import Path

import pytest

from acestep_core import Dataset, EncodeSettings, Song, UserError
from acestep_core.encode_settings import check_settings
from acestep_core.kohya.variants import applied, rules_of
from acestep_core.wording import VariantRule, Wording, prompts_of

TAGS = "piano, rain, slow, warm, tape"


def worded(text=TAGS, tag="", position="prepend", **rule):
    wording = Wording(Song(Path("x.wav"), id="abc"), (text,), (1.0,), tag, position)
    count, seed = rule.pop("count", 8), rule.pop("seed", 0)
    return prompts_of(wording, VariantRule(**rule), count, seed)


def test_a_song_whose_prompt_does_not_vary_has_one():
    assert [(p.caption, p.weight) for p in worded()] == [(TAGS, 1.0)]


def test_shuffled_prompts_have_the_same_tags_and_share_the_showings():
    prompts = worded(shuffle=True, count=8)
    assert sum(p.weight for p in prompts) == pytest.approx(1)
    assert {tuple(sorted(p.caption.split(", "))) for p in prompts} == {tuple(sorted(TAGS.split(", ")))}
    assert prompts[0].caption == TAGS and len({p.caption for p in prompts}) == len(prompts) > 6
    assert prompts == worded(shuffle=True, count=8) != worded(shuffle=True, count=8, seed=1)


def test_kept_tags_the_trigger_among_them_stay_in_front():
    for prompt in worded(shuffle=True, keep=2):
        assert prompt.caption.startswith("piano, rain, ")
    for prompt in worded(tag="zxc", shuffle=True, tag_dropout=0.5, keep=2):
        assert prompt.caption.startswith("zxc, piano")
    for prompt in worded(tag="zxc", position="append", tag_dropout=0.9):
        assert prompt.caption.endswith("zxc")


def test_sentences_stay_as_they_are():
    prompts = worded("piano, rain, tape. A slow song, and a sad one.", shuffle=True)
    assert len(prompts) > 2
    assert all(p.caption.endswith(". A slow song, and a sad one.") for p in prompts)


def test_tags_are_left_out_as_often_as_asked():
    prompts = worded(tag_dropout=0.3, count=1000)
    said = sum(p.weight * len([t for t in p.caption.split(", ") if t]) for p in prompts)
    assert said == pytest.approx(0.7 * 5, abs=0.1)


def test_the_empty_caption_has_its_share_and_loses_the_trigger():
    shares = {p.caption: p.weight for p in worded(tag="zxc", caption_dropout=0.1)}
    assert shares == {f"zxc, {TAGS}": pytest.approx(0.9), "": pytest.approx(0.1)}


def test_every_so_many_epochs_the_empty_caption_is_due():
    assert [(p.caption, p.weight, p.every_epochs) for p in worded(empty_every_epochs=3)] == [(TAGS, 1, 0), ("", 0, 3)]


def test_a_line_and_one_of_each_wildcard_are_chosen():
    prompts = worded("{slow|fast} song\nnoise", wildcards=True, count=400)
    shares = {p.caption: p.weight for p in prompts}
    assert prompts[0].caption == "slow song"
    assert shares == {"slow song": pytest.approx(0.25, abs=0.07), "fast song": pytest.approx(0.25, abs=0.07),
                      "noise": pytest.approx(0.5, abs=0.09)}  # fmt: skip


def test_genre_and_caption_take_turns_by_the_ratio(songs_dir):
    dataset = Dataset.scan(songs_dir)
    for song in dataset.songs:
        song.genre = "folk"
    dataset.songs[0].prompt_override = "genre"
    dataset.metadata |= {"genre_ratio": 20, "custom_tag": "zxc"}
    first, *rest = dataset.wordings()
    assert (first.texts, first.shares) == (("folk",), (1.0,))
    captioned = [w for w in rest if w.song.caption]
    assert captioned and all(dict(zip(w.texts, w.shares, strict=True))["folk"] == 0.2 for w in captioned)
    assert all(sum(w.shares) == 1 and len(w.texts) == 2 for w in captioned)
    main = {s.path: caption for s, caption in dataset.captions()}
    for wording in rest:
        prompts = prompts_of(wording, VariantRule(), 8, 0)
        assert prompts[0].caption == main[wording.song.path] and prompts[0].caption.startswith("zxc")


KOHYA = """\
    [[datasets]]
      [[datasets.subsets]]
      audio_dir = "a"
      shuffle_caption = true
      %s
"""


@pytest.mark.parametrize(
    ("caption", "keys", "fixed", "moving", "last"),
    [
        ("a b c d. e, f, g, h", "keep_tokens = 1", "a b c d. e", "fgh", ""),
        ("zxc, big ||| f, g, h ||| end", 'keep_tokens_separator = "|||"', "zxc, big", "fgh", "end"),
        ("zxc; f; g; h", 'caption_separator = ";"\nkeep_tokens = 1', "zxc", "fgh", ""),
        ("f;;;x, g, h", 'secondary_separator = ";;;"', "", ["f,x", "g", "h"], ""),
    ],
)
def test_captions_of_a_toml_are_cut_as_kohya_cuts_them(make_song, tmp_path, caption, keys, fixed, moving, last):
    make_song(tmp_path / "a" / "x.wav", 0.2, caption=caption)
    (tmp_path / "d.toml").write_text(KOHYA % keys)
    dataset = Dataset.open(tmp_path / "d.toml")
    (wording,) = dataset.wordings()
    prompts = prompts_of(wording, rules_of(dataset, VariantRule())(wording.song.path), 30, 0)
    orders = Counter()
    for prompt in prompts:
        text = prompt.caption.removeprefix(f"{fixed}, ").removesuffix(f", {last}" if last else "")
        assert prompt.caption.startswith(fixed) and prompt.caption.endswith(last)
        orders[text] += 1
        assert sorted(text.split(", ")) == sorted(moving)
    assert len(orders) > 3


def test_lines_of_a_caption_file_are_alternatives_with_enable_wildcard_alone(make_song, tmp_path):
    make_song(tmp_path / "a" / "x.wav", 0.2)
    (tmp_path / "a" / "x.caption").write_text("{slow|fast} bells\nrain")
    path = tmp_path / "d.toml"
    path.write_text(KOHYA.replace("shuffle_caption", "enable_wildcard") % 'caption_suffix = "x"')
    for ignored, expected in ((), {"slow bells", "fast bells", "rain x"}), (["enable_wildcard"], {"{slow|fast} bells"}):
        dataset = Dataset.open(path)
        applied(dataset, ignored)
        (wording,) = dataset.wordings()
        rule = rules_of(dataset, VariantRule(), ignored)(wording.song.path)
        assert {p.caption for p in prompts_of(wording, rule, 40, 0)} == expected


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"crop_share": 0.5}, "--crop-share and --crop-lyrics do nothing"),
        ({"keep_tags": 1}, "--keep-tags does nothing"),
        ({"format": "reference", "crop_seconds": 10.0}, "one prompt a song and no parts"),
        ({"min_seconds": 20.0, "max_seconds": 10.0}, "--min-seconds is above"),
    ],
)
def test_settings_that_do_nothing_or_contradict_are_told(fields, said):
    with pytest.raises(UserError, match=said):
        check_settings(EncodeSettings(**fields))
