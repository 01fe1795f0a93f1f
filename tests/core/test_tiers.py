"""What devices are good for, computed from outlines of the published models."""

import re
from pathlib import Path

import pytest

from acestep_core import UserError
from acestep_core.registry import registry
from acestep_core.tiers import tier

README = Path(__file__).parents[2] / "README.md"
CARDS = (4, 6, 8, 12, 16, 24)


@pytest.fixture(scope="module")
def tiers():
    return {g: tier(g * 10**9, registry()) for g in CARDS}


def test_more_memory_is_never_worse(tiers):
    rising = [tiers[g] for g in CARDS]
    sizes = [float(t.lm.split("-")[-1].removesuffix("B")) for t in rising]
    assert sizes == sorted(sizes) and sizes[0] == 0.6 and sizes[-1] == 4
    for name in ("batch", "longest_s"):
        values = [getattr(t, name) for t in rising]
        assert values == sorted(values)
    assert [t.quantization for t in rising] == sorted(t.quantization for t in rising)
    for t in rising:
        assert 1 <= t.lm_batch <= t.batch <= 8 and t.seconds <= t.lm_longest_s <= t.longest_s <= 600


def test_each_says_why(tiers):
    assert "8-bit weights" in tiers[4].why[0] and "one part at a time" in tiers[4].why[0]
    assert "quantize" in tiers[4].note and not tiers[24].note
    assert "acestep-5Hz-lm-4B would need" in tiers[8].why[-1]
    assert "runs beside it" in tiers[24].why[-1]
    described = tiers[8].describe()
    assert described["lm"] == "acestep-5Hz-lm-1.7B" and described["quantization"] == "none"


def test_too_little_is_told():
    with pytest.raises(UserError, match="dit alone has"):
        tier(2 * 10**9, registry())


def test_the_table_of_the_readme_is_what_is_computed(tiers):
    text = README.read_text(encoding="utf-8")
    for gigabytes, t in tiers.items():
        how = f"{'weights as they are' if t.quantization == 'none' else t.quantization}, " + (
            "in turn" if t.one_at_a_time else "together"
        )
        size = t.lm.removeprefix("acestep-5Hz-lm-")
        row = f"| {gigabytes} GB | {how} | {t.batch}, {t.longest_s} s | {size} | {t.lm_batch}, {t.lm_longest_s} s |"
        assert re.search(f"^{re.escape(row)}$", text, re.MULTILINE), row
