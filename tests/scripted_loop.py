"""A training loop that learns nothing: a test says d and the loss of each step."""

from typing import Any

from acestep_core.errors import Diverged
from acestep_core.jobs import Step


def rests(step: int, d0: float, plateau: float = 2e-3) -> tuple[float, float]:
    """(d, loss): half a decade a step, from d0 to the plateau."""
    return min(plateau, d0 * 10 ** (step / 2)), 2.0 - step / 1000


def scripted(monkeypatch: Any, backend: type) -> Any:
    """What takes the place of the backend's loop: `curve(step, d0)` says d and loss, NaN for a loss that is none.

    `steps` are those that were done. A run without d0, which is none of a search, has no d.
    """

    class Loop:
        curve = staticmethod(rests)
        steps: list[int] = []

    def train(self: Any, job: Any) -> Any:
        step = int(job.resume_from.name.removeprefix("step-")) if job.resume_from else 0
        while step < job.steps:
            step += 1
            d, loss = Loop.curve(step, job.settings.d0) if job.settings.d0 else (None, 1.0)
            if d is not None and d != d:
                raise Diverged(f"The loss became NaN or infinite at step {step} on low.wav")
            Loop.steps.append(step)
            yield Step(step, loss, job.settings.learning_rate, 1.0, (0.5,), (loss,), 1, d)
            stopping = job.stop() and step < job.steps
            if stopping or step % job.settings.save_every == 0:
                yield job.run.checkpoint(step, lambda folder: None, job.settings.keep)
            if stopping:
                return
        job.run.finish(lambda folder: None)

    monkeypatch.setattr(backend, "train", train)
    return Loop
