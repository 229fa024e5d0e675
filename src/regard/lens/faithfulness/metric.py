"""What a measure of faithfulness is: which parts of an input it asks the model about, and what it makes of the
answers."""

from __future__ import annotations

from typing import Literal, Protocol

from regard.lens.faithfulness.orders import Floats, Order, Rows

Better = Literal["higher", "lower"]


class Metric(Protocol):
    """One measure, of one explanation of one input.

    name: as in tables. better: which of two values is the more faithful one. about: what it is, in one sentence.
    """

    @property
    def name(self) -> str: ...
    @property
    def better(self) -> Better: ...
    @property
    def about(self) -> str: ...

    def kept(self, order: Order) -> Rows:
        """Units in `order`, heaviest first -> (rows, units): which are kept in each input that the model is asked."""

    def value(self, weights: Floats, whole: float, found: Floats) -> float:
        """From the target's probability on the whole input, and on each of the rows of `kept` (rows,)."""
