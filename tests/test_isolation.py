"""Whatever other people's packages do, the program works and says in one sentence what is wrong with which."""

import subprocess
from pathlib import Path

import pytest
from third_party import ALL, FAULTY, GREETER, HEALTHY, TWINS, Distribution, Environment, write_wheel

pytestmark = pytest.mark.slow
SONGS = Path(__file__).parents[1] / "examples" / "songs"


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment in which all of them are installed."""
    folder = tmp_path_factory.mktemp("machine")
    environment = Environment(folder)
    environment.install(*(write_wheel(d, folder) for d in ALL))
    return environment


def select(machine: Environment, dist: Distribution, only: str | None = None) -> subprocess.CompletedProcess[str]:
    return machine.run("plugins", "show", *dist.plugin, only=only)


def sentence(ran: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of a refusal; a hint may follow, indented."""
    assert (ran.returncode, ran.stdout) == (1, ""), ran
    problem, *hints = ran.stderr.splitlines()
    assert problem.startswith("Error: ") and "Traceback" not in ran.stderr
    assert len(hints) <= 1 and all(h.startswith("  ") for h in hints)
    return problem


@pytest.mark.parametrize(
    "arguments, shown",
    [
        (["--help"], "Commands of other packages:\n  crash  from tp-command\n  greet  from tp-greeter\n"),
        (["plugins", "list"], "tp-rubbish"),
        (["plugins", "show", "samplers", "uniform"], "distribution: acestep-core"),
        (["scan", str(SONGS)], "songs can be used"),
        (["train", "--help"], "--sampler"),
    ],
    ids=["help", "list", "show", "scan", "train-help"],
)
def test_everything_works_with_all_of_them_installed(machine: Environment, arguments: list[str], shown: str):
    ran = machine.run(*arguments)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert shown in ran.stdout


def test_every_one_of_them_is_listed(machine: Environment):
    listed = machine.run("plugins", "list").stdout
    assert all(d.name in listed and d.plugin[1] in listed for d in ALL)


@pytest.mark.parametrize("dist", FAULTY, ids=lambda d: d.name)
def test_selecting_a_faulty_one_is_one_sentence_that_names_it(machine: Environment, dist: Distribution):
    ran = select(machine, dist)
    assert dist.said in sentence(ran) and dist.name in ran.stderr


@pytest.mark.parametrize("arguments", [["crash"], ["crash", "--help"]], ids=" ".join)
def test_running_a_faulty_command_is_one_sentence_that_names_it(machine: Environment, arguments: list[str]):
    assert "tp-command" in sentence(machine.run(*arguments))


@pytest.mark.parametrize("dist", TWINS, ids=lambda d: d.name)
def test_name_at_distribution_selects_one_of_two_with_the_same_name(machine: Environment, dist: Distribution):
    ran = machine.run("plugins", "show", "samplers", f"twin@{dist.name}")
    assert ran.returncode == 0 and f"distribution: {dist.name}" in ran.stdout


def test_a_healthy_sampler_works_beside_them(machine: Environment):
    ran = select(machine, HEALTHY)
    assert ran.returncode == 0 and "about: A sampler of another package." in ran.stdout


def test_a_healthy_command_works_beside_them(machine: Environment):
    ran = machine.run("greet", "Ada")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "hello Ada\n", "")
    assert "about: Greet somebody." in select(machine, GREETER).stdout


def test_a_raising_observer_is_reported_once_and_the_others_go_on(machine: Environment):
    code = """
from acestep_core.observers import Observers
from acestep_core.registry import registry
registry().activate("loud")
observers = Observers(registry().manager)
for _ in range(3):
    observers.notify("acestep_audio", request=None, clip=None, path="a.flac")
print("went on")"""
    ran = machine.python_run("-c", code)
    assert ran.stdout == "went on\n"
    assert ran.stderr == (
        "Observer extension loud@tp-loud failed in acestep_audio and is switched off: OSError: no space left\n"
    )


def test_damaged_metadata_harms_only_its_own_package(tmp_path: Path):
    machine = Environment(tmp_path)
    machine.install(*(write_wheel(d, tmp_path) for d in (HEALTHY, *TWINS)))
    left, right = (machine.packages / f"{d.module}-0.1.dist-info" for d in TWINS)
    (left / "METADATA").unlink()
    (right / "entry_points.txt").write_text("[acestep_core.samplers]\ntwin\n")
    assert machine.run("--help").returncode == select(machine, HEALTHY).returncode == 0
    listed = machine.run("plugins", "list")
    assert listed.returncode == 0 and "twin" not in listed.stdout and "tp-healthy" in listed.stdout
    assert listed.stderr.count("note: the metadata of ") == 2 and "tp-right-twin" in listed.stderr


def test_acestep_plugins_restricts_what_is_seen(machine: Environment):
    listed = machine.run("plugins", "list", only="tp_Healthy, tp-loud").stdout
    assert {line.split()[2] for line in listed.splitlines()[2:]} == {"acestep-core", "tp-healthy", "tp-loud"}
