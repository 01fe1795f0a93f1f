"""The contracts of bundled commands; `test_contracts_bundled` runs them with the others."""

from acestep_core.testing import contracts
from acestep_plugins.commands.serve import command as serve


class TestServe(contracts.CommandContract):
    plugin = serve
