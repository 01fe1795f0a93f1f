"""Many requests out of one."""

import json
from pathlib import Path

import pytest

from acestep_core import Cover, GenerateRequest, UserError
from acestep_core.items import read_items, repeated


def written(folder, *lines):
    path = folder / "items.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


def test_seeds_follow_each_other_and_stay_open_without_one():
    assert [r.seed for r in repeated(GenerateRequest(seed=7), 3)] == [7, 8, 9]
    assert [r.seed for r in repeated(GenerateRequest(), 2)] == [None, None]


def test_a_line_says_what_differs(tmp_path):
    base = GenerateRequest(caption="base", bpm=90, steps=4)
    path = written(
        tmp_path, {"caption": "waltz", "seed": 0}, "", {"task": {"name": "remix", "source": "a.wav"}, "bpm": "120"}
    )
    first, second = read_items(path, base)
    assert first == GenerateRequest(caption="waltz", bpm=90, steps=4, seed=0)
    assert second.task == Cover(source=tmp_path / "a.wav") and second.bpm == 120 and second.caption == "base"
    assert isinstance(second.task.source, Path)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["{"], "line 1 is no JSON"),
        (["[1]"], "line 1 is no object"),
        ([{"capton": "x"}], "has no option 'capton'"),
        ([{"solver": "heun"}], "one solver"),
        ([{"task": "cover"}], "task has no name"),
        ([{"task": {"name": "covr"}}], "There is no task 'covr'"),
        ([{"caption": "x"}, {"bpm": 5}, {"bpm": "fast"}], "has 2 problems"),
        ([], "is empty"),
    ],
    ids=str,
)
def test_every_wrong_line_is_told(tmp_path, lines, said):
    with pytest.raises(UserError) as e:
        read_items(written(tmp_path, *lines), GenerateRequest())
    assert said in str(e.value)


def test_a_missing_file_and_a_binary_one(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        read_items(tmp_path / "gone.jsonl", GenerateRequest())
    (tmp_path / "b.jsonl").write_bytes(b"\xff\xfe\x00\xd8\xff")
    with pytest.raises(UserError):
        read_items(tmp_path / "b.jsonl", GenerateRequest())
