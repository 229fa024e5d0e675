"""Models whose every probability is known, and the slow truth: all outputs there are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from regard.nn.decoding import Limits, Output, penalty

Chances = Callable[[int, tuple[int, ...]], Tensor]  # source, what was written so far -> logits (vocab,)


class ToyState:
    """What was written in each row, for each source."""

    def __init__(self, sources: list[int], begin: int) -> None:
        self.first = torch.full((len(sources),), begin)
        self.rows: list[tuple[int, tuple[int, ...]]] = [(source, ()) for source in sources]

    def select(self, items: Tensor) -> None:
        self.rows = [self.rows[item] for item in items.tolist()]


class Toy:
    """Steps over a table of logits; a source is a number. `asked` counts the rows computed."""

    def __init__(self, chances: Chances, begin: int = 0) -> None:
        self.chances, self.begin, self.asked = chances, begin, 0

    def start(self, context: list[int]) -> ToyState:
        return ToyState(context, self.begin)

    def step(self, state: ToyState, ids: Tensor) -> Tensor:
        assert len(ids) == len(state.rows)
        self.asked += len(ids)
        begun = [len(written) == 0 for _, written in state.rows]
        told = zip(state.rows, ids.tolist(), begun, strict=True)
        # the first id fed is the begin symbol; it is marked by -1, so that it is told from an id written
        state.rows = [(source, (-1,) if first else (*written, token)) for (source, written), token, first in told]
        return torch.stack([self.chances(source, written[1:]) for source, written in state.rows])


def drawn(seed: int, vocab: int, spread: float = 1.0) -> Toy:
    """Normal logits, other ones after every history."""

    def chances(source: int, written: tuple[int, ...]) -> Tensor:
        number = hash((seed, source, written)) % 2**31
        made = torch.randn(vocab, generator=torch.Generator().manual_seed(number), dtype=torch.float64)
        return spread * made

    return Toy(chances)


def tree(branches: dict[tuple[int, ...], list[float]]) -> Toy:
    """The probabilities after each history, the same for every source."""
    return Toy(lambda _, written: torch.tensor(branches[written]).log())


def every_output(toy: Toy, source: int, limits: Limits, alpha: float) -> list[Output]:
    """All outputs there are, best first."""
    found = list(_outputs(toy, source, limits, alpha, (), 0.0))
    return sorted(found, key=lambda output: -output.score)


def _outputs(
    toy: Toy, source: int, limits: Limits, alpha: float, written: tuple[int, ...], total: float
) -> Iterator[Output]:
    logs = toy.chances(source, written).double().log_softmax(-1)
    for token, log in enumerate(logs.tolist()):
        if token in limits.never or math.isinf(log):
            continue
        here, length = total + log, len(written) + 1
        if token == limits.end:
            yield Output(written, here, here / penalty(length, alpha), True)
        elif length == limits.longest:
            yield Output((*written, token), here, here / penalty(length, alpha), False)
        else:
            yield from _outputs(toy, source, limits, alpha, (*written, token), here)
