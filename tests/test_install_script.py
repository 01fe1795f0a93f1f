"""`.ci/install.py` tells uv what pip was told, and leaves to pip what uv cannot do."""

import importlib.util
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci" / "install.py"


@pytest.fixture
def install(monkeypatch):
    """install(listed, *broken) gives the commands that install, where `pip config list` says that and those break."""
    spec = importlib.util.spec_from_file_location("install_script", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)

    def installed(listed: str, *broken: str) -> tuple[int, list[tuple[list[str], dict]]]:
        ran = []

        def run(command, **given):
            if command[1:] == ["-m", "pip", "config", "list"]:
                return SimpleNamespace(stdout=listed, returncode=0)
            what = "uv itself" if command[-1] == "uv" else "uv" if command[0].endswith("/uv") else "pip"
            if what != "uv itself":
                ran.append((what, command, given.get("env") or {}))
            return SimpleNamespace(returncode=int(what in broken), stderr="no such host\n")

        monkeypatch.setattr(subprocess, "run", run)
        return script.main("python", "--editable", "."), ran

    return installed


def test_what_pip_was_told_of_the_index_is_told_to_uv(install, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    code, ((what, command, variables),) = install(
        ":env:.index-url='https://mirror/simple'\n:env:.disable-pip-version-check='1'\nglobal.cert='/c.pem'\n"
        "global.extra-index-url='https://a https://b'\nglobal.index-url='https://other/simple'\nfreeze.user='1'\n"
    )
    assert (code, what) == (0, "uv") and command[-2:] == ["--editable", "."]
    told = list(zip(command, command[1:], strict=False))
    assert {("--default-index", "https://mirror/simple"), ("--index", "https://a"), ("--index", "https://b"),
            ("--python", "python")} <= set(told)  # fmt: skip
    assert "https://other/simple" not in command and variables["SSL_CERT_FILE"] == "/c.pem"


@pytest.mark.parametrize(("listed", "broken", "said"), [
    ("global.no-index='1'\n", (), "pip is told no-index, for which uv has no word"),
    ("", ("uv itself",), "pip cannot install uv (no such host)"),
    ("", ("uv",), "uv failed"),
])  # fmt: skip
def test_what_uv_cannot_do_pip_does_and_it_is_said(install, capsys, listed, broken, said):
    code, ran = install(listed, *broken)
    assert code == 0 and ran[-1][:2] == ("pip", ["python", "-m", "pip", "install", "--quiet", "--editable", "."])
    assert f"{said}: pip installs instead of uv" in capsys.readouterr().err


def test_where_pip_fails_too_so_does_the_script(install):
    assert install("", "uv", "pip")[0] == 1
