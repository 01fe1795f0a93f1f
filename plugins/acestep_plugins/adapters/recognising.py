"""What all kinds share: telling their files by the keys, and putting a file's adapter on a model as it is stored."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from acestep_core import Adapter, Attached, UserError, option
from acestep_core.adapters import adapter_file
from acestep_core.export_settings import Exported, ExportSettings
from acestep_plugins.adapters.layouts import kind_among, parsed
from acestep_plugins.adapters.targets import LAYERS_HELP, Attention

TARGETS = ("comfyui", "diffusers", "reference", "lycoris", "lora-svd")


class Kind(Adapter):
    """One of lora, lokr, loha, oft and full. `_stored` is what was read of a file; a fresh one has none."""

    exports = TARGETS
    _stored = None

    attention: Attention = option("both", "which attention is changed")
    projections: list[str] = option(["q", "k", "v", "o"], "which of its projections")
    mlp: bool = option(False, "change the MLP too")
    layers: list[str] = option([], LAYERS_HELP)

    def attach(self, decoder: Any) -> Attached:
        from acestep_plugins.adapters.building import attached_stored

        if self._stored is not None:
            return attached_stored(self._stored, decoder, self._saver())
        return self._fresh(decoder)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        try:
            from safetensors import safe_open

            with safe_open(str(adapter_file(path)), "np") as f:
                names = [parsed(key) for key in f.keys()]  # noqa: SIM118 (not a dict)
        except Exception:  # whatever is wrong with the file, it is not ours
            return False
        return kind_among(n.leaf for n in names if n is not None) == cls.name

    @classmethod
    def from_files(cls, path: Path) -> Self:
        from acestep_plugins.adapters.stored import read_stored

        stored = read_stored(path)
        if stored.kind != cls.name:
            raise UserError(f"{path} holds no {cls.name}", "see: acestep-core adapters show")
        made = cls(**cls._options_of(stored))
        made._stored = stored
        return made

    @classmethod
    def describe(cls, path: Path) -> dict[str, Any]:
        from acestep_plugins.adapters.describing import described

        return described(path)

    @classmethod
    def changes(cls, path: Path) -> Mapping[str, Callable[[Any], Any]]:
        from acestep_plugins.adapters.building import stored_branches
        from acestep_plugins.adapters.stored import read_stored

        return {
            name if part == "weight" else f"{name}.{part}": change
            for name, branch in stored_branches(read_stored(path)).items()
            for part, change in branch.changes().items()
        }

    @classmethod
    def export(
        cls,
        path: Path,
        to: str,
        out: Path,
        settings: ExportSettings,
        *,
        scale: float = 1.0,
        weights: Callable[[str], Any] | None = None,
        on_layer: Callable[[int, int], None] = lambda done, total: None,
    ) -> Exported:
        from acestep_plugins.adapters.exporting import export

        if to not in cls.exports:
            raise UserError(f"There is no program '{to}' to write for", f"use one of {', '.join(cls.exports)}")
        return export(path, to, out, settings, scale=scale, weights=weights, on_layer=on_layer)

    def _fresh(self, decoder: Any) -> Attached:
        raise NotImplementedError

    def _saver(self) -> Any:
        raise NotImplementedError

    @classmethod
    def _options_of(cls, stored: Any) -> dict[str, Any]:
        """Options that fit what is stored."""
        raise NotImplementedError
