"""Looks at the files that a call names, so that what is missing is told before a model loads."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acestep_core import UserError
from acestep_kohya.call import Call
from acestep_kohya.image_dataset import images_of_dataset
from acestep_kohya.images import CAPTIONS, Images, images_of_folders, with_dot
from acestep_kohya.plan import Plan, plan_of

_WEIGHTS = (".safetensors", ".ckpt", ".pt", ".pth", ".bin")
_PATHS = ("network_weights", "base_weights", "sample_prompts", "in_json", "log_tracker_config", "conditioning_data_dir")
_DATA = ("dataset_config", "train_data_dir", "in_json", "dataset_class")


@dataclass
class Look:
    """What was found on the disk; no `plan` where there are no images to count."""

    images: Images = field(default_factory=Images)
    plan: Plan | None = None
    errors: list[UserError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def look(call: Call) -> Look:
    """Counts the images and checks every path; a path counts from the current folder, as it does for the script."""
    found = Look()
    _model(call, found)
    for name, path in _named(call):
        if not path.exists():
            hint = f"paths count from {Path.cwd()}"
            beside = call.template.path.parent / path
            hint = f"write {beside}: {hint}" if beside.exists() else hint
            found.errors.append(UserError(f"{call.where(name)}: {name}: there is no {path}", hint))
    _data(call, found)
    _output(call, found)
    return found


def results_of(call: Call) -> Path:
    """The file that the script will write at the end."""
    name = call.get("output_name") or "last"
    return Path(call.get("output_dir") or ".") / f"{name}.{call.get('save_model_as') or 'safetensors'}"


def _model(call: Call, found: Look) -> None:
    for name in ("pretrained_model_name_or_path", "vae"):
        given = call.values.get(name)
        if given is None and name != "vae" and name in call.schema.arguments:
            problem = f"{call.where(name)}: there is no {name}"
            found.errors.append(UserError(problem, f'add {name} = "model.safetensors"'))
        elif given and given.lower().endswith(_WEIGHTS) and not Path(given).is_file():
            problem = f"{call.where(name)}: {name}: there is no file {given}"
            found.errors.append(UserError(problem, f"paths count from {Path.cwd()}"))


def _named(call: Call) -> Iterator[tuple[str, Path]]:
    for name in _PATHS:
        value: Any = call.values.get(name)
        yield from ((name, Path(v)) for v in (value if isinstance(value, list) else [value]) if v)
    if call.values.get("resume") and not call.values.get("resume_from_huggingface"):
        yield "resume", Path(call.values["resume"])


def _data(call: Call, found: Look) -> None:
    given = [n for n in _DATA if n in call.values]
    if not given:
        found.errors.append(UserError(f"{call.template.path.name} names no images",
                                      "add train_data_dir (folders named as 30_name) or dataset_config"))  # fmt: skip
        return
    size = call.get("train_batch_size") or 1
    if given[0] == "dataset_config":
        found.notes += [f"{n} is passed over: there is a dataset_config" for n in given[1:] if n != "dataset_class"]
        fallback = {
            "batch_size": size,
            "caption_extension": call.get("caption_extension"),
            "resolution": call.values.get("resolution"),
            "num_repeats": call.get("dataset_repeats") or 1,
        }
        try:
            found.images = images_of_dataset(Path(call.values["dataset_config"]), fallback)
        except UserError as e:
            found.errors.append(UserError(f"{call.where('dataset_config')}: {e.problem}", e.hint))
    elif given[0] == "train_data_dir" and "in_json" not in given:
        found.images = _folders(call, size, found)
    found.errors += found.images.errors
    found.notes += found.images.notes
    if found.images.parts:
        found.plan = plan_of(call, found.images.parts)


def _folders(call: Call, size: int, found: Look) -> Images:
    extension = with_dot(call.get("caption_extension") or CAPTIONS)
    images = images_of_folders(Path(call.values["train_data_dir"]), size, extension)
    if "resolution" not in call.values:
        images.errors.append(UserError(f"{call.template.path.name}: there is no resolution", 'add resolution = "512"'))
    if call.values.get("reg_data_dir"):
        extra = images_of_folders(Path(call.values["reg_data_dir"]), size, extension, is_reg=True)
        for name in ("parts", "errors", "notes"):
            getattr(images, name).extend(getattr(extra, name))
    if call.values.get("enable_bucket") and size > 1:
        images.loose.append("buckets may end in batches that are not full: there may be more steps")
    if call.values.get("validation_split"):
        images.loose.append("validation_split takes images out: there may be fewer steps")
    return images


def _output(call: Call, found: Look) -> None:
    if "output_dir" in call.schema.arguments and not call.values.get("output_dir"):
        found.errors.append(UserError(f"{call.template.path.name}: there is no output_dir", 'add output_dir = "out"'))
    elif results_of(call).exists():
        found.notes.append(f"{results_of(call)} is there already and would be replaced")
    if "output_name" in call.schema.arguments and not call.values.get("output_name"):
        found.notes.append("there is no output_name: the script will call its file 'last'")
    if call.get("max_train_epochs") is None and "max_train_steps" not in call.values:
        found.notes.append(
            f"neither max_train_epochs nor max_train_steps is given: {call.get('max_train_steps')} steps"
        )
