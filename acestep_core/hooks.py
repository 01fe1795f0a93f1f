"""The hook specifications: the whole surface a plugin module may implement, on one screen.

Registration hooks return classes. Step hooks replace one step (the first result that is not None wins).
Observers watch; one that raises is reported once and switched off, the run goes on.
"""

import pluggy

PROJECT = "acestep_core"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def acestep_transcribers():
    """Return a list of `Transcriber` classes."""


@hookspec
def acestep_annotators():
    """Return a list of `Annotator` classes."""


@hookspec
def acestep_adapters():
    """Return a list of `Adapter` classes."""


@hookspec
def acestep_samplers():
    """Return a list of `TimestepSampler` classes."""


@hookspec
def acestep_solvers():
    """Return a list of `Solver` classes."""


@hookspec
def acestep_backends():
    """Return a list of `Backend` classes."""


@hookspec
def acestep_executors():
    """Return a list of `Executor` classes."""


@hookspec
def acestep_extensions():
    """Return a list of `Extension` classes; each object is itself registered as a plugin while it is active."""


@hookspec
def acestep_commands():
    """Return a list of click commands."""


@hookspec(firstresult=True)
def acestep_loss(prediction, target, t, batch):
    """Return the scalar training loss. `prediction`, `target` [T, 64], `t` a float, `batch` the encoded song."""


@hookspec(firstresult=True)
def acestep_optimizer(parameters, settings):
    """Return the torch optimizer for a list of float32 parameters; `settings` is the `TrainSettings`."""


@hookspec
def acestep_song(song, folder):
    """A song was encoded into `folder`."""


@hookspec
def acestep_train_start(run):
    """Training begins (or goes on) in the run folder `run`."""


@hookspec
def acestep_train_step(run, step, loss, t, lr, losses, d):
    """Optimizer step `step` (from 1) was done with mean `loss`, timesteps `t` and `losses` of its items, rate `lr`.

    `d` is what an optimizer that finds its rate multiplies `lr` with, else None.
    """


@hookspec
def acestep_validation(run, step, loss, base):
    """The songs held out have mean `loss` after `step` (0 = before the first); `base` is that of the model alone."""


@hookspec
def acestep_checkpoint(run, step, folder):
    """A checkpoint was written to `folder`."""


@hookspec
def acestep_train_end(run, error):
    """Training ended; `error` is None or the exception that ended it."""


@hookspec
def acestep_audio(request, clip, path):
    """A clip was generated from `request` and written to `path`."""


REGISTRATION = (
    "transcribers", "annotators", "adapters", "samplers", "solvers", "backends", "executors", "extensions", "commands",
)  # fmt: skip
STEPS = ("acestep_loss", "acestep_optimizer")
OBSERVERS = (
    "acestep_song", "acestep_train_start", "acestep_train_step", "acestep_validation", "acestep_checkpoint",
    "acestep_train_end", "acestep_audio",
)  # fmt: skip
