"""What a server is told when it is started."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acestep_core.bundled import NAMES, NANO, bundled
from acestep_core.errors import UserError
from acestep_core.options import option
from acestep_core.user_folders import state_folder

KEY_ENV = "ACESTEP_SERVER_KEY"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_MODELS = Path("models")


@dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """How to serve; without `root`, requests may name files below the working directory."""

    host: str = option("127.0.0.1", "address to listen at; any but loopback needs a key or --no-key")
    port: int = option(8001, "port to listen at", ge=0, le=65535)
    state: Path | None = option(None, "folder of jobs, results and uploads; the user's state folder unless given")
    models: Path | None = option(
        None, "folder with the checkpoints, or nano; the folder models where there is one, else nano"
    )
    variant: str | None = option(None, "which model, when that folder holds several")
    lm: str | None = option(None, "which language model, when that folder holds several")
    backend: str = option("pt", "backend plugin that runs the model", plugin="backends")
    queue: int = option(200, "jobs that may wait; more are refused", ge=1)
    job_limit_s: float = option(3600.0, "seconds that a job may work; trainings and songs' folders have none", gt=0)
    keep_days: float = option(7.0, "days that results and uploads are kept", gt=0)
    max_upload_mb: float = option(200.0, "largest file that may be sent, in 10^6 bytes", gt=0)
    max_upload_s: float = option(1800.0, "longest audio that may be sent", gt=0)
    max_uploads: int = option(1000, "files that are kept at once", ge=1)
    roots: tuple[Path, ...] = field(default_factory=tuple)
    key: str | None = field(default=None, repr=False)
    no_key: bool = False

    def checked(self) -> "ServeSettings":
        """Raises `UserError` for what would leave the server open to strangers, or means two models."""
        if self.models is not None:
            bundled(self.models, self.variant)
        if self.key is not None and not self.key.strip():
            raise UserError("The key is empty", f"set {KEY_ENV} to a long random word, or leave it out")
        if self.key and self.no_key:
            raise UserError("--key and --no-key contradict each other", "leave one of them out")
        if self.host not in LOOPBACK and not (self.key or self.no_key):
            hint = f"set {KEY_ENV}, or say --no-key to let anybody in"
            raise UserError(f"Anybody who reaches {self.host} could use this server", hint)
        return self

    @property
    def folder(self) -> Path:
        return (self.state or state_folder() / "serve").expanduser().resolve()

    @property
    def checkpoints(self) -> Path:
        """The folder of the models, or a name of the model that comes with the package."""
        if self.models is None:
            return _MODELS.resolve() if _MODELS.is_dir() else Path(NANO)
        return self.models if str(self.models) in NAMES else self.models.expanduser().resolve()

    @property
    def allowed(self) -> tuple[Path, ...]:
        """Folders below which requests may name files, the models' among them."""
        models = () if str(self.checkpoints) in NAMES else (self.checkpoints,)
        return tuple(p.expanduser().resolve() for p in (*(self.roots or (Path.cwd(),)), *models))

    def for_worker(self) -> dict[str, Any]:
        """What a worker has to know, as plain JSON types; no key is among it."""
        return {"state": str(self.folder), "roots": [str(p) for p in self.allowed]}
