"""`plugins doctor` looks at each package in a process of its own, whatever it does there."""

import json
import re
from pathlib import Path

import pytest
from third_party import ALL, DANGEROUS, FAULTY, HEALTHY, IMPERFECT, TWINS, Distribution, Environment, write_wheel

from acestep_core.discovery import Known
from acestep_core.doctor import examine

pytestmark = pytest.mark.slow
EVERY = (*ALL, *IMPERFECT, *DANGEROUS)


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment in which all of them are installed, one of them in two versions at once."""
    folder = tmp_path_factory.mktemp("ward")
    environment = Environment(folder)
    environment.install(*(write_wheel(d, folder) for d in EVERY))
    stale = environment.packages / f"{HEALTHY.module}-0.0.dist-info"
    stale.mkdir()
    (stale / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {HEALTHY.name}\nVersion: 0.0\n")
    (stale / "entry_points.txt").write_text(HEALTHY.entry_points)
    return environment


@pytest.fixture(scope="module")
def findings(ward: Environment) -> dict[str, dict]:
    """All of them; the one that hangs alone, with a shorter patience."""
    others = ",".join(d.name for d in EVERY if d.name != "tp-hangs")
    runs = [
        ward.run("plugins", "doctor", "--json", "--timeout", "55", only=others),
        ward.run("plugins", "doctor", "--json", "--timeout", "4", "--kind", "samplers", only="tp-hangs"),
    ]
    assert [r.returncode for r in runs] == [1, 1], runs
    found = [f for r in runs for f in json.loads(r.stdout)["plugins"]]
    return {f["distribution"]: f for f in found if f["distribution"] != "acestep-core" or not f["problem"]}


@pytest.mark.parametrize("dist", [d for d in (*FAULTY, *DANGEROUS) if d not in TWINS], ids=lambda d: d.name)
def test_what_is_broken_is_told_in_one_sentence(findings: dict[str, dict], dist: Distribution):
    finding = findings[dist.name]
    assert dist.said in finding["problem"] and "\n" not in finding["problem"]


@pytest.mark.parametrize("dist", IMPERFECT, ids=lambda d: d.name)
def test_what_could_be_better_is_advice(findings: dict[str, dict], dist: Distribution):
    finding = findings[dist.name]
    assert finding["problem"] == "" and any(dist.said in line for line in finding["advice"])


def test_healthy_ones_and_the_bundled_ones_are_ok(findings: dict[str, dict]):
    for name in (HEALTHY.name, "tp-greeter", "acestep-core", *(d.name for d in TWINS)):
        assert (findings[name]["problem"], findings[name]["advice"]) == ("", []), name
        assert findings[name]["seconds"] > 0


def test_two_versions_of_one_package_count_once(ward: Environment):
    ran = ward.run("plugins", "list", "--kind", "samplers", "--json", only=HEALTHY.name)
    assert [p["name"] for p in json.loads(ran.stdout) if p["distribution"] == HEALTHY.name] == ["healthy"]


def test_everything_else_works_with_all_of_them_installed(ward: Environment):
    for arguments in (["--help"], ["plugins", "list"], ["plugins", "show", "samplers", "uniform"]):
        ran = ward.run(*arguments)
        assert (ran.returncode, ran.stderr) == (0, "")


def test_no_third_party_looks_at_bundled_plugins_only(ward: Environment):
    ran = ward.run("--no-third-party", "plugins", "doctor")
    assert ran.returncode == 0 and "tp-" not in ran.stdout


def test_table_of_what_each_of_them_does(ward: Environment, findings: dict[str, dict], capsys: pytest.CaptureFixture):
    """Exit codes of --help, plugins list and its own selection beside what the doctor says, in the test output."""
    rows = []
    for dist in EVERY:
        only = ",".join(d.name for d in TWINS) if dist in TWINS else dist.name
        codes = [ward.run(*a, only=only).returncode for a in (["--help"], ["plugins", "list"])]
        own = "-" if dist.name == "tp-hangs" else ward.run("plugins", "show", *dist.plugin, only=only).returncode
        said = findings[dist.name]["problem"] or "; ".join(findings[dist.name]["advice"]) or "ok"
        rows.append((dist.name, dist.fault, *codes, own, said[:90]))
        assert codes == [0, 0]
    columns = ("distribution", "fault", "--help", "list", "own", "doctor")
    with capsys.disabled():
        print()
        for row in (columns, *rows):
            print("{:16}{:32}{:>7}{:>6}{:>5}  {}".format(*row))


def test_an_extension_that_prints_does_not_confuse_it():
    known = Known("solvers", "euler", "acestep-core", "1", (), "acestep_plugins.solvers.euler", lambda: None)
    assert examine(known, 60).problem == ""


def test_a_backend_says_what_its_auto_options_come_to():
    known = Known("backends", "pt", "acestep-core", "1", (), "acestep_plugins.backends.pt", lambda: None)
    uses = examine(known, 60).uses
    assert uses.keys() == {"device", "dtype", "attention", "tile_frames"} and uses["attention"] in ("local", "flash")


def test_two_hundred_packages_are_listed_and_none_is_imported(tmp_path: Path):
    """Every one of them would leave a file behind if it were imported."""
    machine = Environment(tmp_path)
    code = "open(r'{0}', 'a').close()\n"
    dists = [
        Distribution(f"tp-many-{i}", "", ("samplers", f"many-{i}"), code.format(tmp_path / "imported"))
        for i in range(200)
    ]
    machine.install(*(write_wheel(d, tmp_path) for d in dists))
    listed = machine.run("plugins", "list").stdout
    assert len(re.findall(r"tp-many-\d+ ", listed)) == 200
    assert machine.run("--help").returncode == 0
    assert not (tmp_path / "imported").exists()


def test_completion_names_plugins_and_imports_none(ward: Environment):
    code = (
        "import os, sys\n"
        "os.environ.update(_ACESTEP_CORE_COMPLETE='bash_complete', COMP_WORDS='acestep-core train --sampler ',"
        " COMP_CWORD='3')\n"
        "from acestep_core.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit:\n    print([m for m in sys.modules if m.startswith(('tp_', 'torch', 'acestep_plugins'))])"
    )
    lines = ward.python_run("-c", code).stdout.splitlines()
    assert {"plain,uniform", "plain,healthy", "plain,hangs"} <= set(lines) and lines[-1] == "[]"
