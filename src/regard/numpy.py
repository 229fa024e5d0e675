"""`attend` and `observe` on NumPy arrays, in float64, formula by formula: for teaching and for checking.

    import regard.numpy as rn
    out, seen = rn.observe([[0.5]], [[1.0], [1.0]], [[1.0], [2.0]])  # out [[1.5]], seen.weights[0, 0] [[0.5, 0.5]]

Arguments, shapes and meanings are those of `regard.attend`; arrays, or nested lists, of any real dtype come in and
float64 arrays go out. Every score, softmax and sum is NumPy's, in `regard.kernels.reference`, and no kernel of this
package runs. torch is loaded, for `import regard` loads it, and it does two things here: the values that say what is
asked (masks, scores, biases) hold their arrays as torch tensors, which share the memory, and a mask or a bias lays
itself out over the positions with torch's whole numbers and comparisons. Nothing is differentiated or drawn at random.

The query_len x key_len matrix is made, and so are a few arrays of its size: calls above `LIMIT` are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from regard import spec
from regard.engine.observation import Wanted
from regard.kernels import reference
from regard.kernels.reference import Array, Steps
from regard.spec import Bias, Mask, Request, ScaledDot, Score
from regard.spec.errors import KernelError, ShapeError, SpecError
from regard.spec.value import described

__all__ = [
    "ALiBi",
    "ActivatedDot",
    "Additive",
    "Cosine",
    "Dense",
    "Documents",
    "General",
    "Observation",
    "Padding",
    "RelativeBias",
    "SinkLogits",
    "Steps",
    "TensorBias",
    "attend",
    "observe",
    "steps",
]

LIMIT = 1 << 24  # entries of batch x heads x query_len x key_len (x dim for additive scores): 134 MB of float64 each

Made = TypeVar("Made")
_SCALED_DOT = ScaledDot()


@dataclass(frozen=True, eq=False)
class Observation:
    """Where attention went in one call, as float64 arrays; meanings as in `regard.Observation`.

    heads (h of them) and queries (n) say what is covered. An empty row has lse -inf and else 0. Under a sink logit the
    weights of a row sum to less than 1, and entropy and distance count the real keys' terms alone.
    """

    heads: tuple[int, ...]
    queries: np.ndarray[Any, np.dtype[np.int64]]  # (n,) rows of q
    query_start: int  # the position of query 0; key j stands at position j
    weights: Array  # (batch, h, n, key_len) the matrix: each row sums to 1, or is 0
    lse: Array  # (batch, h, n) log of the sum of exponentiated scores
    entropy: Array  # (batch, h, n) nats
    distance: Array  # (batch, h, n) mean |position - key| under the weights, in keys
    received: Array  # (batch, h, key_len) the sum over queries of each key's weight
    top_keys: np.ndarray[Any, np.dtype[np.int64]] | None = None  # (batch, h, n, top), heaviest first; -1 for none
    top_weights: Array | None = None  # (batch, h, n, top)
    map: Array | None = None  # (batch, h, rows, cols) weight that flows from each bin of queries to each of keys
    row_edges: np.ndarray[Any, np.dtype[np.int64]] | None = None  # (rows + 1,) bin i is edges[i] <= query < edges[i+1]
    col_edges: np.ndarray[Any, np.dtype[np.int64]] | None = None  # (cols + 1,) keys

    @property
    def key_len(self) -> int:
        return int(self.weights.shape[-1])

    @property
    def breadth(self) -> Array:
        """(batch, h, n) exp(entropy): the effective number of keys that a query looks at."""
        return np.asarray(np.exp(self.entropy))


def attend(
    q: ArrayLike,
    k: ArrayLike,
    v: ArrayLike,
    *,
    score: Score = _SCALED_DOT,
    mask: Mask | ArrayLike | None = None,
    bias: Any = None,
    query_start: int | None = None,
) -> Array:
    """What `regard.attend` computes: for each query the mean of the values under softmax(score + bias) over the keys
    that its mask allows, and 0 where it allows none.

    Shapes as there: (batch, heads, length, dim), (batch, length, dim) or (length, dim), all three alike; heads a
    multiple of the keys' heads. `mask` a mask or a bool array, True where a query may attend; `bias` a bias, a float
    array, or a tuple of them; `query_start` as there. Not here: dropout, a budget and the choice of a kernel.

        >>> attend([[0.5]], [[1.0], [1.0]], [[1.0], [2.0]])
        array([[1.5]])

    Raises `ShapeError`, `MaskError`, `SpecError` for arguments that do not fit, `KernelError` above `LIMIT`.
    """
    asked = _request(q, k, v, score=score, mask=mask, bias=bias, query_start=query_start)
    return _steps(asked).output.reshape(*np.shape(q)[:-1], np.shape(v)[-1])


def steps(
    q: ArrayLike,
    k: ArrayLike,
    v: ArrayLike,
    *,
    score: Score = _SCALED_DOT,
    mask: Mask | ArrayLike | None = None,
    bias: Any = None,
    query_start: int | None = None,
) -> Steps:
    """Every intermediate value of `attend` with the same arguments, by name: scores, biased, allowed, weights, lse,
    output; with four axes each. Raises what `attend` raises."""
    return _steps(_request(q, k, v, score=score, mask=mask, bias=bias, query_start=query_start))


def observe(
    q: ArrayLike,
    k: ArrayLike,
    v: ArrayLike,
    *,
    score: Score = _SCALED_DOT,
    mask: Mask | ArrayLike | None = None,
    bias: Any = None,
    query_start: int | None = None,
    top: int = 0,
    bins: tuple[int, int] | None = None,
    heads: tuple[int, ...] | None = None,
    queries: range | ArrayLike | None = None,
    keys: range | None = None,
) -> tuple[Array, Observation]:
    """(output as `attend` gives it, where the attention went), the matrix of weights included.

    `top`, `bins`, `heads`, `queries` (a range or ascending numbers) and `keys` as in `regard.Wanted`. Figures have
    four axes' (batch, heads, ...) also for inputs with fewer. Of keys that weigh the same the first is named first.

    Raises what `attend` and `regard.Wanted` raise.
    """
    asked = _request(q, k, v, score=score, mask=mask, bias=bias, query_start=query_start)
    chosen = queries if queries is None or isinstance(queries, range) else torch.as_tensor(np.asarray(queries))
    wanted = Wanted(top=top, bins=bins, heads=heads, queries=chosen, keys=keys)
    found = _steps(asked)
    return found.output.reshape(*np.shape(q)[:-1], np.shape(v)[-1]), _observed(asked, found, wanted)


def _observed(asked: Request, found: Steps, wanted: Wanted) -> Observation:
    place = asked.place
    heads, queries, keys = wanted.chosen_heads(place), wanted.chosen_queries(place).numpy(), wanted.chosen_keys(place)
    weights = found.weights[:, list(heads)][:, :, queries]
    away = np.abs((queries + place.query_start)[:, None] - np.arange(place.key_len)[None, :])
    top = None if not wanted.top else _top(weights, wanted.top)
    flow = None if wanted.bins is None else _flow(weights, queries, keys, wanted.bins)
    return Observation(
        heads=heads,
        queries=queries,
        query_start=place.query_start,
        weights=weights,
        lse=found.lse[:, list(heads)][:, :, queries],
        entropy=found.entropy[:, list(heads)][:, :, queries],
        distance=(weights * away).sum(-1),
        received=weights.sum(-2),
        top_keys=None if top is None else top[0],
        top_weights=None if top is None else top[1],
        map=None if flow is None else flow[0],
        row_edges=None if flow is None else flow[1],
        col_edges=None if flow is None else flow[2],
    )


def _top(weights: Array, count: int) -> tuple[Any, Array]:
    """The `count` heaviest keys of each row and their weights, -1 and 0 where fewer weigh anything."""
    lacking = max(0, count - weights.shape[-1])
    wide = np.pad(weights, [*([(0, 0)] * 3), (0, lacking)])
    order = np.argsort(-wide, axis=-1, kind="stable")[..., :count]
    heaviest = np.take_along_axis(wide, order, axis=-1)
    return np.where(heaviest > 0, order, -1), heaviest


def _flow(weights: Array, queries: Any, keys: range, bins: tuple[int, int]) -> tuple[Array, Any, Any]:
    """The weight from each bin of queries to each bin of keys, and the bins' edges, cut evenly."""
    if not len(queries) or not len(keys):
        raise ShapeError(f"bins={bins}: a map needs at least one query and one key; there are none")
    rows, cols = (
        first + np.arange(min(count, last - first) + 1) * (last - first) // min(count, last - first)
        for first, last, count in ((queries[0], queries[-1] + 1, bins[0]), (keys.start, keys.stop, bins[1]))
    )
    flow = np.zeros((*weights.shape[:2], len(rows) - 1, len(cols) - 1))
    for i, (top, bottom) in enumerate(pairwise(rows)):
        strip = weights[:, :, (queries >= top) & (queries < bottom)].sum(-2)
        for j, (left, right) in enumerate(pairwise(cols)):
            flow[:, :, i, j] = strip[..., left:right].sum(-1)
    return flow, rows, cols


def _steps(asked: Request) -> Steps:
    size = prod(asked.query.shape[:3]) * asked.key.shape[2]
    size *= asked.query.shape[3] if isinstance(asked.score, spec.Additive) else 1
    if size > LIMIT:
        raise KernelError(
            f"regard.numpy makes whole matrices, and this call's has {size:,} entries, above {LIMIT:,} "
            "(regard.numpy.LIMIT): use regard.attend or regard.observe, which make none, or fewer queries"
        )
    return reference.steps(asked)


def _request(q: ArrayLike, k: ArrayLike, v: ArrayLike, *, mask: Any, bias: Any, **more: Any) -> Request:
    given = tuple(_floats(name, each) for name, each in (("q", q), ("k", k), ("v", v)))
    if not given[0].ndim == given[1].ndim == given[2].ndim or given[0].ndim not in (2, 3, 4):
        raise ShapeError(
            f"query {given[0].shape}, key {given[1].shape}, value {given[2].shape}: expected all three as (batch, "
            "heads, length, dim), or all as (batch, length, dim), or all as (length, dim)"
        )
    laid = (each[:, None] if each.ndim == 3 else each[None, None] if each.ndim == 2 else each for each in given)
    mask = mask if mask is None or isinstance(mask, Mask) else Dense(mask)
    parts = bias if isinstance(bias, tuple) else () if bias is None else (bias,)
    biases = tuple(part if isinstance(part, Bias) else TensorBias(part) for part in parts)
    return spec.request(*(torch.from_numpy(each) for each in laid), mask=mask, bias=biases or None, **more)


def _floats(name: str, given: ArrayLike) -> Array:
    found = np.asarray(given.detach().cpu() if isinstance(given, Tensor) else given)
    if found.dtype.kind not in "fiu":
        raise SpecError(f"{name} is {described(given)}: expected an array of real numbers, or nested lists of them")
    return np.ascontiguousarray(found, dtype=np.float64)


def _of_arrays(kind: Callable[..., Made], dtype: type) -> Callable[..., Made]:
    """`kind` made of arrays or nested lists of `dtype` where it holds tensors. What is made is `kind`'s own."""

    def make(*given: Any, **named: Any) -> Made:
        held = {name: _held(each, dtype) for name, each in named.items()}
        return kind(*(_held(each, dtype) for each in given), **held)

    make.__name__ = make.__qualname__ = kind.__name__
    make.__doc__ = f"`regard.{kind.__name__}`, made of arrays or lists in the place of tensors.\n\n{kind.__doc__}"
    return make


def _held(given: Any, dtype: type) -> Any:
    """An array or a list as a tensor of `dtype`, if that loses nothing; the rest as it is, for `kind` to judge."""
    if not isinstance(given, (np.ndarray, list, tuple)):
        return given
    found = np.asarray(given)
    if found.dtype.kind in {np.float64: "iuf", np.int64: "iu", np.bool_: "b"}[dtype]:
        found = found.astype(dtype)
    if found.dtype.kind not in "iufb":
        raise SpecError(f"{described(given)}: expected an array of numbers, or nested lists of them")
    return torch.from_numpy(np.array(found))  # a copy: the value is frozen


Cosine, General = _of_arrays(spec.Cosine, np.float64), _of_arrays(spec.General, np.float64)
Additive, ActivatedDot = _of_arrays(spec.Additive, np.float64), _of_arrays(spec.ActivatedDot, np.float64)
Padding, Documents = _of_arrays(spec.Padding, np.int64), _of_arrays(spec.Documents, np.int64)
Dense = _of_arrays(spec.Dense, np.bool_)
TensorBias, ALiBi = _of_arrays(spec.TensorBias, np.float64), _of_arrays(spec.ALiBi, np.float64)
RelativeBias, SinkLogits = _of_arrays(spec.RelativeBias, np.float64), _of_arrays(spec.SinkLogits, np.float64)
