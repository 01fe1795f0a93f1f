"""The model that comes with the package is found by its names, and says what it is."""

import json
from pathlib import Path

import pytest

from acestep_core.bundled import FOLDER
from acestep_core.checkpoint import list_models, open_checkpoint
from acestep_core.errors import UserError


@pytest.mark.parametrize(("name", "variant"), [("nano", "turbo"), ("nano-turbo", "turbo"), ("nano-base", "base")])
def test_each_name_means_a_variant(name, variant):
    assert open_checkpoint(Path(name)).dit.variant == variant


def test_a_variant_that_is_named_counts():
    assert open_checkpoint(Path("nano"), "base").dit.variant == "base"
    assert open_checkpoint(Path("nano-base"), "acestep-nano-base").dit.variant == "base"
    with pytest.raises(UserError, match="nano-turbo and variant base contradict each other"):
        open_checkpoint(Path("nano-turbo"), "base")


def test_where_a_folder_has_that_name_too_neither_is_taken_silently(tmp_path, monkeypatch):
    (tmp_path / "nano").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="and of a folder here"):
        open_checkpoint(Path("nano"))
    with pytest.raises(UserError, match="holds no ACE-Step"):
        list_models(tmp_path / "nano")


def test_it_says_that_it_is_for_teaching_and_what_it_is_made_with(cli):
    told = json.loads(cli("models", "show", "nano", "--json").out)
    assert "teaching and test model" in told["about"] and not told["random_weights"]
    base = json.loads(cli("models", "show", "nano-base", "--json").out)
    assert (told["default_steps"], told["default_shift"]) == (8, 3) and base["default_guidance"] > 1
    assert set(base["tasks"]) > set(told["tasks"])


def test_it_is_small_and_whole(cli):
    assert sum(p.stat().st_size for p in FOLDER.rglob("*") if p.is_file()) < 12.5e6
    assert all(m["complete"] for m in json.loads(cli("models", "list", "nano", "--json").out)["models"])


def test_that_it_has_no_language_model_is_told_and_nothing_is_to_be_downloaded_into_the_package(cli):
    told = cli("lm", "create", "a waltz", "--model", "nano-base")
    assert told.code == 1 and "nano comes without a 5 Hz language model" in told.err and "download" not in told.err
