"""Dataset TOML: values are inherited as in Kohya's trainers, and every mistake is told with its place, all at once."""

import re

import pytest

from acestep_core import Dataset, UserError
from acestep_core.kohya.positions import lines_of
from acestep_core.kohya.toml_file import read_toml

LAYERED = """\
    [general]
    num_repeats = 2
    shuffle_caption = true
    keep_tokens = 3
    caption_prefix = "general"
    caption_dropout_rate = 0.1

    [[datasets]]
    num_repeats = 3
    caption_dropout_rate = 0
      [[datasets.subsets]]
      audio_dir = "a"
      [[datasets.subsets]]
      audio_dir = "b"
      num_repeats = 4
      shuffle_caption = false
      caption_prefix = ""

    [[datasets]]
    keep_tokens = 0
    enable_bucket = true
      [[datasets.subsets]]
      image_dir = "c"
      caption_dropout_rate = 1
"""
G, FIRST, SECOND = "[general]", "[[datasets]] 1", "[[datasets]] 2"
B, C = "[[datasets]] 1, subset 2", "[[datasets]] 2, subset 1"
# key -> (value, where it was said) in a, b and c: subset > dataset > general > default, false and 0 count as said
EXPECTED = {
    "num_repeats": [(3, FIRST), (4, B), (2, G)],
    "shuffle_caption": [(True, G), (False, B), (True, G)],
    "keep_tokens": [(3, G), (3, G), (0, SECOND)],
    "caption_prefix": [("general", G), ("", B), ("general", G)],
    "caption_dropout_rate": [(0, FIRST), (0, FIRST), (1, C)],
    "enable_bucket": [(False, "default"), (False, "default"), (True, SECOND)],
    "caption_separator": [(",", "default")] * 3,
}


@pytest.fixture
def folders(tmp_path):
    for name in "abc":
        (tmp_path / name).mkdir()


@pytest.mark.parametrize("key", EXPECTED)
def test_a_subset_inherits_from_its_dataset_which_inherits_from_general(toml, folders, key):
    found = [s.settings()[key] for s in read_toml(toml(LAYERED))]
    assert [(f["value"], f["from"]) for f in found] == EXPECTED[key]


def problems(toml, text):
    with pytest.raises(UserError) as caught:
        read_toml(toml(text))
    return str(caught.value)


def wrong(line, place="subset"):
    """A good file with a wrong line in one of its tables: line 2, 4 or 7."""
    general, datasets, subset = (line if place == name else "" for name in ("general", "datasets", "subset"))
    return f"[general]\n{general}\n[[datasets]]\n{datasets}\n[[datasets.subsets]]\naudio_dir = 'a'\n{subset}\n"


@pytest.mark.parametrize(
    ("line", "place", "said"),
    [
        ("num_repeat = 2", "subset", r"line 7: .*subset 1: nothing reads 'num_repeat'.*did you mean 'num_repeats'\?"),
        ("captoin_prefix = 'x'", "general", r"line 2: \[general\]: .*did you mean 'caption_prefix'\?"),
        ("batch_size = 2", "subset", r"'batch_size' has no meaning here.*under \[general\] or \[\[datasets\]\]"),
        ("audio_dir = 'b'", "general", r"'audio_dir' has no meaning here.*under \[\[datasets.subsets\]\]"),
        ("trigger_position = 'append'", "datasets", r"line 4: .*'trigger_position' has no meaning here"),
        ("num_repeats = 2.0", "subset", r"num_repeats = 2.0 must be a whole number"),
        ("num_repeats = true", "subset", r"num_repeats = true must be a whole number"),
        ("num_repeats = 0", "subset", r"num_repeats = 0 must be at least 1"),
        ("num_repeats = 10001", "subset", r"must be at most 10000"),
        ("shuffle_caption = 'true'", "subset", r"shuffle_caption = 'true' must be true or false"),
        ("class_tokens = 3", "subset", r"class_tokens = 3 must be text"),
        ("caption_dropout_rate = 1.5", "subset", r"caption_dropout_rate = 1.5 must be at most 1"),
        ("caption_dropout_rate = nan", "subset", r"must be at least 0"),
        ("caption_tag_dropout_rate = false", "subset", r"must be a number"),
        ("txt_role = 'captions'", "subset", r"must be one of lyrics, caption, fields, ignore"),
        ("resolution = 512", "datasets", r"line 4: .*'resolution' is about the size of pictures.*max_bucket_seconds"),
        ("flip_aug = false", "general", r"'flip_aug' changes how pictures look"),
        ("color_aug = true", "subset", r"'color_aug' changes how pictures look"),
        ("bucket_reso_steps = 64", "datasets", r"write bucket_step_seconds"),
        ("validation_split = 0.1", "datasets", r"not how songs are held out here.*--validation"),
        ("caption_extension = '.json'", "subset", r"'.json' files hold no caption"),
        ("caption_extension = '.txt'\ntxt_role = 'lyrics'", "subset", r"line 8: .*txt_role says lyrics"),
        ("min_bucket_seconds = 100\nmax_bucket_seconds = 50", "datasets", r"line 4: \[\[datasets\]\] 1: .*above max"),
        ("bucket_step_seconds = 0.1", "datasets", r"is no multiple of 0.08"),
        ("max_bucket_seconds = 601", "datasets", r"must be at most 600"),
        ("image_dir = 'b'", "subset", r"audio_dir and image_dir say the same"),
        ("metadata_file = 'none.json'", "subset", r"there is no file none.json"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place_and_remedy(toml, folders, line, place, said):
    assert re.search(said, problems(toml, wrong(line, place)), re.DOTALL)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"is no dataset: it is empty"),
        ("[model_arguments]\nv2 = false\n[training_arguments]\nseed = 1", r"is no dataset: it has model_arg"),
        ("[general]\nshuffle_caption = true", r"it names no songs"),
        ("datasets = 3", r"'datasets' is no list of tables.*write \[\[datasets\]\]"),
        ("[datasets]\nbatch_size = 2", r"line 1: 'datasets' is no list of tables"),
        ("general = 3\n[[datasets]]\n[[datasets.subsets]]\naudio_dir = 'a'", r"'general' is no table"),
        ("[[datasets]]\nbatch_size = 2", r"line 1: \[\[datasets\]\] 1: it has no \[\[datasets.subsets\]\]"),
        ("[[datasets]]\n[[datasets.subsets]]\nnum_repeats = 2", r"line 2: .*subset 1: it names no songs"),
        ("[[datasets]]\n[[datasets.subsets]]\naudio_dir = 'gone'", r"line 3: .*there is no folder gone"),
        ("[general]\n[[datasets]]\n[general]", r"'general' of line 1 stands again in line 3"),
        ("x = = 1", r"is no valid TOML .*line 1"),
        ("[[datasets]]\n[[datasets.subsets]]\naudio_dir = ''", r"line 3: .*audio_dir is empty"),
        ("num_repeats = 2\n[[datasets]]\n[[datasets.subsets]]\naudio_dir = 'a'", r"line 1: .*outside of every table"),
        ("[dataset]\n[general]\nkeep_tokens = 1", r"line 1: nothing reads 'dataset'.*did you mean 'datasets'"),
        ("[[datasets]]\nx = 1\nx = 2\n", r"is no valid TOML \('x' of line 2 stands again in line 3\)"),
        ("[[datasets]]\nbatch_size = 1\n[[datasets.subsets]]\naudio_dir = 'a'\n[[datasets]]\nbatch_size = 2\n"
         "[[datasets.subsets]]\naudio_dir = 'b'", r"batch_size is 1 and 2.*in \[general\]"),
        ("[[datasets]]\n[[datasets.subsets]]\naudio_dir = 'a'\n[[datasets.subsets]]\naudio_dir = './a'", r"twice"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_as_a_whole_is_told(toml, folders, text, said):
    assert re.search(said, problems(toml, text), re.DOTALL)


def test_all_mistakes_are_told_together(toml, folders):
    text = "[general]\nresolution = 512\n[[datasets]]\n[[datasets.subsets]]\naudio_dir = 'gone'\nis_reg = 0\nxyz = 1"
    told = problems(toml, text)
    assert "has 4 problems" in told
    assert [f"line {n}" in told for n in (2, 5, 6, 7)] == [True] * 4


def test_lines_are_found_in_spite_of_strings_arrays_and_inline_tables():
    text = '''\
# [no table]
a = """
[not]
b = 1
"""  # end
c = [
  "[d]",
  1,
]
[general]
"quoted key" = '[x]'
x.y = { z = 1 }
[[datasets]]
[[datasets.subsets]]  # first
p = 1
[[datasets.subsets]]
p = 2
[[datasets]]
  [[datasets.subsets]]
  p = 3
'''
    found = lines_of(text)
    assert found == {
        ("a",): 2, ("c",): 6, ("general",): 10, ("general", "quoted key"): 11, ("general", "x", "y"): 12,
        ("datasets", 0): 13, ("datasets", 0, "subsets", 0): 14, ("datasets", 0, "subsets", 0, "p"): 15,
        ("datasets", 0, "subsets", 1): 16, ("datasets", 0, "subsets", 1, "p"): 17, ("datasets", 1): 18,
        ("datasets", 1, "subsets", 0): 19, ("datasets", 1, "subsets", 0, "p"): 20,
    }  # fmt: skip


# The two sample fragments that the tutorials show, with a folder of songs in place of pictures.
def test_the_usual_template_is_read(toml, song):
    song("images/one.wav", caption="a, b, c, d")
    path = toml(
        """\
        [general]
        shuffle_caption = true
        keep_tokens = 3
        [[datasets]]
        batch_size = 10
          [[datasets.subsets]]
          image_dir = "images"
          class_tokens = "character boy"
        """
    )
    dataset = Dataset.open(path)
    assert [s.caption for s in dataset.songs] == ["a, b, c, d"]
    assert dataset.subsets[0].variants() == {"shuffle_caption": True, "keep_tokens": 3}
    assert dataset.metadata["name"] == "data" and "train --batch-size 10" in dataset.notes[0]
