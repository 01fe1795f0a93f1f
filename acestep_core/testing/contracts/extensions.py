"""The contract of extensions: their hooks fit, and a whole run passes through them."""

from pathlib import Path
from typing import Any

import pytest

from acestep_core import hooks
from acestep_core.run import Run
from acestep_core.testing.contracts.base import PluginContract
from acestep_core.testing.fakes import closed_registry

KNOWN = {*hooks.OBSERVERS, *hooks.STEPS}


class ExtensionContract(PluginContract):
    """Subclass with `plugin = YourExtension`."""

    kind = "extensions"

    @pytest.fixture
    def run(self, tmp_path: Path) -> Run:
        return Run.open(tmp_path / "run", {"train": {"steps": 3, "learning_rate": 1e-4}}, ())

    def test_its_hooks_fit(self, made: Any) -> None:
        manager = closed_registry().manager
        manager.register(made)
        manager.check_pending()
        ours = {caller.name for caller in manager.get_hookcallers(made) or ()}
        assert ours, "it implements no hook; mark its methods with @hookimpl"
        assert ours <= KNOWN

    def test_a_whole_run_passes_through_it(self, made: Any, run: Run) -> None:
        """Twice, as when a stopped run goes on, and once ending in an error."""
        for error in (None, None, RuntimeError("stopped")):
            self._tell(made, "acestep_train_start", run=run)
            for step in range(1, 4):
                heard = {"step": step, "loss": 1.0 / step, "t": (0.5,), "lr": 1e-4, "losses": (1.0 / step,), "d": None}
                self._tell(made, "acestep_train_step", run=run, **heard)
            self._tell(made, "acestep_validation", run=run, step=3, loss=0.5, base=0.6)
            self._tell(made, "acestep_checkpoint", run=run, step=3, folder=run.folder)
            self._tell(made, "acestep_train_end", run=run, error=error)

    def test_closing_in_the_middle_is_fine(self, made: Any, run: Run) -> None:
        self._tell(made, "acestep_train_start", run=run)
        made.close()

    def _tell(self, made: Any, hook: str, **event: Any) -> None:
        manager = closed_registry().manager
        manager.register(made)
        for implementation in getattr(manager.hook, hook).get_hookimpls():
            implementation.function(*(event[a] for a in implementation.argnames))
