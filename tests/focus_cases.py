"""Calls that `Focus` is held to, and the comparison with its slow self (tests/focus_reference.py).

5 queries, the last of them on the last of 157 keys, unless said otherwise; 3 query heads to each of 2 key heads; keys
of 19 numbers, values of 23, in 19 blocks of 8 and 5 keys behind them. Half of the bytes then suffice for about 70 keys.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from tests.comparison import RESULT, SCORE, hold
from tests.focus_reference import Found, focused
from torch import Tensor

from regard.kernels.focus_allotted import Allotted
from regard.kernels.policies import spend
from regard.kernels.sketch import Sketch
from regard.spec import (
    Budget,
    Causal,
    Dense,
    Documents,
    Focus,
    Mask,
    Padding,
    Prefix,
    Request,
    Sinks,
    Window,
    request,
)

BATCH, HEADS, KV_HEADS, QUERIES, KEYS, DIM, VALUE_DIM = 2, 6, 2, 5, 157, 19, 23
GRAIN = 8
POLICY = Focus(sketch=2.0, grain=GRAIN, bits=8, exact=3, first=2, latest=0.2)
HALF = Budget(fraction=0.5, policy=POLICY)


def allotted(most: Tensor, policy: Focus) -> Allotted:
    """most: int64 (lanes or 1, rows)."""
    lanes, rows = most.shape
    return Allotted.of(most.flatten().tolist(), policy, (lanes, rows), most.device)


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def inputs(dtype: torch.dtype = torch.float32, *, keys: int = KEYS, queries: int = QUERIES) -> tuple[Tensor, ...]:
    """Directions of keys differ in size, and neighbours are alike, as in a text."""
    sizes = torch.linspace(0.3, 2.0, DIM, dtype=torch.float64)
    q = 1.5 * normal(BATCH, HEADS, queries, DIM, seed=1)
    drift = normal(BATCH, KV_HEADS, keys, DIM, seed=2).cumsum(2) / 6
    k = sizes * normal(BATCH, KV_HEADS, keys, DIM, seed=3) + drift
    v = normal(BATCH, KV_HEADS, keys, VALUE_DIM, seed=4) + 0.5
    return q.to(dtype), k.to(dtype), v.to(dtype)


def asked(mask: Mask | None = None, dtype: torch.dtype = torch.float32, **more: object) -> Request:
    sizes = {name: more.pop(name) for name in ("keys", "queries") if name in more}
    return request(*inputs(dtype, **sizes), mask=mask, **more)  # type: ignore[arg-type]


def left_padding() -> Mask:
    """30 keys that are nothing before the text of the first item; a whole block and 6 keys of the next."""
    real = torch.arange(KEYS) >= torch.tensor([[30], [0]])
    return Causal() & Dense(real[:, None, None])


def masks() -> dict[str, Mask | None]:
    ids = (torch.arange(KEYS) > 36).long()
    return {
        "no mask": None,
        "causal": Causal(),
        "window": Causal() & Window(103, 0),
        "sinks and window": Causal() & (Sinks(4) | Window(90, 0)),
        "padding right": Padding(torch.tensor([157, 131])),
        "padding left": left_padding(),
        "documents": Causal() & Documents(torch.ones(QUERIES, dtype=torch.long), ids),
        "a block left out": ~(Prefix(24) & ~Prefix(16)),
        "all but the keys behind the sketch": Prefix(152),
    }


@dataclass(frozen=True)
class Call:
    """A request under a budget, and what it should come to; `sketch` is the one both read."""

    request: Request
    budget: Budget
    sketch: Sketch
    true: Found


def call(request: Request, budget: Budget = HALF, *, doubts: int = 0) -> Call:
    """The truth is found with a sketch made of the request's own queries. doubts: for how many choices at most, of a
    query in a key head, rounding may decide; those are not compared."""
    assert isinstance(budget.policy, Focus)
    form = request.score.prepare(request.query.float(), request.key[:, :, :0].float())
    sketch = Sketch.of(request.key, request.value, query=form.query, policy=budget.policy)
    true = focused(request, budget, sketch)
    assert len(true.doubts) <= doubts, f"the choice of (item, key head, query) {true.doubts} hangs on rounding"
    return Call(request, budget, sketch, true)


def check(made: Call, *, given: bool = True) -> None:
    """Raise AssertionError unless the kernel gives what the slow way gives. given: the sketch is handed over, or made
    again by the kernel."""
    asked, true = made.request, made.true
    found = spend(asked, made.budget, made.sketch if given else None)
    noise = noise_of(asked, true)
    assert found.output.dtype == asked.query.dtype
    assert found.lse.dtype == torch.promote_types(asked.query.dtype, torch.float32)
    lse_noise = SCORE * torch.finfo(torch.float32).eps * (1 + true.largest_score)
    output, lse = torch.from_numpy(true.output).clone(), torch.from_numpy(true.lse).clone()
    for item, kv, row in true.doubts:
        heads = slice(kv * asked.groups, (kv + 1) * asked.groups)
        output[item, heads, row], lse[item, heads, row] = found.output[item, heads, row], found.lse[item, heads, row]
    hold("output", found.output, output, noise)
    hold("lse", found.lse, lse, lse_noise)
    hold("bytes", found.bytes, torch.from_numpy(true.bytes), 1e-12)
    assert found.full == asked.place.key_len * 2 * (asked.key.shape[3] + asked.value.shape[3])


def noise_of(asked: Request, true: Found) -> float:
    """As in tests/comparison.py; everything is computed in float32."""
    single = torch.finfo(torch.float32).eps
    own = max(single, torch.finfo(asked.query.dtype).eps)
    return RESULT * own + SCORE * single * (1 + true.largest_score)


def policy(**changed: object) -> Budget:
    """Half of the bytes for `POLICY` with other settings."""
    return replace(HALF, policy=replace(POLICY, **changed))  # type: ignore[arg-type]
