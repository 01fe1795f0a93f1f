"""The model that comes with this package, acestep-nano, which a name stands for where else a folder is given."""

from pathlib import Path

from acestep_core.errors import UserError

FOLDER = Path(__file__).parent / "nano"
NANO = "nano"
NAMES = {NANO: "turbo", "nano-turbo": "turbo", "nano-base": "base"}
"""The variant that each name means."""


def bundled(root: Path) -> tuple[Path, str | None]:
    """(folder, variant) that a name means; any other path as it is, and None.

    Raises `UserError` where a folder of that name lies here as well.
    """
    variant = NAMES.get(str(root))
    if variant is None:
        return root, None
    if root.exists():
        raise UserError(f"{root} is the name of the model that comes with acestep-core, and of a folder here",
                        f"give {root.resolve()} for the folder, or go elsewhere for the model")  # fmt: skip
    return FOLDER, variant
