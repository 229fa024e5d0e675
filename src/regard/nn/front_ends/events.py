"""Events to tokens: which item, in which place, and how long after the one before."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from regard.nn.checks import any_is, check_dropout, check_sizes, real_tokens
from regard.nn.embedding import TokenEmbedding
from regard.nn.front_ends.placing import Placing
from regard.nn.front_ends.tokens import Tokens
from regard.nn.front_ends.units import Spans
from regard.spec.errors import DataError, ShapeError, SpecError
from regard.spec.position import Learned, Sinusoidal
from regard.spec.value import described, is_number


class EventFrontEnd(nn.Module):
    """An item's vector, plus its position's, plus one for the time since the event before.

    Gaps fall into `gaps` buckets: less than one `unit` of time, then 1 to 2 units, 2 to 4, 4 to 8 and so on, the last
    without an end; the first event has a vector of its own instead. 0 for no times. `features` numbers of each event
    (a rating, a price) are added through a linear layer. `embedding` may be shared with what predicts the next item.

    Raises `SpecError` for sizes below 1 or a unit that is not above 0.
    """

    def __init__(
        self,
        items: int,
        dim: int,
        *,
        gaps: int = 0,
        unit: float = 1.0,
        features: int = 0,
        positions: Sinusoidal | Learned | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_sizes("EventFrontEnd", items=items, dim=dim)
        check_dropout("EventFrontEnd", dropout)
        for name, given in (("gaps", gaps), ("features", features)):
            if isinstance(given, bool) or not isinstance(given, int) or given < 0:
                raise SpecError(f"EventFrontEnd({name}={described(given)}): expected a whole number, 0 for none")
        if not is_number(unit) or unit <= 0:
            raise SpecError(
                f"EventFrontEnd(unit={described(unit)}): expected a time above 0, in the times' own measure"
            )
        self.dim, self.gaps, self.unit = dim, gaps, float(unit)
        self.embedding = TokenEmbedding(items, dim)
        self.gap_table = nn.Parameter(torch.empty(gaps + 1, dim)) if gaps else None
        if self.gap_table is not None:
            nn.init.normal_(self.gap_table, std=dim**-0.5)
        self.features = nn.Linear(features, dim) if features else None
        self.placing = Placing(positions, dim)
        self.dropout = nn.Dropout(dropout)

    @property
    def longest(self) -> int | None:
        return self.placing.longest

    def units(self) -> Spans:
        """Token i covers the event in place i."""
        return Spans("item", "items")

    def buckets(self, times: Tensor, lengths: Tensor | None = None) -> Tensor:
        """times (batch, len), int64 or float64, in order -> (batch, len) int64: each event's bucket, 0 to `gaps` - 1,
        and `gaps` for the first of a sequence and for padding.

        Raises `DataError` for an event before the one in front of it, or a time that is not finite.
        """
        real = torch.ones_like(times, dtype=torch.bool)
        if lengths is not None:
            real = real_tokens("EventFrontEnd", lengths, times[..., None])
        since = times.diff(dim=1)
        back = (since < 0) | ~since.to(torch.float64).isfinite()
        back = back & real[:, 1:]
        if any_is(back):
            item, place = back.nonzero()[0].tolist()
            raise DataError(
                f"EventFrontEnd: times[{item}, {place + 1}] = {times[item, place + 1].item()} follows "
                f"{times[item, place].item()}: events must be in the order of their times"
            )
        edges = self.unit * 2.0 ** torch.arange(self.gaps - 1, device=times.device, dtype=torch.float64)
        found = torch.full_like(real, self.gaps, dtype=torch.int64)
        found[:, 1:] = torch.bucketize(since.to(torch.float64), edges, right=True)
        return found.masked_fill(~real, self.gaps)

    def forward(
        self,
        items: Tensor,
        times: Tensor | None = None,
        lengths: Tensor | None = None,
        *,
        features: Tensor | None = None,
    ) -> Tokens:
        """items (batch, len) int64 ids, times (batch, len) int64 or float64, lengths (batch,), features (batch, len,
        features) -> tokens (batch, len, dim).

        Padding may hold any item, any time and any features. Raises `ShapeError` for other shapes, for times or
        features that are missing or were not built for, `DataError` for events out of order.
        """
        x = self.embedding(items) * self.placing.content
        width = 0 if self.features is None else self.features.in_features
        _check("times", times, self.gap_table is not None, tuple(items.shape))
        _check("features", features, bool(width), (*items.shape, width))
        if self.gap_table is not None and times is not None:
            x = x + self.gap_table[self.buckets(times, lengths)] * self.placing.content
        if self.features is not None and features is not None:
            x = x + self.features(features.to(x.dtype))
        x, added = self.placing(x)
        return Tokens.padded("EventFrontEnd", self.dropout(x), lengths, self.units(), positions=added)


def _check(name: str, given: Tensor | None, wanted: bool, shape: tuple[int, ...]) -> None:
    """Raise `ShapeError` unless `given` is there exactly where it is wanted, of this shape, and of a dtype that can
    tell times apart: float32 knows the seconds since 1970 to a minute at best."""
    precise = name != "times" or (isinstance(given, Tensor) and given.dtype in (torch.int64, torch.float64))
    if not wanted and given is None:
        return
    if wanted and isinstance(given, Tensor) and tuple(given.shape) == shape and precise:
        return
    kind = "int64 or float64" if name == "times" else "floats"
    expected = f"{kind} of shape {shape}" if wanted else "None: it was built for none"
    raise ShapeError(f"EventFrontEnd: {name} is {described(given)}, expected {expected}")
