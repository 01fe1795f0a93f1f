"""The model that comes with this package, acestep-nano, which a name stands for where else a folder is given."""

from pathlib import Path

from acestep_core.errors import UserError

FOLDER = Path(__file__).parent / "nano"
NANO = "nano"
NAMES = {NANO: "turbo", "nano-turbo": "turbo", "nano-base": "base"}
"""The variant that each name means."""


def bundled(root: Path, variant: str | None = None) -> tuple[Path, str | None]:
    """(folder, variant) that a name means, with the `variant` that is asked for beside it; any other path as it is.

    Raises `UserError` where a folder of that name lies here as well, or name and variant contradict each other.
    """
    if str(root) not in NAMES:
        return root, variant
    if root.exists():
        raise UserError(f"{root} is the name of the model that comes with acestep-core, and of a folder here",
                        f"give {root.resolve()} for the folder, or go elsewhere for the model")  # fmt: skip
    return FOLDER, variant_of(str(root), variant)


def variant_of(name: str, variant: str | None = None) -> str:
    """The variant that a name of `NAMES` means; plain nano leaves it to the `variant` that is asked for.

    Raises `UserError` where another is asked for than the one that the name says.
    """
    meant = NAMES[name]
    if variant is None:
        return meant
    if name != NANO and variant not in (meant, f"acestep-nano-{meant}"):
        raise UserError(f"{name} and variant {variant} contradict each other", f"leave one out, or say {NANO} for it")
    return variant
