"""PLUGINS.md is run, in processes of its own: what its files bring must not stay. `make package` does it."""

import pytest
from following import PLUGINS, follow, reader, run

from acestep_core.registry import Registry

__all__ = ["reader"]


@pytest.mark.wheel
@pytest.mark.timeout(1200)
def test_plugins_page_can_be_followed(reader):
    run("acestep-core encode songs --model nano --out encoded", reader)
    follow(PLUGINS, reader)
    assert 'name = "both_ends@both_ends.py"' in (reader / "ends-run" / "run.toml").read_text()
    assert (reader / "watched" / "last_loss.txt").read_text().startswith("4 ")
    assert (reader / "samplers.png").stat().st_size > 10_000
    for file in ("from_name.py", "busy.py", "hello.py"):
        assert Registry([]).add_file(reader / file)
