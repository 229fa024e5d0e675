"""One pre-norm encoder in four libraries, with the same weights, and as a formula in float64.

x + attention(norm(x)), then x + W_2 GELU(W_1 norm(x)), a last norm (Xiong et al. 2020). Offsets begin at 0 everywhere,
for x-transformers has none in its attention and its norms. Where a library drops in training is its own: all of them
drop attention weights and inside the feed-forward layer; all but x-transformers drop what each half adds too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm, softmax

import regard
from benchmarks.harness import Results
from regard.nn import Encoder

OURS, TORCH, XTRANSFORMERS, KERAS = "regard.nn.Encoder", "nn.TransformerEncoder", "x-transformers", "Keras (torch)"
PARTS = ("query", "key", "value", "output", "widen", "narrow")


@dataclass(frozen=True, kw_only=True)
class Size:
    """Of the encoder."""

    dim: int
    heads: int
    layers: int = 2
    dropout: float = 0.0

    @property
    def hidden(self) -> int:
        return 4 * self.dim


@dataclass(frozen=True)
class Built:
    """A library's encoder. `forward` takes x (batch, len, dim) and lengths (batch,); `gradients` are of the weights of
    the first and last block, as `gradients_of` lays them out; `training` switches dropout on and off."""

    forward: Callable[[Tensor, Tensor], Tensor]
    parameters: list[nn.Parameter]
    gradients: Callable[[], Results]
    training: Callable[[bool], Any]


def weights_of(size: Size) -> list[dict[str, Tensor]]:
    """One dict a block: (out, in) matrices by name."""
    source = torch.Generator().manual_seed(size.dim)
    shapes = dict.fromkeys(PARTS[:4], (size.dim, size.dim)) | {
        "widen": (size.hidden, size.dim),
        "narrow": (size.dim, size.hidden),
    }
    return [
        {name: torch.randn(shape, generator=source) * shape[1] ** -0.5 for name, shape in shapes.items()}
        for _ in range(size.layers)
    ]


def real(x: Tensor, lengths: Tensor) -> Tensor:
    """(batch, len) bool, True on tokens."""
    return torch.arange(x.shape[1]) < lengths[:, None]


def formula(size: Size, blocks: list[dict[str, Tensor]], x: Tensor, lengths: Tensor) -> Tensor:
    """The encoder in the dtype of its weights; shares nothing with any library but torch's plain operations."""
    shape = (*x.shape[:2], size.heads, size.dim // size.heads)
    hidden = ~real(x, lengths)[:, None, None]
    for block in blocks:
        normed = layer_norm(x, (size.dim,))
        query, key, value = ((normed @ block[name].mT).view(shape).transpose(1, 2) for name in PARTS[:3])
        scores = (query @ key.mT * shape[3] ** -0.5).masked_fill(hidden, -torch.inf)
        x = x + (softmax(scores, -1) @ value).transpose(1, 2).flatten(2) @ block["output"].mT
        x = x + gelu(layer_norm(x, (size.dim,)) @ block["widen"].mT) @ block["narrow"].mT
    return layer_norm(x, (size.dim,))


def gradients_of(first: Iterable[Tensor | None], last: Iterable[Tensor | None]) -> Results:
    """The gate's gradients: of query, key and value of the first block, and of the last block's feed-forward."""
    return tuple(t for t in (*first, *last) if t is not None)


def built(name: str, size: Size) -> Built:
    with torch.random.fork_rng():  # what a library draws for its first weights, which are replaced, shifts no other's
        return BUILDERS[name](size, weights_of(size))


def available() -> list[str]:
    """The libraries that are installed."""
    needed = {XTRANSFORMERS: "x_transformers", KERAS: "keras"}
    return [name for name in BUILDERS if name not in needed or find_spec(needed[name])]


@torch.no_grad()
def _ours(size: Size, weights: list[dict[str, Tensor]]) -> Built:
    made = Encoder(size.dim, size.heads, layers=size.layers, hidden=size.hidden, dropout=size.dropout)
    linear = [
        (*(getattr(b.attention, name) for name in PARTS[:4]), b.feed_forward.widen, b.feed_forward.narrow)
        for b in made.blocks
    ]
    for parts, block in zip(linear, weights, strict=True):
        for part, name in zip(parts, PARTS, strict=True):
            part.weight.copy_(block[name])
            part.bias.zero_()
    return Built(
        lambda x, lengths: made(x, mask=regard.Padding(lengths)),
        list(made.parameters()),
        lambda: gradients_of((p.weight.grad for p in linear[0][:3]), (p.weight.grad for p in linear[-1][4:])),
        made.train,
    )


@torch.no_grad()
def _torch(size: Size, weights: list[dict[str, Tensor]]) -> Built:
    layer = nn.TransformerEncoderLayer(
        *(size.dim, size.heads, size.hidden, size.dropout), activation="gelu", batch_first=True, norm_first=True
    )
    made = nn.TransformerEncoder(layer, size.layers, nn.LayerNorm(size.dim), enable_nested_tensor=False)
    for each, block in zip(made.layers, weights, strict=True):
        each.self_attn.in_proj_weight.copy_(torch.cat([block[name] for name in PARTS[:3]]))
        for part, name in zip((each.self_attn.out_proj, each.linear1, each.linear2), PARTS[3:], strict=True):
            part.weight.copy_(block[name])
            part.bias.zero_()
    first, last = made.layers[0].self_attn, made.layers[-1]
    return Built(
        lambda x, lengths: made(x, src_key_padding_mask=~real(x, lengths)),
        list(made.parameters()),
        lambda: gradients_of(first.in_proj_weight.grad.chunk(3), (last.linear1.weight.grad, last.linear2.weight.grad)),
        made.train,
    )


@torch.no_grad()
def _x_transformers(size: Size, weights: list[dict[str, Tensor]]) -> Built:
    from x_transformers import Encoder as XEncoder

    made = XEncoder(
        dim=size.dim,
        depth=size.layers,
        heads=size.heads,
        attn_dim_head=size.dim // size.heads,
        ff_mult=size.hidden // size.dim,
        attn_flash=True,
        attn_dropout=size.dropout,
        ff_dropout=size.dropout,
    )
    halves = [(made.layers[2 * i][1], made.layers[2 * i + 1][1].ff) for i in range(size.layers)]
    linear = [(a.to_q, a.to_k, a.to_v, a.to_out, ff[0][0], ff[2]) for a, ff in halves]
    for parts, block in zip(linear, weights, strict=True):
        for part, name in zip(parts, PARTS, strict=True):
            part.weight.copy_(block[name])
            if part.bias is not None:
                part.bias.zero_()
    return Built(
        lambda x, lengths: made(x, mask=real(x, lengths)),
        list(made.parameters()),
        lambda: gradients_of((p.weight.grad for p in linear[0][:3]), (p.weight.grad for p in linear[-1][4:])),
        made.train,
    )


@torch.no_grad()
def _keras(size: Size, weights: list[dict[str, Tensor]]) -> Built:
    os.environ["KERAS_BACKEND"] = "torch"
    from keras import device, layers

    with device("cpu"):
        blocks = [_keras_block(size, layers) for _ in weights]
        norm = layers.LayerNormalization(epsilon=1e-5)
        state = {"training": False}

        def forward(x: Tensor, lengths: Tensor) -> Tensor:
            mask, training = real(x, lengths)[:, None], state["training"]
            for first, attention, second, widen, inner, narrow, added in blocks:
                normed = first(x)
                x = x + added(attention(normed, normed, attention_mask=mask, training=training), training=training)
                out = narrow(inner(widen(second(x)), training=training))
                x = x + added(out, training=training)
            return norm(x)

        forward(torch.zeros(1, 1, size.dim), torch.ones(1, dtype=torch.int64))  # Keras makes its weights now
    for (_, attention, _, widen, _, narrow, _), block in zip(blocks, weights, strict=True):
        for name in PARTS[:4]:  # theirs are (in, heads, size), and (heads, size, out) at the end
            kernel = _kernel(attention, name)
            kernel.copy_(block[name].mT.reshape(kernel.shape))
        for dense, name in ((widen, "widen"), (narrow, "narrow")):
            dense.kernel.value.copy_(block[name].mT)
    everything = [*(part for block in blocks for part in block), norm]

    def gradients() -> Results:
        first = (_kernel(blocks[0][1], name).grad.flatten(1).mT for name in PARTS[:3])
        return gradients_of(first, (part.kernel.value.grad.mT for part in (blocks[-1][3], blocks[-1][5])))

    return Built(
        forward,
        [variable.value for part in everything for variable in part.trainable_variables],
        gradients,
        lambda on: state.update(training=on),
    )


def _keras_block(size: Size, layers: Any) -> tuple[Any, ...]:
    """(norm, attention, norm, widen, dropout inside, narrow, dropout of what is added)"""
    attention = layers.MultiHeadAttention(size.heads, size.dim // size.heads, dropout=size.dropout)
    widen, narrow = layers.Dense(size.hidden, activation="gelu"), layers.Dense(size.dim)
    norms = [layers.LayerNormalization(epsilon=1e-5) for _ in range(2)]
    return norms[0], attention, norms[1], widen, layers.Dropout(size.dropout), narrow, layers.Dropout(size.dropout)


def _kernel(attention: Any, name: str) -> Tensor:
    return getattr(attention, f"{name}_dense")._kernel.value


BUILDERS: dict[str, Callable[[Size, list[dict[str, Tensor]]], Built]] = {
    OURS: _ours,
    TORCH: _torch,
    XTRANSFORMERS: _x_transformers,
    KERAS: _keras,
}
