"""The packages in contrib/ are installed as anybody's would be, and pass their own tests."""

from pathlib import Path

import pytest
from source_packages import install, run_tests

PACKAGES = sorted(p.parent for p in (Path(__file__).parents[1] / "contrib").glob("*/pyproject.toml"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("installed"), *PACKAGES)


@pytest.mark.parametrize("name", ["acestep-example", "acestep-research-samplers", "acestep-kohya", "acestep-nano"])
def test_the_packages_are_there_and_listed(name: str):
    assert name in {p.name for p in PACKAGES}
    assert f"`{name}`" in (Path(__file__).parents[1] / "PLUGINS.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("package", PACKAGES, ids=lambda p: p.name)
def test_a_contributed_package_passes_its_own_tests(package: Path, installed: Path):
    assert " passed" in run_tests(package, installed)
