"""What every plugin must do, whatever its kind."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from acestep_core.api import KINDS
from acestep_core.errors import PluginError, UserError
from acestep_core.options import SECRET, options_of, parse_options, schema_of
from acestep_core.registry import registry

HEAVY = (
    "torch", "torchaudio", "numpy", "scipy", "transformers", "diffusers", "peft", "lycoris", "safetensors",
    "soundfile", "soxr", "mlx", "gradio", "faster_whisper", "ctranslate2",
)  # fmt: skip


class NamedContract:
    """Found by its name, through package metadata, and cheap to import."""

    kind: ClassVar[str]
    plugin: ClassVar[Any]
    installed: ClassVar[bool] = True
    """False for a single file that no package announces."""

    def test_is_found_by_its_name(self) -> None:
        if not self.installed:
            pytest.skip("not announced by a package")
        try:
            found = [k for k in registry().known(self.kind) if k.name == self.plugin.name]
            assert any(registry().load(self.kind, k.qualified) is self.plugin for k in found), (
                f"no installed entry point acestep_core.{self.kind} named '{self.plugin.name}' leads here; "
                "install the package (pip install -e .) after changing pyproject.toml"
            )
        except PluginError as e:
            pytest.fail(str(e))

    def test_importing_its_module_is_cheap(self) -> None:
        module = self._entry_module()
        code = f"import sys, {module}; print([m for m in {HEAVY!r} if m in sys.modules])"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == "[]", f"{module} imports {done.stdout.strip()}; import them inside methods"

    def _entry_module(self) -> str:
        for k in registry().known(self.kind):
            if self.installed and k.name == self.plugin.name:
                return k.source.partition(":")[0]
        return self.plugin.__module__


class PluginContract(NamedContract):
    """A class with options. Set `plugin`, and `options` if it needs some."""

    options: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture
    def made(self) -> Any:
        """The plugin with the options of this suite."""
        values, errors = parse_options(self.plugin, self.options, self.plugin.name)
        assert not errors, errors
        thing = self.plugin(**values)
        yield thing
        thing.close()

    def test_is_a_plugin_of_its_kind(self) -> None:
        assert issubclass(self.plugin, KINDS[self.kind])
        assert not self.plugin.__abstractmethods__, f"missing: {sorted(self.plugin.__abstractmethods__)}"

    def test_every_option_is_explained(self) -> None:
        unexplained = [o.name for o in options_of(self.plugin).values() if not o.help.strip()]
        assert not unexplained, f"options without help: {unexplained}"

    def test_defaults_pass_their_own_checks(self) -> None:
        defaults = {o.name: o.default for o in options_of(self.plugin).values() if not o.required}
        _, errors = parse_options(self.plugin, defaults | dict(self.options), self.plugin.name)
        assert not errors, errors

    def test_schema_is_json_and_names_every_option(self) -> None:
        schema = json.loads(json.dumps(schema_of(self.plugin)))
        assert list(schema["properties"]) == list(options_of(self.plugin))

    def test_an_unknown_option_is_refused(self) -> None:
        _, errors = parse_options(self.plugin, {"surely_no_option": 1}, self.plugin.name)
        assert any("surely_no_option" in e.problem for e in errors)

    def test_secrets_are_never_shown(self, made: Any) -> None:
        secrets = [o.name for o in options_of(self.plugin).values() if o.secret]
        told = dict.fromkeys(secrets, "s3cr3t-value")
        thing = self.plugin(**{**self._values(made), **told})
        assert "s3cr3t-value" not in repr(thing) + json.dumps(thing.options())
        assert all(thing.options()[name] == SECRET for name in secrets)
        thing.close()

    def test_options_do_not_change_once_made(self, made: Any) -> None:
        for name in options_of(self.plugin):
            with pytest.raises(AttributeError):
                setattr(made, name, getattr(made, name))

    def test_closing_twice_is_fine(self, made: Any) -> None:
        made.close()
        made.close()

    def _values(self, made: Any) -> dict[str, Any]:
        return {name: getattr(made, name) for name in options_of(self.plugin)}


def refuses(call: Any) -> None:
    """The call ends in a `UserError` with a sentence, not in a bug's traceback."""
    with pytest.raises(UserError) as caught:
        call()
    assert caught.value.problem.strip()
