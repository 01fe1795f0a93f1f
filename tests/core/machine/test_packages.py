"""PyTorch and what has to go with it."""

import sys
from pathlib import Path

import pytest
from broken_machines import HEALTHY, machine

from acestep_core import UserError
from acestep_core.machine import disks, packages
from acestep_core.machine.probe import Probe, Torch
from acestep_core.machine.trouble import needed, pip


def audio(root, **given):
    return list(packages.check_torchaudio(machine(root, **given)))


def test_the_pair_that_works_is_left_alone(tmp_path):
    assert audio(tmp_path) == [] == list(packages.check_torch(machine(tmp_path)))


@pytest.mark.parametrize(("torch", "wanted"), [
    ("2.8.0", "2.8"), ("2.10.1+cu126", "2.10"), ("2.11.0", "2.11"), ("2.14.1", "2.11"), ("2.15.0a0+git1", "2.11"),
    ("3.0", ""), ("mine", ""),
])  # fmt: skip
def test_the_torchaudio_that_goes_with_a_torch(torch, wanted):
    assert packages.partner(torch) == wanted


def test_one_made_for_another_torch_is_told_even_if_it_can_be_imported(tmp_path):
    (trouble,) = audio(tmp_path, packages={"torch": "2.10.0", "torchaudio": "2.9.1"})
    assert trouble.problem == "torchaudio 2.9.1 was not made for torch 2.10.0, which goes with 2.10"
    assert trouble.mend == 'pip install --force-reinstall --no-deps "torchaudio==2.10.*"'


def test_one_that_cannot_be_imported_is_told_with_its_reason(tmp_path):
    """As measured: 2.11 beside a CPU build of torch, and beside a torch for CUDA 13.2."""
    for torch, why in (("2.13.0+cpu", "OSError: libc10_cuda.so: cannot open"), ("2.15.0", "RuntimeError: CUDA")):
        (trouble,) = audio(tmp_path, packages=HEALTHY | {"torch": torch}, broken={"torchaudio": why})
        assert f"cannot be imported beside torch {torch}" in trouble.problem and trouble.problem.endswith(why)
        assert f'"{needed("torch")}" "{needed("torchaudio")}"' in trouble.mend


def test_what_is_not_installed(tmp_path):
    (trouble,) = audio(tmp_path, packages={"torch": "2.14.1"})
    assert trouble.mend == f'pip install "{needed("torchaudio")}"'
    (trouble,) = packages.check_torch(machine(tmp_path, packages={}, broken={"torch": "ModuleNotFoundError: torch"}))
    assert trouble.problem == "PyTorch is not installed" and "--force" not in trouble.mend
    (trouble,) = packages.check_torch(machine(tmp_path, broken={"torch": "the process ended with SIGSEGV"}))
    assert "PyTorch 2.14.1 cannot be imported: the process ended with SIGSEGV" in trouble.problem


def test_versions_in_commands_are_those_of_the_package_itself():
    """Whatever pyproject.toml says stands in what is printed, and a build the index lacks names where to look."""
    from packaging.requirements import Requirement

    assert {"2.8.0", "2.14.9"} == set(
        Requirement(needed("torch")).specifier.filter(["2.7.9", "2.8.0", "2.14.9", "2.15"])
    )
    assert needed("unheard-of") == "unheard-of"
    assert "for CUDA 12.6" in pip(build="CUDA 12.6") and "http" not in pip(build="CUDA 12.6")


def test_an_mlx_without_its_library(tmp_path):
    there = {"packages": HEALTHY | {"mlx": "0.29"}, "broken": {"mlx.core": "ImportError: libmlx.so: cannot open"}}
    (trouble,) = packages.check_mlx(machine(tmp_path, **there))
    assert "libmlx.so" in trouble.problem and trouble.mend.endswith('"mlx[cpu]"')
    (trouble,) = packages.check_mlx(machine(tmp_path, system="darwin", **there))
    assert trouble.mend.endswith('"mlx"')
    assert not list(packages.check_mlx(machine(tmp_path, broken={"mlx.core": "no mlx"})))


def test_backends_that_the_settings_file_names_are_asked():
    config = {"backend": {"lm": "mlx"}, "train": {"backend": "pt"}, "generate": {"backend": "mine", "steps": 3}}
    assert packages.named_backends(config) == ["mine", "mlx"]

    class Plugins:
        def make(self, kind, name):
            if name == "broken":
                raise ImportError("libmlx.so")
            raise UserError(f"{name} lacks mlx-lm", 'pip install "acestep-core[mlx]"')

    first, second = packages.check_backends(["mlx", "broken"], Plugins())
    assert "mlx lacks mlx-lm" in first.problem and first.mend == 'pip install "acestep-core[mlx]"'
    assert "ImportError: libmlx.so" in second.problem and "plugins doctor" in second.mend


def test_disks(tmp_path):
    assert not list(disks.check_disks(machine(tmp_path), tmp_path / "models"))
    full = machine(tmp_path, room=10**9, environment={"HF_HOME": str(tmp_path / "hub")})
    first, second, third = disks.check_disks(full, tmp_path / "models")
    assert "models may take 6.23 GB" in first.problem and "--to DIR" in first.mend
    assert str(tmp_path / "hub") in second.problem and second.mend.startswith("export HF_HOME=")
    assert "temporary files" in third.problem and "TMPDIR" in third.mend
    (tmp_path / "models" / "vae").mkdir(parents=True)
    (tmp_path / "models" / "vae" / "config.json").write_text("{}")
    assert len(list(disks.check_disks(full, tmp_path / "models"))) == 2


def test_the_real_machine_can_be_asked(tmp_path):
    """The questions themselves: imports that work, fail, crash, and print what nobody asked for."""
    probe = Probe()
    assert probe.python("print(1)").output == "1\n" and probe.run((sys.executable, "-c", "print(2)")) == "2\n"
    assert probe.python("import surely_no_module").problem.startswith("ModuleNotFoundError")
    assert "SIGKILL" in probe.python("import os; os.kill(os.getpid(), 9)").problem
    assert probe.run(("surely-no-program",)) is None and probe.version("surely-no-package") is None
    assert probe.room(tmp_path / "not" / "there") > 0 and Path(probe.root) == Path("/")


@pytest.mark.slow
def test_the_real_torch_says_what_it_is():
    import torch

    told = Probe().torch
    assert isinstance(told, Torch) and (told.problem, told.version) == ("", torch.__version__)
