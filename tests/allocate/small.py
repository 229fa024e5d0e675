"""Tiny models and made-up profiles for the tests of budgets."""

from __future__ import annotations

from typing import Any

import torch
import transformers as hf
from torch import Tensor, nn
from torch.nn import functional as F

from regard.allocate.fingerprint import Fingerprint
from regard.allocate.profiled import HEADS, POINTS, SIGHTS, Layer, Profile
from regard.allocate.running import Running
from regard.spec import MinMaxBlocks, WindowSinks

WORDS = 30


def llama(seed: int = 0, **more: Any) -> Any:
    """2 layers, 4 query heads on 2 key heads of 8, random weights that attend sharply."""
    torch.manual_seed(seed)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    sizes |= {"intermediate_size": 48, "vocab_size": WORDS, "max_position_embeddings": 256} | more
    model = hf.LlamaForCausalLM(hf.LlamaConfig(**sizes)).eval()
    with torch.no_grad():
        for name, part in model.named_parameters():
            if "q_proj" in name or "k_proj" in name:
                part.mul_(12)  # as drawn, every query looks at all keys alike
            elif part.dim() > 1:
                part.mul_(4)
    return model


def text(length: int, seed: int = 0) -> Tensor:
    """(1, length) token ids."""
    return torch.randint(WORDS, (1, length), generator=torch.Generator().manual_seed(seed))


class Looker(nn.Module):
    """A plain model: (batch, length, 8) numbers in and out, two heads, causal; no configuration, no cache."""

    def __init__(self, *, causal: bool = True) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.qkv, self.out, self.causal = nn.Linear(8, 24), nn.Linear(8, 8), causal
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (self.qkv(x) * 2).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4).unbind(0)
        made = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return x + self.out(made.transpose(1, 2).flatten(2))


def numbers(length: int, seed: int = 0, batch: int = 1) -> Tensor:
    return torch.randn(batch, length, 8, generator=torch.Generator().manual_seed(seed))


MADE_FOR = Fingerprint("Made", 3, "shapes", "", "weights")
POLICIES = (WindowSinks(), MinMaxBlocks(4))
FRACTIONS = (0.1, 0.5)


def layer(
    squares: Any, *, full: float = 100.0, weight: float = 1.0, shares: Any = None, heads: int | None = None
) -> Layer:
    """A layer of made-up figures. squares: (kv_heads, policies, fractions) mean squared errors, which cost
    `weight` times as much."""
    square = torch.tensor(squares, dtype=torch.float64)
    kv_heads = square.shape[0]
    share = torch.tensor(FRACTIONS if shares is None else shares, dtype=torch.float64).expand_as(square)
    figures = dict.fromkeys(SIGHTS, torch.full((heads or kv_heads,), 0.5, dtype=torch.float64))
    figures |= {"full": torch.full((kv_heads,), full), "weight": torch.full((kv_heads,), weight)}
    figures |= {"share": share, "error": square.sqrt(), "square": square, "cost": weight * square}
    assert set(figures) == {*SIGHTS, *HEADS, *POINTS}
    return Layer({name: Running.of(value) for name, value in figures.items()})


def made_up(**layers: Layer) -> Profile:
    """A profile of one sample."""
    empty = Profile(MADE_FOR, POLICIES, FRACTIONS, 4)
    return empty.further("first", "nats a token", layers, {})
