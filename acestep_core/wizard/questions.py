"""The questions that matter for a training, in their order."""

from pathlib import Path

from acestep_core.bundled import NANO
from acestep_core.run_file.places import PLUGINS
from acestep_core.wizard import checks
from acestep_core.wizard.question import Choice, Question, Session


def _there(name: str) -> str | None:
    return name if Path(name).is_dir() else None


def _about_songs(session: Session) -> list[str]:
    found, held_out = checks.songs(session), checks.held_out(session)
    told = f"{len(found.part('train'))} songs to train on, {held_out} held out."
    return [told] if held_out else [told, "To hold some out: dataset save SONGS --validation 0.1, and encode that."]


def _one_model(session: Session) -> str:
    return "" if len(checks.models(session)) > 1 else "the folder holds one model"


def _none_held_out(session: Session) -> str:
    found = "encoded" in session.answers and not checks.held_out(session)
    return "no songs are held out" if found else ""


def _no_file(session: Session) -> str:
    found = "file" in session.answers and Path(session.answers["file"]).exists()
    return "" if found else "there is no such file yet"


QUESTIONS = (
    Question(
        "encoded", "text", "Folder with the encoded songs",
        "What `encode` wrote: acestep-core encode SONGS --model MODELS --out encoded. A folder of .pt files of the "
        "reference or Side-Step does as well.",
        default=lambda s: _there("encoded"), check=checks.encoded_folder, told=_about_songs,
    ),
    Question(
        "model", "text", "Folder with the model",
        "The folder that holds acestep-v15-*/, such a folder itself, or nano, which comes along. It has to be what "
        "the songs were encoded with.",
        default=lambda s: s.config.get("model") or _there("models") or NANO,
        check=checks.model_folder, needs=("encoded",),
    ),
    Question(
        "variant", "choice", "Which of the models there",
        "The songs were encoded with one of them; the others cannot be trained on these.",
        default=checks.made_with, check=checks.variant, needs=("encoded", "model"), follows=("encoded", "model"),
        choices=lambda s: [Choice(m.folder.name, m.variant) for m in checks.models(s)],
        idle=lambda s: _one_model(s) if "model" in s.answers else "",
    ),
    Question(
        "memory", "number", "Free memory of the GPU, in GB (0 = no GPU)",
        "It decides which preset is proposed. What is free now is the default; other programs may give some back.",
        default=lambda s: checks.free_gb(s.plugins), remembered=False,
    ),
    Question(
        "preset", "choice", "What is it for",
        "A preset says how to train: adapter, rate, length, and what is done to save memory. Look at one with: "
        "acestep-core config preset show NAME.",
        default=checks.fitting_preset, check=checks.usable_preset, choices=checks.preset_choices,
        told=checks.about_preset, needs=("memory",), follows=("memory",),
    ),
    Question(
        "adapter", "choice", "Kind of adapter",
        "The preset's own is the one whose settings it knows; another one has its defaults. lora is read by every "
        "program; lokr has the smallest files; loha and oft are for those who know why; full changes every "
        "weight, and takes several times the memory of the model and twice its room on the disk.",
        default=lambda s: checks.preset_file(s).plugin("adapter") or PLUGINS["adapter"][1],
        choices=checks.adapter_choices, needs=("preset",), follows=("preset",),
    ),
    Question(
        "steps", "number", "How many steps",
        "Updates of the adapter. A few hundred are a try; a result that is heard takes one or two thousand.",
        default=checks.preset_steps, check=checks.whole, told=checks.about_steps, needs=("encoded", "preset"),
        follows=("preset",),
    ),
    Question(
        "best", "yes_no", "Keep the weights that do best on the songs held out",
        "Instead of the last ones. Songs held out are measured now and then, and never trained on.",
        default=lambda s: True, idle=_none_held_out, needs=("encoded",),
    ),
    Question(
        "out", "text", "Folder for the run",
        "Settings, checkpoints and the adapter are written there. It must not hold anything yet.",
        default=lambda s: checks.free_name(), check=checks.new_folder,
    ),
    Question(
        "file", "text", "Write the settings into",
        "A run file, for: acestep-core train --config FILE. It has every setting with what it does, to change by hand.",
        default=lambda s: "run.toml", check=checks.new_file,
    ),
    Question(
        "overwrite", "yes_no", "That file is there already. Write over it",
        "y writes over it; b goes back, to give another name.",
        check=checks.yes, idle=_no_file, needs=("file",), remembered=False,
    ),
)  # fmt: skip
START = Question(
    "start", "yes_no", "Start it now",
    "y starts the training with the command above, n leaves it to you.",
    default=lambda s: False, remembered=False,
)  # fmt: skip
