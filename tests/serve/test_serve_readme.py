"""The README names every kind of job; `test_serve_with_a_model` follows its examples."""

import re

from readme_section import section

from acestep_plugins.commands.serve.kinds import KINDS


def test_every_kind_of_job_is_named():
    assert set(KINDS) - {"load", "unload"} <= set(re.findall(r"`(\w+)`", section()))
