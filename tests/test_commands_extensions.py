"""Extensions take part for as long as a command runs, and no longer."""

from typing import ClassVar

import pytest

from acestep_core import Extension, UserError, hookimpl
from acestep_core.commands import choices
from acestep_core.testing.fakes import closed_registry


class Closing(Extension):
    """Keeps a list of what was closed."""

    closed: ClassVar[list[str]] = []

    @hookimpl
    def acestep_song(self):
        pass

    def close(self):
        self.closed.append(self.name)


class First(Closing):
    name = "first"


class Faulty(Closing):
    name = "faulty"

    def close(self):
        raise OSError("disk full")


@pytest.fixture
def closing(monkeypatch):
    plugins = closed_registry(type("Module", (), {"acestep_extensions": hookimpl(lambda: [First, Faulty])}))
    monkeypatch.setattr(choices, "registry", lambda: plugins)
    monkeypatch.setattr(Closing, "closed", [])
    return plugins


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_extensions_are_closed_whatever_happens(closing, capsys, error):
    with pytest.raises(error), choices.taking_part({"first": {}, "faulty": {}}, ("acestep_song",), "encode"):
        assert len(closing.manager.hook.acestep_song.get_hookimpls()) == 2
        raise error
    assert Closing.closed == ["first"] and closing.manager.hook.acestep_song.get_hookimpls() == []
    assert capsys.readouterr().err == "Extension faulty failed while it was closed: OSError: disk full\n"


def test_extensions_already_started_are_closed_when_the_next_cannot_be(closing):
    given = {"first": {}, "faulty": {"a": 1}}
    with pytest.raises(UserError, match="no option"), choices.taking_part(given, ("acestep_song",), "encode"):
        pytest.fail("must not get here")
    assert Closing.closed == ["first"] and closing.manager.hook.acestep_song.get_hookimpls() == []


def test_an_extension_that_hears_nothing_of_a_command_is_refused_and_closed(closing):
    refused = pytest.raises(UserError, match="'first' does nothing in generate")
    with refused, choices.taking_part({"first": {}}, ("acestep_audio",), "generate"):
        pytest.fail("must not get here")
    assert Closing.closed == ["first"] and closing.manager.hook.acestep_song.get_hookimpls() == []


def test_two_plugins_of_one_table_are_refused():
    assert choices.extension_tables(["a@x", "a@x"], ("adapter",)) == {"a": ("extensions", "a@x")}
    for names in (["adapter"], ["a@x", "a@y"]):
        with pytest.raises(UserError, match=r"-o (adapter|a)\.KEY=VALUE"):
            choices.extension_tables(names, ("adapter",))
