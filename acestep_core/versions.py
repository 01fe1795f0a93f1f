"""Versions of what takes part in a result, for the records written beside it."""

import importlib_metadata

import acestep_core

_PACKAGES = ("torch", "diffusers", "transformers", "peft", "lycoris-lora", "numpy", "soxr", "soundfile")


def versions() -> dict[str, str]:
    found = {"acestep-core": acestep_core.__version__}
    for name in _PACKAGES:
        try:
            found[name] = importlib_metadata.version(name)
        except importlib_metadata.PackageNotFoundError:
            found[name] = "none"
    return found
