"""The MLX backend: the language model on Apple silicon through Metal, or on the CPU of any machine with MLX."""

import importlib
from pathlib import Path
from typing import Any, Literal

from acestep_core import Backend, UserError, hookimpl, option

_MISSING = 'pip install "acestep-core[mlx]"'
_LIBRARY = 'pip install "mlx[cpu]", or "mlx[cuda13]" on a machine with such a GPU'


class Mlx(Backend):
    """Runs the language model with MLX, from the original folder. It has no other part: give it to --lm-backend."""

    name = "mlx"
    parts = frozenset({"lm"})

    device: Literal["auto", "cpu", "gpu"] = option("auto", "auto: the GPU where MLX has one")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = option(
        "auto", "precision of the model: bfloat16 on the GPU, float32 on the CPU"
    )

    def check(self) -> None:
        for package in ("mlx.core", "mlx_lm"):
            _found(package)
        from acestep_plugins.backends.mlx.device import choose

        choose(self.device, self.dtype)

    def settings(self) -> dict[str, Any]:
        from acestep_plugins.backends.mlx.device import choose

        place = choose(self.device, self.dtype)
        return self.options() | {"device": place.device, "dtype": place.dtype}

    def release(self) -> None:
        import gc

        import mlx.core as mx

        gc.collect()
        mx.clear_cache()

    def load(self, part: str, folder: Path) -> Any:
        if part != "lm":
            raise UserError(f"The mlx backend has no part '{part}'", "it has lm; use --lm-backend mlx")
        self.check()
        from acestep_plugins.backends.mlx.device import choose
        from acestep_plugins.backends.mlx.lm import Lm

        return Lm(folder, choose(self.device, self.dtype))


def _found(package: str) -> None:
    """Import it. On Linux the package mlx comes without its library unless one of its extras is installed too."""
    try:
        if package == "mlx_lm":
            from acestep_plugins.backends.mlx.quiet import import_mlx_lm

            import_mlx_lm()
        else:
            importlib.import_module(package)
    except ModuleNotFoundError as e:
        raise UserError(f"The mlx backend needs the package {e.name}, which is not installed", _MISSING) from e
    except ImportError as e:
        raise UserError(f"MLX is installed without its library ({e})", _LIBRARY) from e


@hookimpl
def acestep_backends():
    return [Mlx]
