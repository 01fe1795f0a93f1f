"""dataset check: its numbers against ones worked out by hand, and what makes it end with 1."""

import json

import pytest

from acestep_core import Dataset, UserError
from acestep_core.checking import check
from acestep_core.kohya.variants import applied
from acestep_core.train_settings import TrainSettings

DATA = """\
    [general]
    txt_role = "lyrics"
    [[datasets]]
    batch_size = 4
    enable_bucket = true
    min_bucket_seconds = 8
    max_bucket_seconds = 24
    bucket_step_seconds = 4
      [[datasets.subsets]]
      audio_dir = "a"
      num_repeats = 3
      class_tokens = "mytag"
      [[datasets.subsets]]
      audio_dir = "b"
      trigger = "other"
"""


@pytest.fixture
def data(song, toml):
    song("a/one.wav", 6.0, caption_txt="mytag, bells", txt="La la")
    song("a/two.wav", 8.0)
    song("a/three.wav", 8.5, caption="no tag here")
    song("b/four.wav", 12.0, caption_txt="drums", lyrics_txt="[Instrumental]")
    song("b/short.wav", 2.0, caption_txt="left out")
    return toml(DATA)


def test_the_numbers(cli, data):
    ended = cli("dataset", "check", data, "--json", "--epochs", 5, "--accumulation", 2)
    found = json.loads(ended.out)
    # a: three songs 3 times, b: one song once; short.wav is below the model's shortest
    parts = [(p["name"], p["repeats"], p["tag"], p["songs"], p["left_out"], p["shown"], p["steps"])
             for p in found["parts"]]  # fmt: skip
    assert parts == [("a", 3, "mytag", 3, 0, 9, 2), ("b", 1, "other", 1, 1, 1, 1)]
    assert [p["seconds"] for p in found["parts"]] == [22.5, 12.0]
    # ends: 6 and 8 -> 8 s, 8.5 and 12 -> 12 s
    buckets = [(b["end_s"], b["songs"], b["shown"], b["seconds"], b["padding"]) for b in found["buckets"]]
    assert buckets == [(8.0, 2, 6, 42.0, 0.125), (12.0, 2, 4, 37.5, pytest.approx(1 - 37.5 / 48, abs=1e-4))]
    assert found["padding"] == pytest.approx(1 - 79.5 / (48 + 48))
    assert found["padding_to_longest"] == pytest.approx(1 - 79.5 / (10 * 12))
    assert (found["songs"], found["shown"], found["seconds"], found["shown_seconds"]) == (4, 10, 34.5, 79.5)
    # 10 songs by 4 x 2 a step: 2 steps an epoch, which none leaves: 10 in 5 epochs
    assert (found["plan"], found["steps_per_epoch"], found["steps"]) == (
        {"batch_size": 4, "accumulation": 2, "epochs": 5}, 2, 10)  # fmt: skip
    assert found["latents_bytes"] == (150 + 200 + 212 + 300) * 64 * 4
    coverage = {k: (found[k]["have"], found[k]["of"], found[k]["without"]) for k in ("captions", "lyrics", "trigger")}
    assert coverage == {
        "captions": (4, 4, []), "lyrics": (2, 4, ["three.wav", "two.wav"]), "trigger": (3, 4, ["three.wav"]),
    }  # fmt: skip
    assert found["captions"]["sources"] == {".caption.txt": 2, "class_tokens": 1, ".caption": 1}
    assert found["parts"][1]["settings"]["txt_role"] == {"value": "lyrics", "from": "[general]"}
    assert ended.code == 1 and len(found["problems"]) == 1 and "short.wav: it lasts 2.00 s" in found["problems"][0]


def test_the_usual_folder_of_35_songs_30_times_is_1050_steps(song, tmp_path, cli):
    for n in range(35):
        song(f"images/30_ZhangNaYing/{n}.wav", 5.2)
    ended = cli("dataset", "check", tmp_path / "images", "--kohya", "--epochs", 1)
    assert ended.code == 0 and "1050 steps an epoch, 1050 in 1 epochs" in ended.out
    assert "30_ZhangNaYing       30  ZhangNaYing     35      3.0   1050   1050" in ended.out
    assert "35 of 35 songs (35 class_tokens)" in ended.out


def test_any_dataset_can_be_checked(song, tmp_path, cli):
    song("songs/x.wav", caption_txt="bells")
    song("songs/inner/y.wav")
    Dataset.open(tmp_path / "songs").save(tmp_path / "dataset.json")
    for source in ("songs", "dataset.json"):
        ended = cli("dataset", "check", tmp_path / source)
        assert ended.code == 0 and "1 of 2 songs (1 .caption.txt)" in ended.out.replace("dataset.json", ".caption.txt")
        assert "2 songs, 0:12 of music; with repeats 2 an epoch" in ended.out and "not y.wav" in ended.out


def test_songs_held_out_are_not_counted(song, tmp_path, cli):
    for n in range(4):
        song(f"songs/{n}.wav", caption_txt="bells")
    assert cli("dataset", "save", tmp_path / "songs", "-o", tmp_path / "d.json", "--validation", 0.25).code == 0
    ended = cli("dataset", "check", tmp_path / "d.json", "--epochs", 1)
    assert "3 songs (1 more held out), 0:18 of music" in ended.out and "3 steps an epoch, 3 in 1 epochs" in ended.out


def test_problems_end_with_1(song, tmp_path, cli, data):
    song("none/x.wav")
    (tmp_path / "empty").mkdir()
    for source, said in (("none", "no song has a caption"), ("empty", "no song that can be used"),
                         ("gone", "There is no folder")):  # fmt: skip
        ended = cli("dataset", "check", tmp_path / source)
        assert ended.code == 1 and said in ended.out + ended.err
    data.write_text(data.read_text().replace("num_repeats", "num_repeat"))
    ended = cli("dataset", "check", data, "--json")
    assert ended.code == 1 and "did you mean 'num_repeats'" in json.loads(ended.out)["problems"][0]


def test_a_song_longer_than_all_buckets_is_told(song, toml, cli):
    song("a/x.wav", 30.0, caption="long")
    path = toml('[[datasets]]\nmax_bucket_seconds = 20\n[[datasets.subsets]]\naudio_dir = "a"')
    ended = cli("dataset", "check", path)
    assert ended.code == 1 and "it lasts 30.00 s, above max_bucket_seconds 20" in ended.out


VARYING = """\
    [general]
    shuffle_caption = true
    keep_tokens = 1
    [[datasets]]
      [[datasets.subsets]]
      audio_dir = "a"
      caption_dropout_rate = 0.1
      is_reg = true
"""


def test_what_varies_is_shown_and_can_be_ignored(song, toml, cli):
    song("a/x.wav", caption="bells, slow")
    path = toml(VARYING)
    ended = cli("dataset", "check", path)
    assert "a: shuffle_caption = true, caption_dropout_rate = 0.1, is_reg = true, keep_tokens = 1" in ended.out
    assert ended.code == 0
    ended = cli("dataset", "check", path, "--ignore", "shuffle_caption,is_reg")
    assert ended.code == 0 and "note: ignored as asked: shuffle_caption ([general])" in ended.out
    with pytest.raises(UserError, match="'shuffle' is nothing that can be ignored") as caught:
        applied(Dataset.open(path), ("shuffle",))
    assert "shuffle_caption" in caught.value.hint


def test_what_cannot_be_done_is_refused_unless_ignored(song, toml, cli):
    song("a/x.wav", caption="bells, slow")
    path = toml(VARYING.replace("keep_tokens = 1", "token_warmup_step = 0.5"))
    ended = cli("dataset", "check", path)
    assert ended.code == 1 and "does not do what the dataset asks for: token_warmup_step ([general])" in ended.out
    assert "--ignore token_warmup_step" in ended.out
    assert cli("dataset", "check", path, "--ignore", "token_warmup_step").code == 0


REGULARISING = """\
    [[datasets]]
    batch_size = 2
      [[datasets.subsets]]
      audio_dir = "a"
      num_repeats = 5
      [[datasets.subsets]]
      audio_dir = "b"
      is_reg = true
"""


def test_songs_for_is_reg_are_shown_as_often_as_the_others(song, toml, cli):
    for name in ("a/1.wav", "a/2.wav", "b/1.wav", "b/2.wav", "b/3.wav"):
        song(name, caption="bells")
    path = toml(REGULARISING)
    told = json.loads(cli("dataset", "check", path, "--json", "--epochs", 1).out)
    assert [(p["name"], p["shown"]) for p in told["parts"]] == [("a", 10), ("b", 10)]
    assert (told["shown"], told["steps"]) == (20, 10)
    assert "b (is_reg): 3 songs are shown 10 times an epoch, to be as many as the others" in told["notes"]
    dataset = Dataset.open(path)
    applied(dataset)
    applied(dataset)
    assert [s.repeats for s in dataset.songs] == [5, 5, 4, 3, 3]
    told = json.loads(cli("dataset", "check", path, "--json", "--epochs", 1, "--ignore", "is_reg").out)
    assert (told["shown"], told["steps"]) == (13, 7)


def test_keep_tokens_alone_asks_for_nothing(song, toml):
    song("a/x.wav", caption="bells")
    path = toml('[[datasets]]\n[[datasets.subsets]]\naudio_dir = "a"\nkeep_tokens = 3')
    assert applied(Dataset.open(path)) == []


def test_a_song_of_exactly_a_bucket_is_in_it_without_padding(song, tmp_path):
    song("a/x.wav", 20.0, caption_txt="bells")
    found = check(Dataset.open(tmp_path / "a"), TrainSettings())
    assert [(b.end_s, b.padding) for b in found.buckets] == [(20.0, 0.0)]
