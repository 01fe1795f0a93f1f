"""The torch half of `fakes.toy_decoder`: two attentions and an MLP per layer, under the original names."""

from collections.abc import Mapping
from typing import Any


class ToyDecoder:
    """`Decoder` around a small transformer."""

    def __init__(self, layers: int, width: int, dtype: Any):
        self.module = _transformer(layers, width).to(dtype).requires_grad_(False)
        self._linears = {n: m for n, m in self.module.named_modules() if type(m).__name__ == "Linear"}

    def linears(self) -> Mapping[str, Any]:
        return self._linears

    def convolutions(self) -> Mapping[str, Any]:
        return {}

    def others(self) -> Mapping[str, tuple[Any, str]]:
        return {}

    def module_path(self, name: str) -> str:
        return name


def _transformer(layers: int, width: int) -> Any:
    from torch import nn

    class ToyTransformer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(_layer(width) for _ in range(layers))

        def forward(self, x: Any, condition: Any) -> Any:
            for layer in self.layers:
                x = x + _attend(layer["self_attn"], x, x)
                x = x + _attend(layer["cross_attn"], x, condition)
                x = x + _mlp(layer["mlp"], x)
            return x

    return ToyTransformer()


def _layer(width: int) -> Any:
    from torch import nn

    shapes = {
        "self_attn": {"q_proj": (1, 1), "k_proj": (1, 0.5), "v_proj": (1, 0.5), "o_proj": (1, 1)},
        "cross_attn": {"q_proj": (1, 1), "k_proj": (1, 0.5), "v_proj": (1, 0.5), "o_proj": (1, 1)},
        "mlp": {"gate_proj": (1, 2), "up_proj": (1, 2), "down_proj": (2, 1)},
    }
    return nn.ModuleDict(
        {
            block: nn.ModuleDict(
                {name: nn.Linear(int(i * width), int(o * width), bias=False) for name, (i, o) in linears.items()}
            )
            for block, linears in shapes.items()
        }
    )


def _attend(block: Any, x: Any, source: Any) -> Any:
    """Two query heads share one head of keys and values, as in the real model."""
    from torch.nn.functional import scaled_dot_product_attention

    q = block["q_proj"](x).unflatten(-1, (2, -1)).transpose(1, 2)
    k, v = (block[p](source)[:, None].expand(-1, 2, -1, -1) for p in ("k_proj", "v_proj"))
    return block["o_proj"](scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


def _mlp(block: Any, x: Any) -> Any:
    from torch.nn.functional import silu

    return block["down_proj"](silu(block["gate_proj"](x)) * block["up_proj"](x))
