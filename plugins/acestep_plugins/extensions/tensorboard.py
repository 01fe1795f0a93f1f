"""TensorBoard events of a training, in the run folder's tensorboard/: look at them with `tensorboard --logdir RUN`."""

import importlib.util
from collections.abc import Sequence
from typing import Any

from acestep_core import Extension, UserError, hookimpl, option
from acestep_core.comparison import T_BINS, by_t

FOLDER = "tensorboard"
_T_BINS = 20


class TensorBoard(Extension):
    """Writes train/loss and train/lr for every step, the loss by t and histograms train/t now and then, validation.

    The rate that Prodigy and D-Adaptation find for themselves is lr/d*lr, as in Kohya's tools.
    """

    name = "tensorboard"

    histogram_every: int = option(50, "steps whose t and losses by t share one entry", ge=1)
    flush_s: float = option(30.0, "seconds after which events are on disk", gt=0)

    def __post_init__(self) -> None:
        self._writer: Any = None
        self._t: list[float] = []
        self._losses: list[float] = []
        self._step = 0
        if importlib.util.find_spec("tensorboard") is None:
            hint = "pip install 'acestep-core[train]', or leave the extension out"
            raise UserError("The extension 'tensorboard' needs the package tensorboard, which is not installed", hint)

    @hookimpl
    def acestep_train_start(self, run: Any) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.close()
        resumed = max((step for step, _ in run.checkpoints()), default=0)
        # Steps after the checkpoint are done again: readers drop what an earlier file says of them.
        self._writer = SummaryWriter(str(run.folder / FOLDER), purge_step=resumed + 1, flush_secs=self.flush_s)

    @hookimpl
    def acestep_train_step(
        self, step: int, loss: float, t: Sequence[float], lr: float, losses: Sequence[float], d: float | None
    ) -> None:
        self._writer.add_scalar("train/loss", loss, step)
        self._writer.add_scalar("train/lr", lr, step)
        if d is not None:
            self._writer.add_scalar("lr/d*lr", d * lr, step)
        self._t += t
        self._losses += losses
        self._step = step
        if step % self.histogram_every == 0:
            self._write_histogram()

    @hookimpl
    def acestep_validation(self, step: int, loss: float) -> None:
        self._writer.add_scalar("validation/loss", loss, step)

    @hookimpl
    def acestep_checkpoint(self) -> None:
        self._writer.flush()

    @hookimpl
    def acestep_train_end(self) -> None:
        self.close()

    def close(self) -> None:
        if self._writer is not None:
            self._write_histogram()
            self._writer.close()
        self._writer = None

    def _write_histogram(self) -> None:
        import numpy as np

        if self._t:
            edges = np.linspace(0, 1, _T_BINS + 1)
            self._writer.add_histogram("train/t", np.array(self._t), self._step, bins=edges)
        for place, mean in enumerate(by_t(zip(self._t, self._losses, strict=True))):
            if mean is not None:
                self._writer.add_scalar(f"loss_by_t/{place / T_BINS:.1f}", mean, self._step)
        self._t, self._losses = [], []


@hookimpl
def acestep_extensions():
    return [TensorBoard]
