"""Conformance: the suite for commands."""

from acestep_kohya.command import command

from acestep_core.testing.contracts import CommandContract


class TestKohya(CommandContract):
    plugin = command
