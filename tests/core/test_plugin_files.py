"""`--plugin FILE.py`: one file as a plugin module, without packaging."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from closed_registry import closed, plugin

import acestep_core.commands.choices as choices
from acestep_core import PluginError
from acestep_core.cli import group

GOOD = '''
from __future__ import annotations
from acestep_core import TimestepSampler, hookimpl, option

class Bend(TimestepSampler):
    """Bends t."""
    name = "bend"
    power: float = option(2.0, "exponent", gt=0)

    def sample(self, u):
        return u ** self.power

@hookimpl
def acestep_samplers():
    return [Bend]

@hookimpl
def acestep_train_end(run, error):
    run.append(error)
'''


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return _written(tmp_path / "bend.py", GOOD)


def _written(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _refusal(path: Path) -> PluginError:
    plugins = closed(plugin())
    with pytest.raises(PluginError) as caught:
        plugins.add_file(path)
    assert path.name in caught.value.problem and "\n" not in caught.value.problem
    assert not plugins.manager.get_plugins() and len(plugins.known("samplers")) == 1
    return caught.value


def test_a_file_is_known_loaded_and_made_like_any_plugin(good: Path):
    plugins = closed(plugin())
    assert [k.qualified for k in plugins.add_file(good)] == ["bend@bend.py"]
    assert [k.name for k in plugins.known("samplers")] == ["bend", "cosine"]
    assert plugins.make("samplers", "bend", {"power": "3"}).sample(2) == 8
    assert plugins.load("samplers", "bend@bend.py").__doc__ == "Bends t."


def test_the_other_hooks_of_a_file_take_part(good: Path):
    plugins = closed()
    plugins.add_file(good)
    heard: list[object] = []
    plugins.manager.hook.acestep_train_end(run=heard, error=3)
    assert heard == [3]


def test_the_same_file_twice_is_once(good: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(good.parent)
    plugins = closed()
    assert plugins.add_file(good) == plugins.add_file(Path("bend.py"))
    assert len(plugins.known("samplers")) == 1


def test_files_of_the_same_name_keep_to_themselves(tmp_path: Path):
    plugins = closed()
    for name, number in (("left", "Left"), ("right", "Right")):
        own = f"{number} = float\n\nclass Bend"
        text = GOOD.replace("class Bend", own).replace(": float", f": {number}").replace('"bend"', f'"{name}"')
        plugins.add_file(_written(tmp_path / name / "same.py", text))
    assert plugins.make("samplers", "left", {"power": 2}).power == plugins.make("samplers", "right").power == 2.0


def test_a_file_clashes_with_an_installed_plugin_of_the_same_name(good: Path):
    plugins = closed(plugin(name="bend"))
    plugins.add_file(good)
    with pytest.raises(PluginError, match="say which: bend@bend.py or bend@stranger"):
        plugins.load("samplers", "bend")
    assert plugins.load("samplers", "bend@bend.py").name == "bend"


def test_a_missing_file_is_refused(tmp_path: Path):
    assert "There is no plugin file" in _refusal(tmp_path / "nowhere.py").problem


def test_a_file_that_is_no_python_is_refused(tmp_path: Path):
    assert "There is no plugin file" in _refusal(_written(tmp_path / "bend.txt", GOOD)).problem


@pytest.mark.parametrize(
    "text, said",
    [
        ("def broken(:\n", "SyntaxError"),
        ("raise ValueError('odd')", "ValueError: odd"),
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("import a_package_that_is_not_installed", "a_package_that_is_not_installed"),
    ],
)
def test_a_file_that_cannot_be_imported_is_refused(tmp_path: Path, text: str, said: str):
    error = _refusal(_written(tmp_path / "bad.py", text))
    assert "failed while it was imported" in error.problem and said in error.problem


@pytest.mark.parametrize(
    "text, said",
    [
        (GOOD.replace("@hookimpl", ""), "holds no plugin"),
        (GOOD.replace("def acestep_samplers()", "def acestep_samplers(x)"), "does not fit"),
        (GOOD.replace("[Bend]", "Bend"), "instead of a list"),
        (GOOD.replace("[Bend]", "[3]"), "Plugin 3@bad.py is no subclass of TimestepSampler"),
        (GOOD.replace('"bend"', '""'), "has no name"),
        (GOOD.replace("def sample", "def simple"), "Plugin bend@bad.py lacks sample"),
    ],
)
def test_a_file_with_a_faulty_plugin_is_refused(tmp_path: Path, text: str, said: str):
    assert said in _refusal(_written(tmp_path / "bad.py", text)).problem


def test_a_mended_file_can_be_added_after_a_faulty_one(tmp_path: Path):
    plugins, path = closed(), tmp_path / "bend.py"
    with pytest.raises(PluginError):
        plugins.add_file(_written(path, "1 / 0"))
    assert plugins.add_file(_written(path, GOOD))[0].name == "bend"


def test_the_option_plugin_of_a_command_adds_the_file(good: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    plugins = closed()
    monkeypatch.setattr(choices, "registry", lambda: plugins)
    monkeypatch.chdir(tmp_path)
    CliRunner().invoke(group, ["train", "nowhere", "--model", "nowhere", "--plugin", str(good), "--sampler", "bend"])
    assert [k.name for k in plugins.known("samplers")] == ["bend"]


def test_modules_of_files_do_not_shadow_others(good: Path):
    closed().add_file(good)
    assert "bend" not in sys.modules
