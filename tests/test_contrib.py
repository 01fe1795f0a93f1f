"""The packages in contrib/ are installed as anybody's would be, and pass their own tests."""

from pathlib import Path

import pytest
from source_packages import install, run_tests

PACKAGES = sorted(p.parent for p in (Path(__file__).parents[1] / "contrib").glob("*/pyproject.toml"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("installed"), *PACKAGES)


def test_there_are_the_example_and_the_research_samplers():
    assert {"acestep-example", "acestep-research-samplers"} <= {p.name for p in PACKAGES}


@pytest.mark.slow
@pytest.mark.parametrize("package", PACKAGES, ids=lambda p: p.name)
def test_a_contributed_package_passes_its_own_tests(package: Path, installed: Path):
    assert " passed" in run_tests(package, installed)
