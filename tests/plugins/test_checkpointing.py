"""Which layers are computed twice."""

import pytest

from acestep_plugins.backends.pt.checkpointing import checkpointing, chosen


@pytest.mark.parametrize(
    ("share", "layers"),
    [(0.0, []), (0.25, [3, 7]), (0.5, [1, 3, 5, 7]), (0.75, [1, 2, 3, 5, 6, 7]), (1.0, list(range(8)))],
)
def test_a_share_of_the_layers_is_chosen_evenly(share, layers):
    assert chosen(8, share) == layers


def test_the_layers_chosen_run_twice_and_the_others_once(encoded):
    import torch

    decoder, runs = encoded.model.dit.decoder.module, []
    handles = [m.register_forward_pre_hook(lambda *_, i=i: runs.append(i)) for i, m in enumerate(decoder.layers)]
    x = torch.randn(1, 128, 64, requires_grad=True)
    context, condition = encoded.model.dit.text2music_context(128)[None], encoded.model.dit.null_condition(3)[None]
    try:
        with checkpointing(decoder, 0.5):
            decoder(x, torch.ones(1), torch.ones(1), condition, context)[0].sum().backward()
    finally:
        for handle in handles:
            handle.remove()
    assert sorted(runs) == [0, 1, 1, 2, 3, 3] and not decoder.gradient_checkpointing
