"""The vLLM backend: the language model behind a vLLM server, which keeps to the grammar by a module from here.

The server loads `v2` (vLLM 0.32 and later) or `v1` (before, and with VLLM_USE_V2_MODEL_RUNNER=0) beside this package's
core. Checked against a server of our own that follows the published interfaces; never against vLLM itself.
"""

from pathlib import Path
from typing import Any

from acestep_core import Backend, UserError, hookimpl, option
from acestep_core.services import Remote


class Vllm(Remote, Backend):
    """Asks a vLLM server for the language model's words. It has no other part: give it to --lm-backend."""

    name = "vllm"
    parts = frozenset({"lm"})
    title = "The vLLM server"

    base_url: str = option("http://localhost:8000/v1", "address of the server, with its /v1")
    key_env: str = option("", "NAME of the environment variable that holds the server's key; empty for none")
    model: str = option("", "what the server calls the model; empty: the only one it has")
    timeout_s: float = option(900.0, "how long an answer may take", gt=0)
    retries: int = option(2, "how often a failed request is sent again", ge=0, le=20)

    def check(self) -> None:
        """The server answers and has the model."""
        from acestep_plugins.backends.vllm.lm import served

        served(self.service, self.model)

    def load(self, part: str, folder: Path) -> Any:
        if part != "lm":
            raise UserError(f"The vllm backend has no part '{part}'", "it has lm; use --lm-backend vllm")
        from acestep_plugins.backends.vllm.lm import Lm, served

        return Lm(folder, self.service, served(self.service, self.model), self.at_once)


@hookimpl
def acestep_backends():
    return [Vllm]
