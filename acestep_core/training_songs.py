"""The songs of a training: which are trained on, how a job shows them, and whether they belong to the model."""

from typing import Any

from acestep_core.encoded import EncodedSet
from acestep_core.errors import UserError
from acestep_core.model import Model
from acestep_core.reference import tensors
from acestep_core.train_settings import TrainSettings


def trained_on(encoded: EncodedSet) -> EncodedSet:
    """Those not held out. Raises `UserError` if there are none."""
    songs = encoded.part("train")
    if not len(songs):
        raise UserError(f"All songs of {encoded.folder} are held out", "save the dataset with a smaller --validation")
    return songs


def shown(songs: EncodedSet, held_out: EncodedSet, settings: TrainSettings) -> dict[str, Any]:
    """What a job says of the songs."""
    return {
        "songs": songs.names,
        "order": songs.order,
        "frames": lambda showing: songs.frames(showing, settings.seed),
        "load": lambda showing: songs.shown(showing, settings.seed),
        "load_fixed": songs.load,
        "held_out": held_out.names,
        "load_held_out": held_out.load,
    }


def check_model(encoded: EncodedSet, model: Model) -> list[str]:
    """Raise `UserError` unless the songs were encoded with this model, and nothing is on it.

    Gives notes on songs that others encoded; who made them cannot be read there, so they are held against the model.
    """
    if list(model.adapters):
        raise UserError("Adapters are on the model, and would be trained upon", "take them off: model.adapters.clear()")
    if encoded.foreign:
        return tensors.check_with(encoded.folder, encoded.manifest["songs"], model.dit)
    made_by = encoded.manifest["model"]["hashes"]["dit"]
    if made_by != model.hashes["dit"]:
        raise UserError(
            f"{encoded.folder} was encoded with another model (dit {made_by}, this is {model.hashes['dit']})",
            f"encode again with {model.info.folder}",
        )
    return []
