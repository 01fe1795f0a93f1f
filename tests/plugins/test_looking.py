"""Where the transformer's heads look: against what its own attention makes of the values, and no layer too many."""

import pytest
import torch

from acestep_core import UserError, load_backend, prompts
from acestep_core.alignment.listening import heads_of
from acestep_core.parts import Look

LYRICS = prompts.lyric_text("[Verse]\nla la\n雨", "en")


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def model(request, tiny):
    return load_backend("pt", model=tiny, device="cpu", dtype=request.param)


@pytest.fixture(scope="module")
def look(model):
    condition = model.dit.condition(model.text.caption("a waltz"), model.text.lyrics(LYRICS))
    return Look(model.dit.noise(1, 131), 0.3, model.dit.prepared(condition), model.dit.text2music_context(131))


def test_weights_make_what_the_attention_makes(model, look):
    """Weights times values are what goes into the output projection in an ordinary step."""
    transformer, heard = model.dit.decoder.module, {}
    hooks = [
        layer.cross_attn.to_out[0].register_forward_pre_hook(lambda _, args, i=i: heard.update({i: args[0][0].float()}))
        for i, layer in enumerate(transformer.layers)
    ]
    model.dit.velocity(look.x, look.t, look.condition, look.context)
    for hook in hooks:
        hook.remove()
    length = look.condition.keys[0].key.shape[2]
    heads = {0: (1, 6), 2: (3,)}
    weights = torch.from_numpy(model.dit.attention(look, heads, length))
    assert weights.shape == (3, length, 66) and weights.sum(1).allclose(torch.ones(3, 66), atol=1e-3)
    tolerance = 1e-4 if model.dit.dtype_name == "float32" else 3e-2
    for found, (layer, head) in zip(weights, ((0, 1), (0, 6), (2, 3)), strict=True):
        value = look.condition.keys[layer].value[0, head // 2].float()  # two query heads share a key head
        assert (found.T @ value).allclose(heard[layer][:, head * 16 : (head + 1) * 16], atol=tolerance)


def test_no_layer_behind_the_last_is_computed_and_nothing_stays(model, look):
    ran = []
    layers = model.dit.decoder.module.layers
    hooks = [layer.mlp.register_forward_hook(lambda *_, i=i: ran.append(i)) for i, layer in enumerate(layers)]
    some = model.dit.attention(look, {1: (0,)}, 5)
    for hook in hooks:
        hook.remove()
    assert ran == [0, 1] and some.shape == (1, 5, 66)
    assert not any(layer.cross_attn._forward_pre_hooks for layer in layers)


def test_text_says_where_its_tokens_are(model):
    spans = model.text.spans(LYRICS)
    assert len(spans) == model.text.count(LYRICS)
    assert all(0 <= a <= b <= len(LYRICS) for a, b in spans)
    assert "".join(LYRICS[a:b] for a, b in spans if LYRICS[a:b].isascii()).startswith("# Languages\nen\n\n# Lyric\n")


@pytest.mark.parametrize(
    ("asked", "found"),
    [("", {0: (2,), 1: (3, 5), 2: (1,)}), ("3:0+7, 1:2", {1: (2,), 3: (0, 7)}),
     ("all", {layer: tuple(range(8)) for layer in range(4)})],
)  # fmt: skip
def test_heads_are_those_asked_for_or_the_configs(model, asked, found):
    assert heads_of(model.info, asked) == found


@pytest.mark.parametrize(("asked", "problem"), [("4:0", "no head 4:0"), ("0:8", "no head 0:8"), ("x", "'x' is no")])
def test_heads_that_are_not_there(model, asked, problem):
    with pytest.raises(UserError, match=problem):
        heads_of(model.info, asked)


def test_released_models_have_theirs_and_others_must_say(model):
    from dataclasses import replace

    plain = {k: v for k, v in model.info.config.items() if k != "lyric_alignment_layers_config"}
    with pytest.raises(UserError, match="does not say which heads"):
        heads_of(replace(model.info, config=plain))
    released = replace(model.info, config=plain | {"num_hidden_layers": 24, "num_attention_heads": 16})
    assert heads_of(released) == {2: (6,), 3: (10, 11), 4: (3,), 5: (8, 9), 6: (8,)}


def test_the_lyrics_are_the_first_of_the_condition(model):
    """Row i of an attention map is token i of the lyric text: the condition begins with the lyric encoder's states."""
    text, dit = model.text, model.dit
    states = text.lyrics(LYRICS)
    ones = torch.ones(1, len(states), dtype=torch.bool)
    with torch.inference_mode():
        alone = dit.encoder.lyric_encoder(inputs_embeds=states[None], attention_mask=ones)
    alone = (alone.last_hidden_state if hasattr(alone, "last_hidden_state") else alone)[0]
    assert dit.condition(text.caption("a waltz"), states)[: len(states)].equal(alone)
