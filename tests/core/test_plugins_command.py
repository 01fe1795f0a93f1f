"""`plugins list`, `plugins show` and other people's commands, as a user sees them."""

import json
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from closed_registry import closed, plugin
from postponed_annotations import Postponed

import acestep_core.commands.plugins
import acestep_core.registry
from acestep_core import Extension, PluginError, option
from acestep_core.cli import COMMANDS, group


class Remote(Extension):
    """Tells another
    machine."""

    name = "remote"

    token: str = option("sk-1", "for the service", secret=True)
    url: str = option(help="where it is")


def greeting(whom: str) -> click.Command:
    return click.Command("greet", callback=lambda: click.echo(f"hello {whom}"), help=f"Greet {whom}.")


def brings(command: click.Command, dist: str) -> Any:
    return plugin("commands", command.name, dist, acestep_commands=lambda: [command])


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch) -> Any:
    """invoke(plugins, *arguments) runs the program with these plugins alone."""

    def run(known: list[Any], *arguments: str) -> Result:
        plugins = closed(*known)
        monkeypatch.setattr(acestep_core.registry, "registry", lambda: plugins)
        monkeypatch.setattr(acestep_core.commands.plugins, "registry", lambda: plugins)
        return CliRunner().invoke(group, arguments, catch_exceptions=False, prog_name="acestep-core")

    return run


def test_plugins_list_shows_kind_name_distribution_and_version(invoke: Any):
    lines = invoke([plugin(), plugin("extensions", "remote", "tele")], "plugins", "list").output.splitlines()
    assert [line.split() for line in lines if "-" not in line] == [
        ["kind", "name", "from", "version"],
        ["samplers", "cosine", "stranger", "0.3"],
        ["extensions", "remote", "tele", "0.3"],
    ]


def test_plugins_list_as_json_of_one_kind(invoke: Any):
    known = [plugin(), plugin("extensions", "remote")]
    assert json.loads(invoke(known, "plugins", "list", "--kind", "samplers", "--json").output) == [
        {"kind": "samplers", "name": "cosine", "distribution": "stranger", "version": "0.3"}
    ]


def test_plugins_show_tells_what_it_is_and_its_options(invoke: Any):
    shown = invoke([plugin()], "plugins", "show", "samplers", "cosine").output
    assert "about: Cosine-shaped t.\n" in shown and "source: stranger.plugin\n" in shown
    assert [line.split() for line in shown.splitlines()[-2:]] == [
        ["power", "float", "1.0", ">", "0", "exponent"],
        ["shift", "int", "0", "≥", "0", "moves", "it"],
    ]


def test_plugins_show_as_json_has_the_schema(invoke: Any):
    facts = json.loads(invoke([plugin()], "plugins", "show", "samplers", "cosine", "--json").output)
    assert facts["options"]["properties"]["power"]["exclusiveMinimum"] == 0 and facts["version"] == "0.3"


def test_plugins_show_does_not_tell_secrets_and_says_what_is_required(invoke: Any):
    known = [plugin("extensions", "remote", acestep_extensions=lambda: [Remote])]
    shown = invoke(known, "plugins", "show", "extensions", "remote").output
    assert "about: Tells another machine.\n" in shown and "sk-1" not in shown
    assert ["token", "str", "secret"] in [line.split()[:3] for line in shown.splitlines()]
    assert ["url", "str", "required"] in [line.split()[:3] for line in shown.splitlines()]


def test_a_class_without_a_docstring_is_described_by_its_module(invoke: Any):
    known = [plugin(name="postponed", acestep_samplers=lambda: [Postponed])]
    assert (
        "about: A plugin module as many write them" in invoke(known, "plugins", "show", "samplers", "postponed").output
    )


def test_a_command_is_described_by_its_help(invoke: Any):
    assert (
        "about: Greet Ada.\n" in invoke([brings(greeting("Ada"), "one")], "plugins", "show", "commands", "greet").output
    )


def test_help_lists_commands_of_other_packages_under_the_names_to_type(invoke: Any):
    train = click.Command("train")
    known = [brings(greeting("Ada"), "one"), brings(greeting("Bob"), "two"), brings(train, "three")]
    shown = invoke(known, "--help").output
    assert (
        "Commands of other packages:\n  greet@one    from one\n  greet@two    from two\n  train@three  from three"
        in shown
    )
    assert all(f"\n  {name} " in shown for name in COMMANDS)


def test_a_command_of_another_package_runs(invoke: Any):
    assert invoke([brings(greeting("Ada"), "one")], "greet").output == "hello Ada\n"


def test_a_command_name_that_clashes_needs_the_distribution(invoke: Any):
    known = [brings(greeting("Ada"), "one"), brings(greeting("Bob"), "two")]
    assert invoke(known, "greet@two").output == "hello Bob\n"
    with pytest.raises(PluginError, match="say which: greet@one or greet@two"):
        invoke(known, "greet")


def test_a_command_named_like_one_of_ours_does_not_replace_it(invoke: Any):
    stranger = click.Command("plugins", callback=lambda: click.echo("mine"))
    known = [brings(stranger, "one")]
    assert "List, show and check" in invoke(known, "plugins", "--help").output
    assert invoke(known, "plugins@one").output == "mine\n"


def test_an_unknown_command_names_the_nearest(invoke: Any):
    ran = invoke([brings(greeting("Ada"), "one")], "great")
    assert ran.exit_code == 2 and "There is no command 'great'; did you mean 'greet'?" in ran.output


def test_an_unknown_kind_is_refused_with_the_kinds(invoke: Any):
    ran = invoke([plugin()], "plugins", "show", "sampler", "cosine")
    assert ran.exit_code == 2 and "'samplers'" in ran.output
