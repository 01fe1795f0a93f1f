"""The contract of adapters, on a toy decoder with the original layer names."""

import json
from pathlib import Path
from typing import Any

import pytest

from acestep_core.errors import UserError
from acestep_core.export_settings import ExportSettings
from acestep_core.testing.contracts.base import PluginContract, refuses
from acestep_core.testing.fakes import toy_decoder


class AdapterContract(PluginContract):
    """Subclass with `plugin = YourAdapter`."""

    kind = "adapters"

    @pytest.fixture(params=["float32", "bfloat16"])
    def decoder(self, request: Any) -> Any:
        return toy_decoder(dtype=request.param)

    def test_it_starts_as_identity(self, made: Any, decoder: Any) -> None:
        import torch

        before = _look(decoder)
        made.attach(decoder)
        assert torch.equal(_look(decoder), before)

    def test_parameters_are_float32_train_and_are_the_only_ones(self, made: Any, decoder: Any) -> None:
        import torch

        attached = made.attach(decoder)
        assert attached.parameters
        assert all(p.dtype is torch.float32 and p.requires_grad for p in attached.parameters.values())
        own = {id(p) for p in attached.parameters.values()}
        assert not any(p.requires_grad for p in decoder.module.parameters() if id(p) not in own)

    def test_every_parameter_gets_a_gradient(self, made: Any, decoder: Any) -> None:
        attached = _moved(made.attach(decoder))
        _output(decoder).float().square().mean().backward()
        still = [n for n, p in attached.parameters.items() if p.grad is None or not p.grad.abs().sum() > 0]
        assert not still, f"no gradient reaches {still}"

    def test_only_linear_layers_of_the_decoder_are_changed(self, made: Any, decoder: Any) -> None:
        import torch

        weights = {n: m.weight.clone() for n, m in decoder.linears().items()}
        _moved(made.attach(decoder)).merge()
        changed = [n for n, m in decoder.linears().items() if not torch.equal(m.weight, weights[n])]
        assert changed

    def test_scale_0_is_the_base_and_scale_matters(self, made: Any, decoder: Any) -> None:
        import torch

        before = _look(decoder)
        attached = _moved(made.attach(decoder))
        assert attached.scale == 1.0
        full = _look(decoder)
        assert not torch.allclose(full, before, atol=1e-3)
        for scale, expected in ((0.0, before), (1.0, full)):
            attached.set_scale(scale)
            assert attached.scale == scale
            assert torch.equal(_look(decoder), expected)
        attached.set_scale(-0.5)
        assert not torch.allclose(_look(decoder), full, atol=1e-3)

    def test_detach_restores_the_base_exactly(self, made: Any, decoder: Any) -> None:
        import torch

        before, weights = _look(decoder), {k: v.clone() for k, v in decoder.module.state_dict().items()}
        _moved(made.attach(decoder)).detach()
        after = decoder.module.state_dict()
        assert torch.equal(_look(decoder), before)
        assert weights.keys() == after.keys() and all(torch.equal(weights[k], after[k]) for k in weights)

    def test_merge_is_what_was_heard(self, made: Any, decoder: Any) -> None:
        import torch

        keys = set(decoder.module.state_dict())
        attached = _moved(made.attach(decoder))
        attached.set_scale(0.5)
        heard = _look(decoder)
        attached.merge()
        tolerance = 1e-4 if heard.dtype is torch.float32 else 0.15
        assert torch.allclose(_look(decoder), heard, atol=tolerance)
        assert set(decoder.module.state_dict()) == keys

    def test_saved_and_read_again_it_sounds_the_same(self, made: Any, decoder: Any, tmp_path: Path) -> None:
        import torch

        attached = _moved(made.attach(decoder))
        heard = _look(decoder)
        attached.save(tmp_path / "a", {"base_variant": "toy"})
        attached.detach()
        again = self.plugin.from_files(tmp_path / "a").attach(decoder)
        again.load(tmp_path / "a")
        tolerance = 1e-4 if heard.dtype is torch.float32 else 0.15
        assert torch.allclose(_look(decoder), heard, atol=tolerance)

    def test_its_files_are_safetensors_and_it_knows_them(self, made: Any, decoder: Any, tmp_path: Path) -> None:
        made.attach(decoder).save(tmp_path / "a", {})
        names = {p.suffix for p in (tmp_path / "a").iterdir()}
        assert ".safetensors" in names and names <= {".safetensors", ".json", ".md"}
        assert self.plugin.recognises(tmp_path / "a")

    def test_what_it_says_about_its_files_is_json(self, made: Any, decoder: Any, tmp_path: Path) -> None:
        made.attach(decoder).save(tmp_path / "a", {"base_variant": "toy"})
        assert json.loads(json.dumps(self.plugin.describe(tmp_path / "a")))["kind"] == self.plugin.name

    def test_its_files_change_weights_as_merging_does(self, made: Any, decoder: Any, tmp_path: Path) -> None:
        import torch

        attached = _moved(made.attach(decoder))
        attached.save(tmp_path / "a", {})
        try:
            changes = self.plugin.changes(tmp_path / "a")
        except UserError:
            pytest.skip("it does not merge from files")
        before = {n: m.weight.float().clone() for n, m in decoder.linears().items()}
        attached.merge()
        after = {n: m.weight.float() for n, m in decoder.linears().items()}
        assert changes.keys() == {n for n in before if not torch.equal(before[n], after[n])}
        tolerance = 1e-5 if next(iter(decoder.linears().values())).weight.dtype is torch.float32 else 2e-2
        assert all(torch.allclose(change(before[n]), after[n], atol=tolerance) for n, change in changes.items())

    def test_what_it_cannot_export_is_told(self, made: Any, decoder: Any, tmp_path: Path) -> None:
        made.attach(decoder).save(tmp_path / "a", {})
        assert "surely_none" not in self.plugin.exports
        refuses(lambda: self.plugin.export(tmp_path / "a", "surely_none", tmp_path / "b", ExportSettings()))

    def test_what_it_exports_is_told_and_there(self, made: Any, decoder: Any, tmp_path: Path) -> None:
        made.attach(decoder).save(tmp_path / "a", {"trigger": "zxc"})
        for to in self.plugin.exports:
            try:
                told = self.plugin.export(tmp_path / "a", to, tmp_path / f"{to}.safetensors", ExportSettings())
            except UserError as e:
                assert e.hint, f"what to do instead of {to}?"
                continue
            assert told.notes and (tmp_path / f"{to}.safetensors").exists()

    def test_other_files_are_not_its_own(self, tmp_path: Path) -> None:
        (tmp_path / "text.safetensors").write_text("no tensors")
        (tmp_path / "adapter_config.json").write_text('{"peft_type": "SOMETHING_ELSE"}')
        assert not self.plugin.recognises(tmp_path)
        assert not self.plugin.recognises(tmp_path / "text.safetensors")
        assert not self.plugin.recognises(tmp_path / "gone")

    def test_two_of_a_kind_come_off_one_by_one(self, made: Any, decoder: Any) -> None:
        import torch

        before = _look(decoder)
        first = _moved(made.attach(decoder))
        one = _look(decoder)
        second = _moved(made.attach(decoder))
        assert not torch.allclose(_look(decoder), one, atol=1e-4)
        second.detach()
        assert torch.equal(_look(decoder), one)
        first.detach()
        assert torch.equal(_look(decoder), before)


def _output(decoder: Any) -> Any:
    import torch

    generator = torch.Generator().manual_seed(1)
    dtype = next(iter(decoder.linears().values())).weight.dtype
    width = next(iter(decoder.linears().values())).in_features
    x, condition = (torch.randn(2, n, width, generator=generator).to(dtype) for n in (11, 5))
    return decoder.module(x, condition)


def _look(decoder: Any) -> Any:
    return _output(decoder).detach()


def _moved(attached: Any) -> Any:
    """As after training: every parameter a little away from where it started."""
    import torch

    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in attached.parameters.values():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return attached
