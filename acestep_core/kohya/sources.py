"""Opens what Kohya's trainers take in place of a folder of songs."""

from pathlib import Path

from acestep_core.data import Problem
from acestep_core.dataset import Dataset
from acestep_core.errors import UserError, raise_all
from acestep_core.kohya.folders import folder_subsets, folders_that_look_so, note_on, repeats_and_name
from acestep_core.kohya.metadata import looks_like_metadata
from acestep_core.kohya.songs import ASK_OPTION, ASK_TOML, fill
from acestep_core.kohya.subsets import KohyaDataset, Subset
from acestep_core.kohya.toml_file import read_toml
from acestep_core.scan import Scan, TxtMeaning, mark_same_audio, scan_folder


def open_kohya(source: Path, txt: TxtMeaning | None, folders: bool) -> KohyaDataset | None:
    """A dataset TOML, a metadata file, or with `folders` a folder of `N_name` folders; None for any other source.

    `txt` says what a bare {stem}.txt is; a TOML says it itself. Raises `UserError` when nobody says it.
    """
    suffix = source.suffix.lower()
    if folders:
        return _from_folders(source, txt)
    if source.is_dir():
        return None
    if suffix == ".toml":
        return _from_toml(source, txt)
    if suffix == ".jsonl" or (suffix == ".json" and looks_like_metadata(source)):
        subset = Subset(source.name, metadata=source, values={"txt_role": txt})
        return _filled(source, [subset], ASK_OPTION)
    return None


def _from_toml(path: Path, txt: TxtMeaning | None) -> KohyaDataset:
    if txt is not None:
        raise UserError(f"--txt {txt} is for folders", f'write txt_role = "{txt}" into {path}')
    subsets = read_toml(path)
    dataset = _filled(path, subsets, ASK_TOML)
    dataset.metadata["tag_position"] = subsets[0]["trigger_position"]
    size = subsets[0]["batch_size"]
    if size > 1:
        dataset.notes.append(f"batch_size = {size} is counted with here; to train so, give train --batch-size {size}")
    for subset in [s for s in subsets if s.folder and "num_repeats" not in s.origins]:
        if repeats_and_name(subset.folder.name):
            dataset.notes.append(f"{subset.name}: the number in its name is not used; num_repeats says it in a TOML")
    if any(s["enable_bucket"] for s in subsets):
        dataset.notes.append("enable_bucket changes nothing in training: songs of like length share a batch anyhow")
    return dataset


def _from_folders(root: Path, txt: TxtMeaning | None) -> KohyaDataset:
    if not root.is_dir():
        if not root.exists():
            raise UserError(f"There is no folder {root}", "give the folder that holds your songs")
        raise UserError(f"{root} is no folder", "--kohya is for folders; files say what they are")
    subsets, problems = folder_subsets(root, txt)
    scanned = scan_folder(root, txt or "ignore")
    dataset = _filled(root, subsets, ASK_OPTION, scanned)
    dataset.problems += [*scanned.problems, *problems]
    dataset.notes += scanned.notes
    plain = [s.name for s in dataset.subsets if not s.origins]
    if plain:
        dataset.notes.append(f"{', '.join(plain)}: no number in front, each song is shown once an epoch")
    return dataset


def _filled(source: Path, subsets: list[Subset], ask: str, scanned: Scan | None = None) -> KohyaDataset:
    """The dataset of these subsets. One that holds no song is a problem if somebody said it would."""
    dataset = KohyaDataset()
    dataset.metadata["name"] = source.resolve().stem if source.is_file() else source.resolve().name
    raise_all([e for subset in subsets for e in fill(dataset, subset, ask, scanned)], str(source))
    empty = [s for s in subsets if not s.songs and (s.origins or s.metadata)]
    dataset.problems += [Problem(f"{s.name} holds no song", "put songs there, or take it out") for s in empty]
    dataset.subsets = [s for s in subsets if s.songs]
    mark_same_audio(dataset.songs)
    for song in dataset.songs:
        song.problems = list(dict.fromkeys(song.problems))
    dataset.notes = list(dict.fromkeys(dataset.notes))
    return dataset


def with_kohya_note(dataset: Dataset, root: Path) -> Dataset:
    """A scanned folder, which says so if its folders are named as Kohya's are."""
    names = folders_that_look_so(root)
    if names:
        dataset.notes.append(note_on(names))
    return dataset
