"""The contracts of bundled commands; `test_contracts_bundled` runs them with the others."""

from acestep_core.testing import contracts
from acestep_plugins.commands.serve import command as serve
from acestep_plugins.commands.ui import command as ui


class TestServe(contracts.CommandContract):
    plugin = serve


class TestUi(contracts.CommandContract):
    plugin = ui
