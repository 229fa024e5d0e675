"""A spec as the two functions that torch's FlexAttention is told by: one row a class, so that a new mask is a new row.

A `mask_mod(batch, head, query, key)` says whether one query may attend to one key; a `score_mod(score, batch, head,
query, key)` gives the score that goes into the softmax. The indices are 0-dim int32 tensors, query and key counted
from 0: a query's position is `query + start`, where `start` is a tensor too, because it changes with every step of
decoding and a number in a compiled function is compiled in. Numbers that belong to a model (a window's size) stay so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import torch
from torch import Tensor

from regard.spec.bias import ALiBi, Bias, RelativeBias, TensorBias
from regard.spec.curve import Curve
from regard.spec.mask import Both, Either, Mask, Not
from regard.spec.membership import Dense, Documents
from regard.spec.padding import Padding
from regard.spec.place import Place
from regard.spec.positional import Causal, Dilated, Grid2D, Prefix, Sinks, Window
from regard.spec.request import Request
from regard.spec.value import Value

MaskMod = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]  # batch, head, query, key -> bool
ScoreMod = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]  # score, batch, head, query, key -> float


@dataclass(frozen=True)
class Ground:
    """What a mod may close over beside its own numbers: the call's place, and where its queries start."""

    place: Place
    start: Tensor  # () int32, on the call's device

    @classmethod
    def of(cls, place: Place) -> Ground:
        return cls(place, torch.tensor(place.query_start, dtype=torch.int32, device=place.device))

    def moved(self, tensor: Tensor) -> Tensor:
        return tensor.detach().to(self.place.device)


def mask_mod(mask: Mask, ground: Ground) -> MaskMod:
    """The mask as FlexAttention takes it. Raises `KeyError` for a class that no row of `MASKS` is for."""
    return MASKS[type(mask)](mask, ground)


def score_mod(curve: Curve, biases: tuple[Bias, ...], ground: Ground) -> ScoreMod | None:
    """curve(score) + biases, in the score's dtype (float32 for half inputs); None where there is nothing to do."""
    added = [BIASES[type(bias)](bias, ground) for bias in biases]
    if curve.straight and not added:
        return None

    def mod(score: Tensor, b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        total = curve.apply(score)
        for bias in added:
            number = bias(b, h, q, k).to(score.dtype)
            # -inf forbids its key, as a mask does, even where the score is NaN
            total = torch.where(number == -torch.inf, -torch.inf, total + number)
        return total

    return mod


def flat(mod: ScoreMod) -> ScoreMod:
    """`mod` with 0 for every score that is not -inf: which keys a query may attend to, and no more."""

    def flattened(score: Tensor, b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return torch.where(mod(score, b, h, q, k) == -torch.inf, -torch.inf, torch.zeros_like(score))

    return flattened


def structure(part: Any) -> Any:
    """What is compiled in of a spec value: its class and plain numbers; of a tensor its dtype and which axes are 1."""
    if isinstance(part, Tensor):
        return part.dtype, tuple(size == 1 for size in part.shape)
    if isinstance(part, Value):
        return type(part), *(structure(getattr(part, f.name)) for f in fields(part))  # type: ignore[arg-type]
    return part


def convertible(request: Request) -> str | None:
    """Why this request's mask or biases have no row here, in words; None where all have."""
    missing = [type(bias).__name__ for bias in request.biases if type(bias) not in BIASES]
    missing += [] if request.mask is None else _missing(request.mask)
    return f"has no mask_mod or score_mod for {', '.join(missing)}" if missing else None


def _missing(mask: Mask) -> list[str]:
    if type(mask) not in MASKS:
        return [type(mask).__name__]
    inner = (getattr(mask, f.name) for f in fields(mask))  # type: ignore[arg-type]
    return [name for part in inner if isinstance(part, Mask) for name in _missing(part)]


# --- masks


def _causal(mask: Causal, ground: Ground) -> MaskMod:
    start = ground.start
    return lambda b, h, q, k: k <= q + start


def _window(mask: Window, ground: Ground) -> MaskMod:
    start, before, after = ground.start, mask.before, mask.after
    return lambda b, h, q, k: (k - q - start >= -before) & (k - q - start <= after)


def _sinks(mask: Sinks, ground: Ground) -> MaskMod:
    start, n = ground.start, mask.n
    return lambda b, h, q, k: (k < n) & (k <= q + start)


def _prefix(mask: Prefix, ground: Ground) -> MaskMod:
    n = mask.n
    return lambda b, h, q, k: k < n


def _dilated(mask: Dilated, ground: Ground) -> MaskMod:
    start, before, after, step = ground.start, mask.before, mask.after, mask.step

    def mod(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        offset = k - q - start
        return (offset >= -before) & (offset <= after) & (offset % step == 0)

    return mod


def _grid(mask: Grid2D, ground: Ground) -> MaskMod:
    start, width, reach = ground.start, mask.width, mask.reach

    def mod(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        spot = q + start
        down = (spot // width - k // width).abs() <= reach
        return down & ((spot % width - k % width).abs() <= reach)

    return mod


def _padding(mask: Padding, ground: Ground) -> MaskMod:
    keys = ground.moved(mask.key_lengths)
    if mask.query_lengths is None:
        return lambda b, h, q, k: k < keys[b]
    queries = ground.moved(mask.query_lengths)
    return lambda b, h, q, k: (k < keys[b]) & (q < queries[b])


def _documents(mask: Documents, ground: Ground) -> MaskMod:
    queries = _indexed(ground.moved(mask.query_ids))
    keys = _indexed(ground.moved(mask.query_ids if mask.key_ids is None else mask.key_ids))
    return lambda b, h, q, k: queries(b, q) == keys(b, k)


def _dense(mask: Dense, ground: Ground) -> MaskMod:
    allowed = _indexed(ground.moved(mask.allowed))
    if mask.allowed.dim() == 2:
        return lambda b, h, q, k: allowed(q, k)
    return lambda b, h, q, k: allowed(b, h, q, k)  # torch counts a mod's arguments


def _both(mask: Both, ground: Ground) -> MaskMod:
    left, right = mask_mod(mask.left, ground), mask_mod(mask.right, ground)
    return lambda b, h, q, k: left(b, h, q, k) & right(b, h, q, k)


def _either(mask: Either, ground: Ground) -> MaskMod:
    left, right = mask_mod(mask.left, ground), mask_mod(mask.right, ground)
    return lambda b, h, q, k: left(b, h, q, k) | right(b, h, q, k)


def _not(mask: Not, ground: Ground) -> MaskMod:
    inner = mask_mod(mask.inner, ground)
    return lambda b, h, q, k: ~inner(b, h, q, k)


MASKS: dict[type[Mask], Callable[[Any, Ground], MaskMod]] = {
    Causal: _causal,
    Window: _window,
    Sinks: _sinks,
    Prefix: _prefix,
    Dilated: _dilated,
    Grid2D: _grid,
    Padding: _padding,
    Documents: _documents,
    Dense: _dense,
    Both: _both,
    Either: _either,
    Not: _not,
}


# --- biases


def _tensor(bias: TensorBias, ground: Ground) -> MaskMod:
    values = _indexed(ground.moved(bias.values))
    if bias.values.dim() == 2:
        return lambda b, h, q, k: values(q, k)
    return lambda b, h, q, k: values(b, h, q, k)


def _alibi(bias: ALiBi, ground: Ground) -> MaskMod:
    # in float32 at least: bfloat16 cannot tell the distances 256 and 257 apart
    slopes = ground.moved(bias.slopes).to(torch.promote_types(bias.slopes.dtype, torch.float32))
    start = ground.start
    return lambda b, h, q, k: slopes[h] * -(k - q - start).abs().to(slopes.dtype)


def _relative(bias: RelativeBias, ground: Ground) -> MaskMod:
    table, start, reach = ground.moved(bias.table), ground.start, bias.table.shape[1] // 2
    return lambda b, h, q, k: table[h, (k - q - start).clamp(-reach, reach) + reach]


BIASES: dict[type[Bias], Callable[[Any, Ground], MaskMod]] = {
    TensorBias: _tensor,
    ALiBi: _alibi,
    RelativeBias: _relative,
}


def _indexed(tensor: Tensor) -> Callable[..., Tensor]:
    """`tensor[indices]`, where an axis of size 1 stands for any index of it.

    Such axes are taken out beforehand; an axis that is left keeps its own index. A (length,) tensor of ids asked with
    (batch, place) is one for every batch item.
    """
    kept = tuple(axis - tensor.dim() for axis, size in enumerate(tensor.shape) if size != 1)
    return partial(_look_up, tensor.reshape([tensor.shape[axis] for axis in kept]), kept)


def _look_up(tensor: Tensor, kept: tuple[int, ...], *indices: Tensor) -> Tensor:
    return tensor[tuple(indices[axis] for axis in kept)] if kept else tensor
