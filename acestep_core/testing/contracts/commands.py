"""The contract of commands."""

from typing import Any

import click
from click.testing import CliRunner

from acestep_core.testing.contracts.base import NamedContract


class CommandContract(NamedContract):
    """Subclass with `plugin = your_click_command`."""

    kind = "commands"

    def test_it_is_a_click_command_with_help(self) -> None:
        assert isinstance(self.plugin, click.Command)
        assert (self.plugin.help or "").strip()

    def test_help_works_and_explains_every_option(self) -> None:
        result = self._run("--help")
        assert result.exit_code == 0 and result.output.startswith("Usage:")
        unexplained = [p.name for p in self.plugin.params if isinstance(p, click.Option) and not p.help]
        assert not unexplained, f"options without help: {unexplained}"

    def test_a_wrong_option_is_refused(self) -> None:
        assert self._run("--surely-no-option").exit_code == 2

    def _run(self, *arguments: str) -> Any:
        return CliRunner().invoke(self.plugin, list(arguments), obj={})

    def _entry_module(self) -> str:
        self.plugin.__module__ = getattr(self.plugin.callback, "__module__", "")
        return super()._entry_module()
