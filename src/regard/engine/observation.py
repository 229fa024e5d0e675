"""What is asked about where attention goes (`Wanted`), and the answer (`Observation`)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from regard.spec.errors import ShapeError, SpecError
from regard.spec.place import Place
from regard.spec.value import described, is_number

FIGURES = ("lse", "entropy", "breadth", "distance")


@dataclass(frozen=True, eq=False)
class Wanted:
    """Which statistics, of which heads and queries.

    `top`: how many of each query's heaviest keys to name. `bins`: (rows, cols), the size of a map of the flow from bins
    of queries to bins of keys, cut evenly over the queries and `keys` asked about. `heads`: head numbers, all by
    default. `queries`: a range or an ascending int64 tensor of query indices, all by default. `sample`: a share of
    those queries, drawn at random with `seed`; figures then come with standard errors. What is not asked about is not
    computed.
    """

    top: int = 0
    bins: tuple[int, int] | None = None
    heads: tuple[int, ...] | None = None
    queries: range | Tensor | None = None
    keys: range | None = None
    sample: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not _whole(self.top) or self.top < 0:
            raise SpecError(f"top={described(self.top)}: expected a whole number of keys, 0 for none")
        if self.bins is not None and not (_two(self.bins) and all(_whole(b) and b > 0 for b in self.bins)):
            raise SpecError(f"bins={self.bins!r}: expected (rows, cols), two whole numbers above 0, or None for no map")
        if self.sample is not None and not (is_number(self.sample) and 0 < self.sample <= 1):
            raise SpecError(f"sample={described(self.sample)}: expected a share of the queries, 0 < sample <= 1")
        if not _whole(self.seed):
            raise SpecError(f"seed={described(self.seed)}: expected a whole number")
        if self.heads is not None and not isinstance(self.heads, (tuple, list, range)):
            raise SpecError(f"heads={described(self.heads)}: expected a tuple of head numbers, or None for all")
        if self.keys is not None and not isinstance(self.keys, range):
            raise ShapeError(f"keys={described(self.keys)}: expected a range, or None for all")

    def chosen_heads(self, place: Place) -> tuple[int, ...]:
        """The heads asked about, in the order given. Raises `SpecError` for one that is not there or comes twice."""
        if self.heads is None:
            return tuple(range(place.heads))
        heads = tuple(self.heads)
        if not all(_whole(head) and 0 <= head < place.heads for head in heads) or len(set(heads)) < len(heads):
            raise SpecError(f"heads={heads}: expected different numbers from 0 to {place.heads - 1}, the call's heads")
        return heads

    def chosen_queries(self, place: Place) -> Tensor:
        """int64, ascending: the queries asked about, before sampling. Raises `ShapeError` for others than there are."""
        given = self.queries
        if given is None:
            return torch.arange(place.query_len)
        _check_ascending("queries", given, place.query_len)
        return torch.tensor(list(given), dtype=torch.int64) if isinstance(given, range) else given.to("cpu")

    def chosen_keys(self, place: Place) -> range:
        """The keys that the map covers. Raises `ShapeError` for others than there are."""
        if self.keys is None:
            return place.cols
        _check_ascending("keys", self.keys, place.key_len)
        return self.keys

    def drawn(self, queries: Tensor) -> Tensor:
        """`queries`, or the sample of them: without replacement, at least two (one has no spread) where there are."""
        if self.sample is None:
            return queries
        count = min(len(queries), max(2, round(self.sample * len(queries))))
        source = torch.Generator().manual_seed(self.seed)
        return queries[torch.randperm(len(queries), generator=source)[:count].sort().values]


@dataclass(frozen=True, eq=False)
class Observation:
    """Where attention went in one call. Computed in float32 or better; weights are those before dropout.

    `heads` and `queries` say what is covered (n of them); `population` is how many queries they stand for (more than n
    when sampled). An empty row has lse -inf and else 0. Under a `SinkLogits` bias the weights of a row sum to less
    than 1, and entropy and distance count the real keys' terms alone.
    """

    heads: tuple[int, ...]
    queries: Tensor  # (n,) int64 indices of rows of q, ascending
    population: int
    query_start: int
    key_len: int
    lse: Tensor  # (batch, heads, n) log of the sum of exponentiated scores
    entropy: Tensor  # (batch, heads, n) nats
    distance: Tensor  # (batch, heads, n) mean |position - key| under the weights, in keys
    received: Tensor  # (batch, heads, key_len) sum over queries of weight; estimated for the population when sampled
    top_keys: Tensor | None = None  # (batch, heads, n, top) int64, heaviest first; -1 where there are fewer
    top_weights: Tensor | None = None  # (batch, heads, n, top)
    map: Tensor | None = None  # (batch, heads, rows, cols) weight that flows from each bin of queries to each of keys
    row_edges: Tensor | None = (
        None  # (rows + 1,) int64 query indices; bin i is row_edges[i] <= query < row_edges[i + 1]
    )
    col_edges: Tensor | None = None  # (cols + 1,) int64 key indices
    received_error: Tensor | None = None  # standard errors, when sampled; shapes as above
    map_error: Tensor | None = None

    @property
    def breadth(self) -> Tensor:
        """(batch, heads, n) exp(entropy): the effective number of keys that a query looks at."""
        return torch.exp(self.entropy)

    def mean(self, figure: str) -> tuple[Tensor, Tensor]:
        """(mean over queries, its standard error), each (batch, heads); `figure` is one of FIGURES.

        The error is that of a sample drawn without replacement (Cochran 1977, eq. 2.20 with the finite population
        correction): 0 when every query was observed, NaN for a sample of one.
        """
        if figure not in FIGURES:
            raise SpecError(f"mean({figure!r}): expected one of {', '.join(FIGURES)}")
        values: Tensor = getattr(self, figure)
        count = values.shape[-1]
        if count == self.population:
            return values.mean(-1), torch.zeros_like(values[..., 0] if count else values.sum(-1))
        if count < 2:
            return values.mean(-1), torch.full_like(values.sum(-1), torch.nan)
        spread = values.var(-1, unbiased=True) * (1 - count / self.population) / count
        return values.mean(-1), spread.sqrt()


def _two(value: object) -> bool:
    return isinstance(value, (tuple, list)) and len(value) == 2


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_ascending(name: str, given: range | Tensor, length: int) -> None:
    if isinstance(given, range):
        fits = given.step == 1 and 0 <= given.start <= given.stop <= length
    else:
        whole = isinstance(given, Tensor) and given.dtype == torch.int64 and given.dim() == 1
        fits = whole and (len(given) == 0 or bool((given[0] >= 0) & (given[-1] < length)))
        fits = fits and bool((given[1:] > given[:-1]).all())
    if not fits:
        shown = repr(given) if isinstance(given, range) else described(given)
        kinds = "a range" if name == "keys" else "a range or an ascending int64 tensor"
        raise ShapeError(f"{name}={shown}: expected {kinds} within 0..{length}, in steps of one")
