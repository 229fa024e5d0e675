"""Deliberate faults, one table a kernel: each is one small change of the kind people make, put in by monkeypatching."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from regard.kernels import additive, dense, exact, guard, online, reference, streaming
from regard.spec import Causal, TensorBias
from regard.spec.curve import Curve

Patch = Callable[[pytest.MonkeyPatch], None]


def around(owner: object, name: str, change: Callable[..., Any]) -> Patch:
    """Replace `owner.name`, a function or a method, by `change(original, *arguments)`."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        original = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *args, **more: change(original, *args, **more))

    return patch


class Changed:
    """A module in which some names mean something else."""

    def __init__(self, module: object, **names: object) -> None:
        self.__dict__.update(names)
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def within(owner: object, name: str, **names: object) -> Patch:
    """Let `owner` see other functions in the module that it calls `name`."""
    return lambda monkeypatch: monkeypatch.setattr(owner, name, Changed(getattr(owner, name), **names))


# --- online softmax (streaming and additive)


def no_mask(original: Any, *args: Any) -> Any:
    return (replace(tile, mixed=False) for tile in original(*args))


def no_last_tile(original: Any, *args: Any) -> Any:
    return list(original(*args))[:-1]


def no_mixed_tile(original: Any, *args: Any) -> Any:
    return (tile for tile in original(*args) if not tile.mixed)


def one_position_off(original: Any, setting: Any, *args: Any, **more: Any) -> Any:
    place = replace(setting.place, query_start=setting.place.query_start + 1)
    return original(replace(setting, place=place), *args, **more)


def no_delta(original: Any, setting: Any, rows: Any, inputs: Any, outer: Any, sums: Any) -> Any:
    lse, delta, grad = outer
    return original(setting, rows, inputs, (lse, torch.zeros_like(delta), grad), sums)


def only_the_last_rows(original: Any, setting: Any, rows: range, *rest: Any) -> Any:
    return original(setting, rows, *rest) if rows.stop == setting.place.query_len else None


def value_off(original: Any, *args: Any) -> None:
    original(*args)
    args[-1].value.mul_(1.01)


def fresh_pattern(original: Any, setting: Any, *rest: Any) -> Tensor:
    return original(replace(setting, seed=int(torch.randint(1 << 40, ()))), *rest)


def ungrouped(original: Any, tile: Tensor, shared: int) -> Tensor:
    """Query heads h, h + kv_heads, ... share a key head: the other way of counting."""
    order = torch.arange(tile.shape[1]).view(shared, -1).mT.flatten()
    return original(tile[:, order], shared)


def uncleaned(original: Any, value: Tensor) -> Any:
    clean = original(value)
    clean.value, clean.broken = value, None
    return clean


def no_sink(original: Any, output: Tensor, lse: Tensor, sink: object) -> Any:
    return output, lse


def sink_in_the_lse_alone(original: Any, output: Tensor, lse: Tensor, sink: object) -> Any:
    return output, original(output, lse, sink)[1]


ONLINE: dict[str, Patch] = {
    "mask ignored": around(online, "tiles", no_mask),
    "mask off by one": around(online, "tile_scores", one_position_off),
    "last tile skipped": around(online, "tiles", no_last_tile),
    "mixed tiles taken for empty": around(online, "tiles", no_mixed_tile),
    "no rescaling by the new maximum": within(online, "torch", exp=torch.ones_like),
    "no running maximum": within(online, "torch", maximum=lambda a, b: b),
    "the softmax's row term forgotten": around(online, "_backward_rows", no_delta),
    "gradient of the last rows alone": around(online, "_backward_rows", only_the_last_rows),
    "gradient of the value 1 % off": around(online, "_backward_rows", value_off),
    "gradient of the bias dropped": around(online, "add_bias_gradients", lambda *_: None),
    "bias dropped": around(online, "tile_scores", lambda f, s, *a, **m: f(replace(s, biases=()), *a, **m)),
    "another dropout pattern in each pass": around(online, "_kept", fresh_pattern),
    "sink ignored": around(streaming, "with_sink", no_sink),
    "sink in the lse alone": around(streaming, "with_sink", sink_in_the_lse_alone),
    "non-finite values left in": around(online, "_Clean", uncleaned),
}


# --- streaming


def key_doubled(original: Any, self: Any, *args: Any) -> None:
    sums = args[-2]
    before = sums.key.clone()
    original(self, *args)
    sums.key.add_(sums.key - before)


def query_unscaled(original: Any, self: Any, *args: Any) -> None:
    sums = args[-2]
    before = sums.query.clone()
    original(self, *args)
    sums.query.copy_(before + (sums.query - before) / self.scale)


def late_curve(original: Any, setting: Any, *args: Any, **more: Any) -> Any:
    """The softcap after bias and mask: a forbidden key then keeps a score of -cap."""
    curve = setting.scores.curve
    plain = replace(setting, scores=replace(setting.scores, curve=Curve()))
    final, raw, forbidden = original(plain, *args, **more)
    return curve.apply(final), raw, forbidden


STREAMING: dict[str, Patch] = {
    "scale 1 % off": around(
        streaming.DotTiles, "forward", lambda f, self, *a: f(replace(self, scale=self.scale * 1.01), *a)
    ),
    "curve left out": around(streaming.DotTiles, "forward", lambda f, self, *a: f(replace(self, curve=Curve()), *a)),
    "softcap after bias and mask": around(online, "tile_scores", late_curve),
    "slope of the curve forgotten": lambda m: m.setattr(Curve, "slope", lambda self, y: torch.ones_like(y)),
    "gradient of the key doubled": around(streaming.DotTiles, "backward", key_doubled),
    "gradient of the query without the scale": around(streaming.DotTiles, "backward", query_unscaled),
    "wrong heads share a key head": around(online, "grouped", ungrouped),
}

# --- additive


def no_last_piece(original: Any, *args: Any) -> Any:
    return list(original(*args))[:-1]


def neighbours_key(original: Any, query: Tensor, key: Tensor, tile: Any) -> Any:
    return original(query, key.roll(1, 1), tile)


def forget_vector(original: Any, *args: Any) -> None:
    original(*args)
    args[-1].learned[0].zero_()


ADDITIVE: dict[str, Patch] = {
    "last piece skipped": around(additive, "_pieces", no_last_piece),
    "wrong heads share a key head": around(additive, "_pieces", neighbours_key),
    "exp(x) in place of exp(2x)": lambda m: m.setattr(
        additive._Doubled, "forward", staticmethod(lambda ctx, x: torch.exp(x))
    ),
    "slope of exp counted twice": lambda m: m.setattr(
        additive._Doubled, "backward", staticmethod(lambda ctx, grad: 2 * grad)
    ),
    "gradient of the vector dropped": around(online, "_backward_rows", forget_vector),
    "gradient of the key doubled": around(additive.AdditiveTiles, "backward", key_doubled),
    "one vector for all heads": within(
        additive,
        "streaming",
        finish=lambda r, m: streaming.finish(r, replace(m, learned=(m.learned[0][:1].expand_as(m.learned[0]),))),
    ),
}


# --- exact


def sdpa(change: Callable[..., Any]) -> Patch:
    """`change(sdpa, query, key, value, added, **more)` in place of torch's function."""
    return around(exact, "scaled_dot_product_attention", change)


def other_groups(original: Any, q: Tensor, k: Tensor, v: Tensor, added: Any, **more: Any) -> Tensor:
    times = q.shape[1] // k.shape[1]
    return original(q, k.repeat(1, times, 1, 1), v.repeat(1, times, 1, 1), added, **(more | {"enable_gqa": False}))


def doubled(tensor: Tensor) -> Tensor:
    """The same numbers with twice the gradient."""
    return 2 * tensor - tensor.detach()


def turned(added: Tensor | None) -> Tensor | None:
    return added if added is None or added.dtype != torch.bool else ~added


EXACT: dict[str, Patch] = {
    "scale 1 % off": sdpa(lambda f, *a, scale, **m: f(*a, scale=scale * 1.01, **m)),
    "the default scale for every score": sdpa(lambda f, *a, scale, **m: f(*a, scale=None, **m)),
    "mask and bias ignored": sdpa(lambda f, q, k, v, added, **m: f(q, k, v, None, **m)),
    "mask turned round": around(exact, "laid_out", lambda f, r: turned(f(r))),
    "causal ignored": sdpa(lambda f, *a, is_causal, **m: f(*a, is_causal=False, **m)),
    "causal aligned top left everywhere": around(
        exact, "triangular", lambda f, r: isinstance(r.mask, Causal) and not r.biases
    ),
    "a key cut off": sdpa(
        lambda f, q, k, v, added, **m: (
            f(q, k[:, :, :-1], v[:, :, :-1], None if added is None else added[..., :-1], **m)
            if added is None or added.shape[-1] == k.shape[2]
            else f(q, k, v, added, **m)
        )
    ),
    "wrong heads share a key head": sdpa(other_groups),
    "gradient of the key doubled": sdpa(lambda f, q, k, v, *a, **m: f(q, doubled(k), v, *a, **m)),
    "gradient of the query doubled": sdpa(lambda f, q, *a, **m: f(doubled(q), *a, **m)),
    "non-finite inputs left in": within(exact, "guard", finite=lambda *_: True),
}


# --- dense


def grad_free_bias(monkeypatch: pytest.MonkeyPatch) -> None:
    original = TensorBias.tile
    monkeypatch.setattr(TensorBias, "tile", lambda self, *a: original(self, *a).detach())


def over_queries(x: Tensor, dim: int) -> Tensor:
    return torch.logsumexp(x, -2, keepdim=True).expand_as(x)[..., 0]


def fresh_dropout(weights: Tensor, share: float) -> Tensor:
    source = torch.Generator()
    source.seed()
    return (torch.rand(weights.shape, generator=source) >= share) / (1 - share)


DENSE: dict[str, Patch] = {
    "scores 1 % off": around(dense, "_scores", lambda f, *a: f(*a) * 1.01),
    "softmax over the queries": within(dense, "torch", softmax=lambda x, _: torch.softmax(x, -2)),
    "softmax over the queries, with care": within(dense, "torch", logsumexp=over_queries),
    "gradient of the lse halved": around(dense._Lse, "backward", lambda f, *a: (f(*a)[0] / 2, None)),
    "a forbidden key scores -1": within(dense, "torch", inf=1.0),
    "empty rows take the mean": around(dense, "_context", lambda f, w, a, v: f(w, a, v) + (~a.any(-1))[..., None]),
    "sink ignored": around(dense, "with_sink", no_sink),
    "gradient of the bias dropped": grad_free_bias,
    "gradient of the scores doubled": around(dense, "_scores", lambda f, *a: doubled(f(*a))),
    "another dropout pattern each time": within(dense, "dropped", kept=fresh_dropout),
    "broken keys left in the gradient": within(guard, "torch", where=lambda c, a, b: a),
    "no guard at all": around(dense, "_context", lambda f, w, a, v: w @ v),
}


# --- reference

REFERENCE: dict[str, Patch] = {
    "scores 1 % off": around(reference, "_scores", lambda f, *a: f(*a) * 1.01),
    "mask ignored": around(reference, "_softmax", lambda f, s, a, sink: f(s, np.ones_like(a), sink)),
    "sink ignored": around(reference, "_softmax", lambda f, s, a, sink: f(s, a, None)),
    "wrong heads share a key head": within(reference, "np", repeat=lambda x, times, axis: np.tile(x, (1, times, 1, 1))),
    "lse without the maximum": around(reference, "_softmax", lambda f, *a: (f(*a)[0], f(*a)[1] - 1e-6)),
    "output without the last key": around(reference, "_context", lambda f, w, v: f(w[..., :-1], v[..., :-1, :])),
}

FAULTS = {
    "streaming": ONLINE | STREAMING,
    "additive": ONLINE | ADDITIVE,
    "exact": EXACT,
    "dense": DENSE,
    "reference": REFERENCE,
}
