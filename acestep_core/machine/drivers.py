"""Checks that PyTorch can use the GPUs that are there: drivers, builds without them, and CUDA newer than a driver."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from acestep_core.machine.gpus import Gpu, translated
from acestep_core.machine.probe import Probe, Torch
from acestep_core.machine.trouble import Trouble, pip

# The oldest driver branch that runs programs built for a CUDA of that number (CUDA's release notes).
LEAST_DRIVER = {11: 450, 12: 525, 13: 580}
OLDER_CUDA = "CUDA 12.6"  # still runs on drivers from 525 and on GPUs before Turing
_INSTALL = {"ubuntu": "sudo ubuntu-drivers install", "debian": "sudo apt install nvidia-driver",
            "fedora": "sudo dnf install akmod-nvidia", "arch": "sudo pacman -S nvidia-open"}  # fmt: skip


def check_nvidia(probe: Probe, gpus: Sequence[Gpu]) -> Iterator[Trouble]:
    """A driver at all, a PyTorch with CUDA, a driver that is new enough for it, and a GPU that it knows."""
    torch, cards = probe.torch, _cards(probe.torch, gpus, "NVIDIA")
    if not cards:
        return
    card = cards[0]
    if card.driver is None:
        yield Trouble("driver", f"There is an NVIDIA GPU ({card.name}) and no driver for it", _driver_command(probe))
    if torch.problem:
        return
    if torch.cuda is None:
        yield _without(torch, card, "CUDA", _cuda_command(probe, card))
    elif card.driver and "cuda" not in torch.sees:
        yield _old_driver(probe, card, torch) if _too_old(card, torch) else _unseen(probe, card)
    yield from _unknown(torch)


def check_amd(probe: Probe, gpus: Sequence[Gpu]) -> Iterator[Trouble]:
    torch, cards = probe.torch, _cards(probe.torch, gpus, "AMD")
    if not cards or torch.problem or "cuda" in torch.sees:
        return
    card = cards[0]
    sure = card.memory is not None  # integrated graphics that do not say so cost no exit code
    if torch.hip is None:
        yield _without(torch, card, "ROCm", pip(anew=True, build="ROCm"), sure)
    elif card.driver is None:
        mend = "sudo amdgpu-install --usecase=rocm  # in a container: --device /dev/kfd --device /dev/dri"
        yield Trouble("driver", f"There is no /dev/kfd, through which ROCm would reach the {card.name}", mend, sure)
    else:
        mend = 'sudo usermod -aG render,video "$USER"  # then log in again'
        yield Trouble("driver", f"PyTorch {torch.version} has ROCm and cannot reach the {card.name}", mend, sure)


def check_intel(probe: Probe, gpus: Sequence[Gpu]) -> Iterator[Trouble]:
    torch, cards = probe.torch, _cards(probe.torch, gpus, "Intel")
    if not cards or torch.problem or "xpu" in torch.sees:
        return
    if torch.xpu is None:
        yield _without(torch, cards[0], "XPU", pip(anew=True, build="Intel GPUs"))
    else:
        mend = "sudo apt install intel-opencl-icd libze1 libze-intel-gpu1  # on Windows: Intel's newest graphics driver"
        yield Trouble("driver", f"PyTorch {torch.version} has XPU and does not see the {cards[0].name}", mend)


def check_apple(probe: Probe, gpus: Sequence[Gpu]) -> Iterator[Trouble]:
    torch = probe.torch
    if not any(g.maker == "Apple" for g in gpus):
        return
    if translated(probe):
        what = "This Python is made for Intel's processors and translated, so that PyTorch cannot use this Mac's GPU"
        yield Trouble("mps", what, "install a Python for Apple silicon, then: pip install acestep-core")
    elif not torch.problem and not torch.mps:
        yield Trouble("mps", f"PyTorch {torch.version} is a build without MPS, Apple's GPU", pip(anew=True))
    elif not torch.problem and "mps" not in torch.sees:
        yield Trouble("mps", f"PyTorch {torch.version} does not see this Mac's GPU", "update macOS to 14 or newer")


def check_device(probe: Probe, options: Mapping[str, Any]) -> Iterator[Trouble]:
    """A settings file that keeps the work from the GPU; that may be meant."""
    if options.get("device") == "cpu" and probe.torch.sees:
        what = f"The settings file has the work done by the CPU, and PyTorch could use {' and '.join(probe.torch.sees)}"
        yield Trouble("device", what, 'write device = "auto" under [backends.pt]', serious=False)


def usable(torch: Torch) -> set[str]:
    """Makers of the GPUs that this PyTorch sees."""
    of = {"cuda": "AMD" if torch.hip else "NVIDIA", "xpu": "Intel", "mps": "Apple"}
    return {of[kind] for kind in torch.sees}


def _cards(torch: Torch, gpus: Sequence[Gpu], maker: str) -> list[Gpu]:
    """A PyTorch that sees a GPU is for that one; others beside it are no mistake."""
    seen = usable(torch)
    return [g for g in gpus if g.maker == maker and (not seen or maker in seen)]


def _without(torch: Torch, card: Gpu, what: str, mend: str, serious: bool = True) -> Trouble:
    problem = f"PyTorch {torch.version} is a build without {what}, beside the {card.name}, which it cannot use"
    return Trouble("torch_build", problem, mend, serious)


def _cuda_command(probe: Probe, card: Gpu) -> str:
    """The index has builds with the newest CUDA, for Linux only."""
    branch = _branch(card)
    if branch is not None and branch < LEAST_DRIVER[13]:
        return pip(anew=True, build=OLDER_CUDA)
    return pip(anew=True) if probe.system == "linux" else pip(anew=True, build="CUDA")


def _branch(card: Gpu) -> int | None:
    number = (card.driver or "").partition(".")[0]
    return int(number) if number.isdigit() else None


def _least(torch: Torch) -> int:
    return LEAST_DRIVER.get(int((torch.cuda or "0").partition(".")[0]), 0)


def _too_old(card: Gpu, torch: Torch) -> bool:
    branch = _branch(card)
    return branch is not None and branch < _least(torch)


def _old_driver(probe: Probe, card: Gpu, torch: Torch) -> Trouble:
    what = (f"The NVIDIA driver {card.driver} is too old for CUDA {torch.cuda}, for which PyTorch {torch.version} is "
            f"built: that needs {_least(torch)} or newer")  # fmt: skip
    mend = _driver_command(probe, "update the driver of the machine around this container")
    mend += f"  # or a PyTorch for an older CUDA: {pip(anew=True, build=OLDER_CUDA)}"
    return Trouble("driver", what, mend)


def _unseen(probe: Probe, card: Gpu) -> Trouble:
    hidden = probe.environment.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and hidden.strip() in ("", "-1"):
        what = f"CUDA_VISIBLE_DEVICES={hidden.strip()} hides the {card.name} from PyTorch"
        return Trouble("driver", what, "unset CUDA_VISIBLE_DEVICES")
    what = f"PyTorch does not see the {card.name}, though it has CUDA and the driver is new enough"
    return Trouble("driver", what, "nvidia-smi  # says what the driver lacks; after an update, restart")


def _unknown(torch: Torch) -> Iterator[Trouble]:
    """GPUs older than any that this build has kernels for."""
    known = [int(a.partition("_")[2].rstrip("af")) for a in torch.archs if a.partition("_")[2].rstrip("af").isdigit()]
    for major, minor in {tuple(c) for c in torch.capabilities}:
        if known and not torch.hip and 10 * major + minor < min(known):
            what = f"PyTorch {torch.version} has no kernels for a GPU of compute capability {major}.{minor}"
            yield Trouble("torch_build", what, pip(anew=True, build=OLDER_CUDA))


def _driver_command(probe: Probe, contained: str = "docker run --gpus all ...  # this container has no GPU") -> str:
    if any((probe.root / mark).exists() for mark in (".dockerenv", "run/.containerenv")):
        return contained
    said = dict(line.partition("=")[::2] for line in (probe.read("etc/os-release") or "").splitlines())
    family = [said.get("ID", "").strip('"'), *said.get("ID_LIKE", "").strip('"').split()]
    return next((_INSTALL[n] for n in family if n in _INSTALL), "install NVIDIA's newest driver")
