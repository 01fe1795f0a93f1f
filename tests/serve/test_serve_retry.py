"""Jobs whose worker died when all but their end was written: the next attempt ends them."""

from pathlib import Path
from typing import Any

import pytest
from adapter_folders import write_adapters

from acestep_core.errors import UserError
from acestep_core.registry import registry
from acestep_plugins.commands.serve.desk import JobDesk
from acestep_plugins.commands.serve.kinds import KINDS
from acestep_plugins.commands.serve.kinds.asked import read
from acestep_plugins.commands.serve.opened import Opened
from acestep_plugins.commands.serve.places import Places
from acestep_plugins.commands.serve.store import Store


@pytest.fixture
def attempts(tmp_path: Path):
    """attempts(kind, request) is what each of two attempts comes to, the first of which ended as its worker died."""
    store, opened = Store(tmp_path / "state"), Opened()

    def made(name: str, request: dict[str, Any], between=lambda: None) -> list[dict[str, Any]]:
        kind, places = KINDS[name], Places([Path("/")], tmp_path / "state")
        store.submit(name, kind.lane, request, request)
        results = []
        for _ in range(2):
            claimed = store.claim(kind.lane)
            folder = places.job_folder(claimed.id) / str(claimed.attempt)
            folder.mkdir(parents=True)
            asked = read(kind.shape, claimed.request, name, places, registry())
            try:
                results.append(kind.work(asked, JobDesk(claimed, store, folder, {}, opened, kind.shape)))
            except UserError as e:
                store.end(claimed, "failed", error=e)
                raise
            store.taken_from(kind.lane, UserError("The worker is gone", ""))
            between()
        return results

    made.store = store
    return made


@pytest.fixture
def training(encoded, tiny, tmp_path: Path) -> dict[str, Any]:
    samples = {"count": 1, "every": 0, "seconds": 5.5, "spectrograms": False}
    options = {"backend": {"device": "cpu", "dtype": "float32"}}
    return {"encoded": str(encoded.folder), "model": str(tiny), "backend": "pt", "out": str(tmp_path / "run"),
            "steps": 3, "learning_rate": 1e-3, "samples": samples, "options": options}  # fmt: skip


def test_a_training_that_was_finished_is_done_with_what_came_of_it(attempts, training):
    first, second = attempts("train", training)
    assert (first["step"], first["resumed_from"]) == (3, 0) and first["adapter"]
    assert second == {**first, "resumed_from": 3}


def test_a_training_whose_last_samples_were_still_to_be_made_gets_them(attempts, training):
    last = Path(training["out"]) / "samples" / "step-000003"
    heard = []

    def cut_off():
        heard.append(sorted(p.name for p in last.glob("*.flac")))
        for path in last.iterdir():
            path.unlink()

    attempts("train", training, cut_off)
    (job,) = attempts.store.jobs()
    told = [e["text"] for e in attempts.store.events(job["id"]) if e["type"] == "note"]
    assert not [note for note in told if "was not made" in note]
    assert heard == [["01.flac"], ["01.flac"]]


def test_an_export_that_was_written_is_done_and_replaces_nothing_else(attempts, tiny, tmp_path):
    adapter, out = write_adapters(tmp_path / "runs", tiny) / "plain" / "adapter", tmp_path / "own.safetensors"
    out.write_bytes(b"of somebody else")
    with pytest.raises(UserError, match="is there already"):
        attempts("export", {"sources": [str(adapter)], "to": "comfyui", "out": str(out)})
    assert out.read_bytes() == b"of somebody else"
    out.unlink()
    first, second = attempts("export", {"sources": [str(adapter)], "to": "comfyui", "out": str(out)})
    assert second == first and out.stat().st_size > 1000
