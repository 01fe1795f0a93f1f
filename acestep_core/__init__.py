"""Prepare songs, fine-tune adapters and make music with ACE-Step 1.5.

Everything public is importable from here; nothing heavy is imported until it is used.
"""

from importlib import import_module

__version__ = "1.0.0"

_PUBLIC = {
    "Adapter": "api",
    "Annotator": "api",
    "Attached": "api",
    "Backend": "api",
    "Executor": "api",
    "Extension": "api",
    "Segment": "answers",
    "Solver": "api",
    "TimestepSampler": "api",
    "Transcriber": "api",
    "Transcript": "answers",
    "Value": "answers",
    "option": "options",
    "hookimpl": "hooks",
    "FatalError": "errors",
    "PluginError": "errors",
    "UserError": "errors",
    "Dataset": "dataset",
    "Song": "data",
    "Model": "model",
    "load_backend": "model",
    "Registry": "registry",
    "EncodeSettings": "encode_settings",
    "encode": "encoding",
    "process_folder": "preparation",
    "EstimateSettings": "estimating",
    "estimate": "estimating",
    "FindSettings": "rate_finding",
    "find_rate": "rate_finding",
    "TrainSettings": "train_settings",
    "train": "training",
    "AudioSettings": "audio_format",
    "Complete": "tasks",
    "Cover": "tasks",
    "Extract": "tasks",
    "GenerateRequest": "request",
    "Lego": "tasks",
    "Repaint": "tasks",
    "Text2Music": "tasks",
    "UsedAdapter": "adapters",
    "ExportSettings": "export_settings",
    "Exported": "export_settings",
    "export_adapters": "adapter_export",
    "generate": "generation",
    "generating": "generation",
}

__all__ = ["__version__", *sorted(_PUBLIC)]


def __getattr__(name: str):
    """Import the module that holds `name` on first use, so that `import acestep_core` costs nothing."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'acestep_core' has no attribute {name!r}")
    value = getattr(import_module(f"acestep_core.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
