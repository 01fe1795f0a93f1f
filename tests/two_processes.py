"""Started by torchrun in the tests: trains one run after the other, as the JSON says that is its only argument.

Each process leaves beside a run what it heard of it. In the run named last the second process fails.
"""

import json
import sys
from pathlib import Path

from acestep_core import TrainSettings, UserError, hookimpl, load_backend, train
from acestep_core.console import errors_shown
from acestep_core.processes import speaking_once
from acestep_core.registry import registry


class Hears:
    def __init__(self):
        self.calls = []

    @hookimpl
    def acestep_train_step(self, step):
        self.calls.append(step)


class Fails:
    def __init__(self, rank):
        self.calls, self.rank = 0, rank

    @hookimpl
    def acestep_loss(self, prediction):
        self.calls += 1
        if self.rank == 1 and self.calls == 3:
            raise UserError("This song cannot be used", "leave it out")


def main() -> None:
    plan = json.loads(sys.argv[1])
    with errors_shown(), speaking_once() as processes:
        model = load_backend("pt", model=plan["model"], device="cpu", dtype="float32")
        for out, given in plan["runs"].items():
            hears = Hears()
            registry().manager.register(hears)
            settings = TrainSettings(**given.pop("settings"))
            train(plan["encoded"], model, out=out, settings=settings, processes=processes, **given)
            registry().manager.unregister(hears)
            Path(f"{out}-heard-{processes.rank}.json").write_text(json.dumps(hears.calls))
        registry().manager.register(Fails(processes.rank))
        train(plan["encoded"], model, out=plan["failing"], settings=TrainSettings(steps=5), processes=processes)


if __name__ == "__main__":
    main()
