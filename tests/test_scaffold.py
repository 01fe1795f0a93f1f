"""`plugins new` writes packages that work and pass their tests as they are, for every kind."""

import tomllib
from pathlib import Path

import pytest
from source_packages import install, run_tests

import acestep_core
from acestep_core import UserError
from acestep_core.api import KINDS
from acestep_core.registry import Registry
from acestep_core.scaffold import write_package


def files(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()}


def project(folder: Path) -> dict:
    return tomllib.loads((folder / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A new package of every kind."""
    parent = tmp_path_factory.mktemp("new")
    return {kind: write_package(kind, f"new-{kind}", parent / kind).folder for kind in KINDS}


@pytest.fixture(scope="module")
def installed(new: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("installed"), *new.values())


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_new_package_passes_its_own_tests_unedited(kind: str, new: dict[str, Path], installed: Path):
    assert " passed" in run_tests(new[kind], installed)


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_package_holds_exactly_these_files(kind: str, new: dict[str, Path]):
    module = f"new_{kind}"
    assert set(files(new[kind])) == {"README.md", "pyproject.toml", f"{module}.py", f"tests/test_{module}.py"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_package_announces_the_plugin_its_module_holds(kind: str, new: dict[str, Path]):
    announced = project(new[kind])["entry-points"]
    found = Registry([]).add_file(new[kind] / f"new_{kind}.py")
    assert announced == {f"acestep_core.{kind}": {found[0].name: f"new_{kind}"}}
    assert [k.kind for k in found] == [kind]


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_may_be_singular_or_plural(kind: str, tmp_path: Path):
    for given in (kind, kind[:-1]):
        write_package(given, "some-thing", tmp_path / given)
    assert files(tmp_path / kind) == files(tmp_path / kind[:-1])


@pytest.mark.parametrize("name", ["half-cosine", "half_cosine", "Half-Cosine"])
def test_a_name_may_have_dashes_underscores_and_capitals(name: str, tmp_path: Path):
    made = write_package("samplers", name, tmp_path / "a")
    assert (made.name, made.module, made.dist) == ("half_cosine", "half_cosine", "half-cosine")
    assert project(made.folder)["name"] == "half-cosine"
    assert "class HalfCosineSampler(TimestepSampler):" in (made.folder / "half_cosine.py").read_text()


def test_the_name_of_a_command_has_dashes(tmp_path: Path):
    made = write_package("command", "count_songs", tmp_path / "a")
    assert (made.name, made.module) == ("count-songs", "count_songs")


def test_a_name_that_ends_with_the_kind_does_not_say_it_twice(tmp_path: Path):
    made = write_package("solver", "my-solver", tmp_path / "a")
    assert "class MySolver(Solver):" in (made.folder / "my_solver.py").read_text()


def test_the_package_asks_for_the_running_major_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(acestep_core, "__version__", "3.14.1")
    assert project(write_package("solver", "mine", tmp_path / "a").folder)["dependencies"] == ["acestep-core>=3,<4"]


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("samplers", "3band", "'3band' cannot be the name of a plugin"),
        ("samplers", "a b", "'a b' cannot be the name of a plugin"),
        ("samplers", "größe", "'größe' cannot be the name of a plugin"),
        ("samplers", "two--dashes", "'two--dashes' cannot be the name of a plugin"),
        ("samplers", "../up", "'../up' cannot be the name of a plugin"),
        ("samplers", "", "'' cannot be the name of a plugin"),
        ("samplers", "lambda", "it is a word of Python"),
        ("samplers", "uniform", "There is a sampler 'uniform' already, in acestep-core"),
        ("samplers", "json", "There is a Python module 'json' already"),
        ("solvers", "acestep-core", "There is a Python module 'acestep_core' already"),
        ("cooks", "cake", "There is no plugin kind 'cooks'"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(kind: str, name: str, said: str, tmp_path: Path):
    with pytest.raises(UserError) as caught:
        write_package(kind, name, tmp_path / "a")
    assert said in caught.value.problem and caught.value.hint
    assert not (tmp_path / "a").exists()


def test_a_folder_that_is_there_is_refused_and_left_alone(tmp_path: Path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="is there already"):
        write_package("samplers", "mine", tmp_path)
    assert files(tmp_path) == {"mine.txt": "mine"}


def test_a_folder_that_cannot_be_written_is_told_in_a_sentence(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="Cannot write"):
        write_package("samplers", "mine", tmp_path / "file" / "a")


def test_plugins_new_writes_into_a_folder_of_that_name_and_says_what_is_next(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = cli("plugins", "new", "sampler", "half-cosine")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("half_cosine holds the sampler 'half_cosine'. Next:\n\n  cd half_cosine\n")
    assert (tmp_path / "half_cosine" / "pyproject.toml").is_file()


def test_plugins_new_refuses_the_name_of_a_command_of_the_program(cli, tmp_path):
    ran = cli("plugins", "new", "command", "scan", "--folder", tmp_path / "a")
    assert (ran.code, ran.out) == (1, "") and "'scan' is a command of acestep-core itself" in ran.err
