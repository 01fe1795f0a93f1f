"""The contract of backends: parts with the right shapes, repeatable, each item by itself."""

from pathlib import Path
from typing import Any, ClassVar

import pytest

from acestep_core import UserError, prompts
from acestep_core.checkpoint import Checkpoint, open_checkpoint
from acestep_core.lm.requests import Codes, LmSettings, Metas, Plan
from acestep_core.lm.speaking import Asked, ask
from acestep_core.parts import CHANNELS, HOP, Look
from acestep_core.registry import registry
from acestep_core.testing.contracts.base import PluginContract, refuses

PARTS = {"text", "codec", "dit", "lm", "train"}


class BackendContract(PluginContract):
    """Subclass with `plugin = YourBackend`; parts it does not have are not asked for."""

    kind = "backends"
    maker: ClassVar[str] = "pt"
    """The backend that writes the tiny checkpoint the parts are read from."""

    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, tmp_path_factory: Any) -> Checkpoint:
        folder = tmp_path_factory.mktemp("checkpoint")
        registry().make("backends", cls.maker).write_tiny(folder, "base")
        return open_checkpoint(folder)

    @pytest.fixture
    def part(self, made: Any, checkpoint: Checkpoint) -> Any:
        """Loads a part, or skips the test if the backend does not have it."""

        def load(name: str) -> Any:
            if name not in made.parts:
                pytest.skip(f"has no {name} part")
            return made.load(name, checkpoint.part(name))

        return load

    def test_it_says_what_it_can_do(self, made: Any) -> None:
        assert made.parts and made.parts <= PARTS
        made.check()

    def test_an_unknown_part_is_refused(self, made: Any, checkpoint: Checkpoint) -> None:
        refuses(lambda: made.load("surely_no_part", checkpoint.part("dit")))

    def test_what_it_says_of_memory_can_be_planned_with(self, made: Any, checkpoint: Checkpoint) -> None:
        try:
            ways = list(made.savings(elsewhere=False))
        except UserError:
            pytest.skip("does not know what memory it needs")
        needs = []
        for way in ways:
            thrifty = type(made)(**way.options)
            parts = ("text", "codec", "dit", *["lm"] * ("lm" in made.parts))
            demands = [thrifty.demand(p, checkpoint.part(p), 10, 1) for p in parts]
            assert all(d.weights > 0 and d.work > 0 for d in demands)
            needs.append(max(d.weights + d.work for d in demands))
        assert needs[-1] <= needs[0]
        one, many = (made.demand("dit", checkpoint.part("dit"), 600, n) for n in (1, 4))
        assert one.weights == many.weights and one.work < many.work

    def test_an_empty_folder_is_refused(self, made: Any, tmp_path: Path) -> None:
        for name in made.parts & {"text", "codec", "dit"}:
            refuses(lambda name=name: made.load(name, tmp_path))

    def test_text_states_have_a_row_per_token(self, part: Any) -> None:
        text = part("text")
        for words in ("short", prompts.caption_text("歌 " * 50, prompts.metas_text(90, "4", "C major", 30))):
            assert text.count(words) == text.caption(words).shape[0] == text.lyrics(words).shape[0]
        assert text.caption("a").shape[1] == text.lyrics("a").shape[1]

    def test_codec_keeps_time(self, part: Any) -> None:
        import numpy as np

        codec = part("codec")
        wave = np.random.default_rng(0).standard_normal((2, 10 * HOP + 7)).astype(np.float32) * 0.1
        latents = codec.encode(wave, seed=3)
        assert latents.shape == (11, CHANNELS) and latents.dtype == np.float32
        assert np.array_equal(latents, codec.encode(wave, seed=3))
        assert not np.array_equal(latents, codec.encode(wave, seed=4))
        decoded = codec.decode(_native(latents))
        assert decoded.shape == (2, 11 * HOP)
        assert np.array_equal(np.concatenate(list(codec.pieces(_native(latents))), axis=1), decoded)

    def test_noise_is_the_same_on_every_machine(self, part: Any) -> None:
        import torch

        dit = part("dit")
        expected = torch.randn(20, CHANNELS, generator=torch.Generator().manual_seed(5)).numpy()
        assert (dit.numpy(dit.noise(5, 20)) == expected).all()

    def test_velocity_has_the_shape_of_x_and_heeds_its_inputs(self, part: Any) -> None:
        import numpy as np

        text, dit = part("text"), part("dit")
        states = [dit.condition(text.caption(c), text.lyrics("la")) for c in ("a waltz", "heavy metal")]
        x, context = dit.noise(1, 41), dit.text2music_context(41)
        looks = [
            dit.numpy(dit.velocity(x, t, s, context)) for s, t in ((states[0], 0.5), (states[1], 0.5), (states[0], 0.9))
        ]
        assert all(v.shape == (41, CHANNELS) and v.dtype == np.float32 and np.isfinite(v).all() for v in looks)
        assert len({v.tobytes() for v in looks}) == 3
        assert dit.null_condition(7).shape == (7, states[0].shape[1])

    def test_a_prepared_condition_says_the_same(self, part: Any) -> None:
        text, dit = part("text"), part("dit")
        condition = dit.condition(text.caption("a waltz"), text.lyrics("la"))
        x, context = dit.noise(1, 41), dit.text2music_context(41)
        plain, prepared = (dit.numpy(dit.velocity(x, 0.5, c, context)) for c in (condition, dit.prepared(condition)))
        assert abs(plain - prepared).max() <= 1e-5 * abs(plain).max()

    def test_items_that_share_a_pass_are_what_they_are_alone(self, part: Any) -> None:
        text, dit = part("text"), part("dit")
        looks = []
        for frames, t, words in ((41, 0.9, "a waltz"), (150, 0.5, "x"), (128, 0.1, "a much longer caption " * 9)):
            prepared = dit.prepared(dit.condition(text.caption(words), text.lyrics("la")))
            looks.append(Look(dit.noise(frames, frames), t, prepared, dit.text2music_context(frames)))
        for look, velocity in zip(looks, dit.velocities(looks), strict=True):
            alone = dit.numpy(dit.velocity(look.x, look.t, look.condition, look.context))
            assert abs(alone - dit.numpy(velocity)).max() <= 1e-5 * abs(alone).max()
        assert dit.at_once(150) >= 1

    def test_a_context_holds_source_and_mask(self, part: Any) -> None:
        import numpy as np

        dit = part("dit")
        latents, mask = dit.numpy(dit.noise(2, 30)), (np.arange(30) > 10)[:, None].astype(np.float32)
        context = dit.numpy(dit.context(latents, mask))
        assert context.shape == (30, 2 * CHANNELS) and np.allclose(context[:, :CHANNELS], latents, rtol=1e-2)
        assert np.array_equal(context[:, CHANNELS:], np.repeat(mask, CHANNELS, axis=1))
        silent = dit.numpy(dit.context(dit.silence_frames(30), np.ones((30, 1), np.float32)))
        assert np.array_equal(silent, dit.numpy(dit.text2music_context(30)))
        assert np.array_equal(dit.numpy(dit.array(latents)), latents)

    def test_attention_is_shared_out_among_the_condition(self, part: Any) -> None:
        import numpy as np

        text, dit = part("text"), part("dit")
        if not (hasattr(text, "spans") and hasattr(dit, "attention")):
            pytest.skip("does not show where the model looks")
        words = prompts.lyric_text("la la 雨", "en")
        spans = text.spans(words)
        assert len(spans) == text.count(words) and spans == sorted(spans) and spans[0][0] == 0
        condition = dit.condition(text.caption("a waltz"), text.lyrics(words))
        look = Look(dit.noise(1, 41), 0.5, dit.prepared(condition), dit.text2music_context(41))
        whole, some = (dit.attention(look, {0: [0, 1], 2: [3]}, n) for n in (len(condition), len(spans)))
        assert whole.dtype == np.float32 and np.allclose(whole.sum(axis=1), 1, atol=1e-3)
        assert some.shape == (3, len(spans), 21) and np.array_equal(some, whole[:, : len(spans)])

    def test_audio_codes_are_five_frames_each(self, part: Any) -> None:
        dit = part("dit")
        latents = dit.noise(3, 33)
        codes = dit.codes(latents)
        assert len(codes) == 7 and all(0 <= c < 64_000 for c in codes)
        assert dit.numpy(dit.from_codes(codes)).shape == (35, CHANNELS)
        assert (dit.numpy(dit.hints(latents)) == dit.numpy(dit.from_codes(codes))[:33]).all()

    def test_the_decoder_shows_its_layers_under_original_names(self, part: Any) -> None:
        dit = part("dit")
        names = set(dit.decoder.linears())
        wanted = {f"layers.0.{a}_attn.{p}_proj" for a in ("self", "cross") for p in "qkvo"}
        assert wanted | {"layers.0.mlp.gate_proj", "layers.0.mlp.up_proj", "layers.0.mlp.down_proj"} <= names

    def test_the_language_model_keeps_to_its_grammar(self, part: Any) -> None:
        """Exactly as many codes as asked for, drawn by the seed, and each request as it would be alone."""
        lm = part("lm")
        plan = Plan("bells", "la", Metas(bpm=90), skip=frozenset({"genres", "caption"}))
        asked = [Asked(Codes("bells", "la", Metas(duration_s=10), count=n), seed) for n, seed in ((12, 1), (9, 2))]
        asked.append(Asked(plan, 3))
        settings = LmSettings(cfg=1)
        said = ask(lm, asked, settings)
        assert [len(a.codes) for a in said] == [12, 9, 0] and all(0 <= c < 64_000 for a in said for c in a.codes)
        assert said[2].metas.bpm == 90 and said[2].metas.keyscale and not said[2].metas.problems()
        assert said == [ask(lm, [one], settings)[0] for one in asked]
        assert ask(lm, [Asked(asked[0].request, 7)], settings)[0].codes != said[0].codes

    def test_the_language_model_guides_or_says_that_it_cannot(self, part: Any) -> None:
        lm = part("lm")
        asked = [Asked(Codes("bells", "la", Metas(duration_s=10), count=12), 1)]
        if getattr(lm, "guides", True):
            assert ask(lm, asked, LmSettings(cfg=3))[0].codes != ask(lm, asked, LmSettings(cfg=1))[0].codes
        else:
            refuses(lambda: ask(lm, asked, LmSettings(cfg=3)))


def _native(latents: Any) -> Any:
    """Latents between parts are the backend's own arrays; torch's are taken by every bundled one."""
    import torch

    return torch.from_numpy(latents)
