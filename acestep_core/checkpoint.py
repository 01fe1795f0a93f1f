"""Original ACE-Step 1.5 checkpoint folders: where the parts lie and what config.json says. No weights are read.

Layout: acestep-v15-*/ (DiT with condition encoder and audio tokenizer), vae/, Qwen3-Embedding-0.6B/, acestep-5Hz-lm-*/.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acestep_core.bundled import FOLDER, NANO, bundled
from acestep_core.errors import UserError
from acestep_core.files import content_id, text_id

VAE, TEXT = "vae", "Qwen3-Embedding-0.6B"
LM_PREFIX = "acestep-5Hz-lm-"
NOTE_BANK = "NoteBank"  # class name of a codec that has no weights: its config is all there is
_TURBO_TASKS = ("text2music", "cover", "repaint")
_BASE_TASKS = (*_TURBO_TASKS, "extract", "lego", "complete")
_NUMBERS = ("hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim",
            "intermediate_size")  # fmt: skip

Shape = tuple[int, ...]


@dataclass(frozen=True)
class ModelInfo:
    """What a DiT folder is, from its config.json alone; the folder's name plays no part."""

    folder: Path
    config: Mapping[str, Any] = field(repr=False)

    @property
    def version(self) -> str:
        """model_version as the config has it; finetunes call themselves what they like."""
        return str(self.config.get("model_version") or "")

    @property
    def turbo(self) -> bool:
        return self.config["is_turbo"] if "is_turbo" in self.config else "turbo" in self.version.lower()

    @property
    def variant(self) -> str:
        """turbo, sft or base. A config that was never told its version says turbo, so that `is_turbo` counts first."""
        return "turbo" if self.turbo else "sft" if "sft" in self.version.lower() else "base"

    @property
    def hidden_size(self) -> int:
        return int(self.config["hidden_size"])

    @property
    def layers(self) -> int:
        return int(self.config["num_hidden_layers"])

    @property
    def condition_size(self) -> int:
        """Width of the condition encoder; XL keeps the 2B's."""
        return int(self.config.get("encoder_hidden_size") or self.hidden_size)

    @property
    def xl(self) -> bool:
        return self.condition_size != self.hidden_size

    @property
    def tasks(self) -> tuple[str, ...]:
        return _BASE_TASKS if self.variant == "base" else _TURBO_TASKS

    @property
    def default_steps(self) -> int:
        """As config.json says it, else the family's; shift and guidance likewise."""
        return int(self.config.get("default_steps", 8 if self.turbo else 50))

    @property
    def default_shift(self) -> float:
        return float(self.config.get("default_shift", 3.0 if self.turbo else 1.0))

    @property
    def default_guidance(self) -> float:
        return float(self.config.get("default_guidance", 1.0 if self.turbo else 7.0))

    def hash(self) -> str:
        """Names the weights and their config; equal for copies of a model."""
        return text_id(json.dumps(dict(self.config), sort_keys=True), *map(content_id, weight_files(self.folder)))

    def describe(self) -> dict[str, Any]:
        """Plain facts for `models show`."""
        return {
            "folder": str(self.folder),
            "about": str(self.config.get("about", "")),
            "variant": self.variant,
            "version": self.version,
            "turbo": self.turbo,
            "xl": self.xl,
            "hidden_size": self.hidden_size,
            "layers": self.layers,
            "condition_size": self.condition_size,
            "weights_bytes": sum(p.stat().st_size for p in weight_files(self.folder)),
            "default_steps": self.default_steps,
            "default_shift": self.default_shift,
            "default_guidance": self.default_guidance,
            "tasks": list(self.tasks),
            "timestep_mu": self.config.get("timestep_mu", -0.4),
            "timestep_sigma": self.config.get("timestep_sigma", 1.0),
            "random_weights": bool(self.config.get("random_weights", False)),
        }


@dataclass(frozen=True)
class Checkpoint:
    """The folders of one usable model: a DiT variant and the parts it shares with its siblings."""

    dit: ModelInfo
    root: Path
    lm: str | None = None
    """Which language model, where the folder holds several."""

    def part(self, name: str) -> Path:
        """Folder of 'dit', 'codec', 'text' or 'lm'. Raises `UserError` if it is missing."""
        if name == "dit":
            return self.dit.folder
        if name == "lm":
            return language_model(self.root, self.lm)
        folder = self.root / {"codec": VAE, "text": TEXT}[name]
        if not (folder / "config.json").is_file():
            remedy = f"acestep-core models download {folder.name} --to {self.root}"
            raise UserError(f"{self.root} has no folder {folder.name}", remedy)
        return folder

    def hash(self, *parts: str) -> str:
        """Names the weights of some parts together; a part without weights is named by its config."""
        return text_id(*(name for p in parts for name in _names(self.part(p))))


def list_models(root: Path) -> list[ModelInfo]:
    """Every DiT folder in `root`, or `root` itself if it is one. Raises `UserError` if there is none."""
    root, _ = bundled(root)
    if not root.is_dir():
        raise UserError(f"There is no folder {root}",
                        "give the folder that holds acestep-v15-*/, or nano, which comes along")  # fmt: skip
    candidates = [root, *sorted(p for p in root.iterdir() if p.is_dir())]
    found = [read_model(p) for p in candidates if _is_dit(p)]
    if not found:
        raise UserError(
            f"{root} holds no ACE-Step 1.5 model (no folder with a config.json of model_type 'acestep')",
            f"acestep-core models download acestep-v15-turbo --to {root}; with random weights: models tiny {root}",
        )
    return found


def open_checkpoint(root: Path, variant: str | None = None, lm: str | None = None) -> Checkpoint:
    """The model in `root`; `variant` names the folder when there are several, `lm` the language model likewise.

    `root` may be the name of the model that comes with this package (see `bundled`).
    """
    root, variant = bundled(root, variant)
    models = list_models(root)
    chosen = [m for m in models if variant in (None, m.folder.name, m.variant)]
    if len(chosen) == 1:
        shared = chosen[0].folder.parent if chosen[0].folder == root else root
        return Checkpoint(chosen[0], shared, lm)
    names = ", ".join(m.folder.name for m in models)
    asked = f"none is '{variant}'" if variant else "say which one"
    raise UserError(f"{root} holds {len(models)} models and {asked}", f"use --variant with one of {names}")


def language_model(root: Path, name: str | None = None) -> Path:
    """The folder of a 5 Hz language model in `root`, or `root` itself; `name` is its own or how it ends, as 1.7B.

    Raises `UserError` if there is none, or several and none is named.
    """
    folders = language_models(root)
    chosen = [p for p in folders if name is None or p.name == name or p.name == f"{LM_PREFIX}{name}"]
    if len(chosen) == 1:
        return chosen[0]
    if not folders and bundled(root)[0] == FOLDER:
        raise UserError(f"{NANO} comes without a 5 Hz language model", "give the folder of a model that has one")
    if not folders:
        remedy = f"acestep-core models download {LM_PREFIX}1.7B --to {root}"
        raise UserError(f"{root} holds no 5 Hz language model", remedy)
    asked = f"none is '{name}'" if name else "say which one"
    names = ", ".join(p.name.removeprefix(LM_PREFIX) for p in folders)
    raise UserError(f"{root} holds {len(folders)} language models and {asked}", f"use --lm with one of {names}")


def language_models(root: Path) -> list[Path]:
    """Every 5 Hz language model in `root`, which may be one itself."""
    root, _ = bundled(root)
    if not root.is_dir():
        raise UserError(f"There is no folder {root}", "give the folder that holds acestep-5Hz-lm-*/")
    return [p for p in (root, *sorted(root.iterdir())) if p.is_dir() and _is_language_model(p)]


def read_model(folder: Path) -> ModelInfo:
    """config.json of a DiT folder. Raises `UserError` naming every key that is missing."""
    config = read_config(folder, _NUMBERS)
    if not isinstance(config.get("is_turbo", False), bool) or not config.keys() & {"is_turbo", "model_version"}:
        raise UserError(f"{folder / 'config.json'} does not say whether this is a turbo model",
                        'write "is_turbo": true or false into it')  # fmt: skip
    wrong = [k for k in _NUMBERS if not isinstance(config[k], int)]
    if wrong:
        raise UserError(f"{folder / 'config.json'}: {', '.join(wrong)} is no number", "download the folder again")
    return ModelInfo(folder, config)


def read_config(folder: Path, needed: Sequence[str] = ()) -> dict[str, Any]:
    """config.json of any part. Raises `UserError` if it is missing or broken, or lacks a needed key."""
    path = folder / "config.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise UserError(f"{path} cannot be read ({e.strerror})", "download the folder again") from e
    except ValueError as e:
        raise UserError(f"{path} is no valid JSON ({e})", "download the folder again") from e
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no JSON object", "download the folder again")
    missing = [k for k in needed if k not in content]
    if missing:
        raise UserError(f"{path} lacks {', '.join(missing)}", "download the folder again")
    return content


def weight_files(folder: Path) -> list[Path]:
    """The safetensors of a part, single or sharded; none of a note bank. Raises `UserError` for a missing shard."""
    for name in ("model", "diffusion_pytorch_model"):
        index = folder / f"{name}.safetensors.index.json"
        if index.is_file():
            files = _shards(index)
            missing = [f.name for f in files if not f.is_file()]
            if missing:
                raise UserError(f"{folder} lacks the shards {', '.join(missing)}", "download them again")
            return files
        if (folder / f"{name}.safetensors").is_file():
            return [folder / f"{name}.safetensors"]
    if weightless(folder):
        return []
    raise UserError(f"{folder} has no weights (model.safetensors)", "download the folder again")


def check_tensors(expected: Mapping[str, Shape], found: Mapping[str, Shape], where: str) -> None:
    """Raise `UserError` telling every difference between the tensors of a model and those meant for it, by name."""
    lines = [f"missing {name}" for name in sorted(expected.keys() - found.keys())]
    lines += [f"unexpected {name}" for name in sorted(found.keys() - expected.keys())]
    for name in sorted(expected.keys() & found.keys()):
        if expected[name] != found[name]:
            lines.append(f"{name} is {found[name]}, config.json says {expected[name]}")
    if lines:
        raise UserError(f"{where}: {len(lines)} tensors do not fit:\n  " + "\n  ".join(lines), "download it again")


def weightless(folder: Path) -> bool:
    """Whether config.json alone makes this part."""
    try:
        return read_config(folder).get("_class_name") == NOTE_BANK
    except UserError:
        return False


def _names(folder: Path) -> list[str]:
    if weightless(folder):
        return [text_id(json.dumps(read_config(folder), sort_keys=True))]
    return [content_id(f) for f in weight_files(folder)]


def _shards(index: Path) -> list[Path]:
    try:
        weight_map = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        return sorted({index.parent / file for file in weight_map.values()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise UserError(f"{index} is damaged ({type(e).__name__})", "download it again") from e


def _is_language_model(folder: Path) -> bool:
    try:
        architectures = read_config(folder).get("architectures") or ()
    except UserError:
        return False
    return any(str(name).endswith("ForCausalLM") for name in architectures)


def _is_dit(folder: Path) -> bool:
    try:
        return str(read_config(folder).get("model_type")).startswith("acestep")
    except UserError:
        return False
