"""The images that a call names: folders called `30_Name`, or those of a dataset TOML; with their captions counted."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from acestep_core import UserError
from acestep_core.kohya.folders import repeats_and_name

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
CAPTIONS = ".caption"
"""The ending that the scripts look for unless they are told another."""


@dataclass(frozen=True)
class Part:
    """Images of one folder. `captioned` of them have a caption file; the others are trained on `fallback`."""

    name: str
    images: int
    captioned: int
    repeats: int
    fallback: str = ""
    is_reg: bool = False
    dataset: int = 0
    batch_size: int = 1

    @property
    def samples(self) -> int:
        return self.images * self.repeats


@dataclass
class Images:
    """All parts, and what is wrong or worth knowing about them; `loose` says why the steps may be fewer or more."""

    parts: list[Part] = field(default_factory=list)
    errors: list[UserError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    loose: list[str] = field(default_factory=list)


def images_of_folders(root: Path, batch_size: int, extension: str, is_reg: bool = False) -> Images:
    """What the scripts make of a --train_data_dir (or --reg_data_dir): each folder `N_name` in it, N times."""
    found = Images()
    if not root.is_dir():
        found.errors.append(UserError(f"There is no folder {root}", "check the path"))
        return found
    for folder in sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")):
        named = repeats_and_name(folder.name)
        images = images_in(folder)
        if named is None and images:
            found.notes.append(f"the folder {folder.name} is passed over: its name begins with no number")
        elif named is not None and named[0] < 1:
            problem = f"The folder {folder.name} asks for no repeats and would be passed over"
            found.errors.append(UserError(problem, f"rename it to 1_{named[1]}"))
        elif named is not None:
            part = part_of(folder, images, extension, found)
            found.parts.append(Part(folder.name, len(images), part, *named, is_reg=is_reg, batch_size=batch_size))
    _check_root(root, found)
    return found


def part_of(folder: Path, images: Sequence[Path], extension: str, found: Images) -> int:
    """How many images have a caption; none at all beside other text files is an error, as they would go unread."""
    if not images:
        found.errors.append(UserError(f"There are no images in {folder}", f"put {', '.join(ENDINGS)} files there"))
        return 0
    captioned = sum(_beside(image, extension).is_file() for image in images)
    if captioned:
        return captioned
    for other in (e for e in (".txt", CAPTIONS) if e != extension):
        texts = sum(_beside(image, other).is_file() for image in images)
        if texts:
            problem = f"No image in {folder} has a {extension} file, but {texts} have {other}, which would go unread"
            found.errors.append(UserError(problem, f'write caption_extension = "{other}"'))
    return 0


def images_in(folder: Path) -> list[Path]:
    """Directly in it, as the scripts look."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in ENDINGS and p.is_file())


def with_dot(extension: str) -> str:
    return extension if extension.startswith(".") else f".{extension}"


def _beside(image: Path, extension: str) -> Path:
    return image.with_name(image.stem + extension)


def _check_root(root: Path, found: Images) -> None:
    loose = images_in(root)
    if loose and found.parts:
        found.notes.append(f"{len(loose)} images directly in {root} are passed over")
    if not found.parts and not found.errors:
        leaf = loose and repeats_and_name(root.resolve().name)
        hint = f"give the folder above, {root.resolve().parent}" if leaf else "put the images into a folder 30_name"
        found.errors.append(UserError(f"{root} holds no folder named as 30_name, so no image would be found", hint))
