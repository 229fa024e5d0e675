"""Sampling: the next token drawn by its probability, from all of them or from the likeliest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from regard.nn.checks import check_sizes
from regard.nn.decoding.steps import Limits, Output, Steps, log_probabilities
from regard.nn.decoding.walk import walk
from regard.spec.errors import ShapeError, SpecError
from regard.spec.value import is_number


@dataclass(frozen=True)
class Sampling:
    """From which tokens, and how evenly, the next one is drawn. In this order:

    temperature: logits are divided by it; below 1 the likely become likelier. top_k: the k likeliest alone (Fan et al.
    2018, arXiv 1805.04833). top_p: the fewest likeliest whose probabilities, among those left, sum to p or more
    (Holtzman et al. 2019, arXiv 1904.09751).
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        if not is_number(self.temperature) or not 0 < self.temperature < float("inf"):
            raise SpecError(f"Sampling(temperature={self.temperature!r}): expected a number above 0; `greedy` is for 0")
        if self.top_k is not None:
            check_sizes("Sampling", top_k=self.top_k)
        if self.top_p is not None and not (is_number(self.top_p) and 0 < self.top_p <= 1):
            raise SpecError(f"Sampling(top_p={self.top_p!r}): expected a probability, 0 < top_p <= 1")

    def ranked(self, logs: Tensor) -> tuple[Tensor, Tensor]:
        """logs (rows, vocab) -> chances (rows, kept), likeliest first, summing to 1, and ids (rows, kept)."""
        count = logs.shape[-1] if self.top_k is None else min(self.top_k, logs.shape[-1])
        best, ids = (logs / self.temperature).topk(count, -1)
        chances = best.softmax(-1)
        if self.top_p is not None:
            before = chances.cumsum(-1) - chances
            chances = chances.masked_fill(before >= self.top_p, 0.0)
            chances = chances / chances.sum(-1, keepdim=True)
        return chances, ids

    def draw(self, logs: Tensor, generator: torch.Generator | None) -> Tensor:
        """logs (rows, vocab) -> (rows,) int64 ids."""
        chances, ids = self.ranked(logs)
        return ids.gather(1, torch.multinomial(chances, 1, generator=generator))[:, 0]


def sample(
    steps: Steps,
    context: object,
    limits: Limits,
    sampling: Sampling,
    *,
    generator: torch.Generator | None = None,
    each: int = 1,
) -> list[list[Output]]:
    """`each` drawn outputs for every source. Log-probabilities are the model's own, before temperature and cuts.

    The same generator, seeded alike, gives the same outputs for the same batch; in another batch the draws are others.
    It is to be on the model's device. Raises as `greedy`.
    """
    check_sizes("sample", each=each)
    flat = walk(steps, context, limits, lambda logs: sampling.draw(logs, generator), each=each)
    return [flat[first : first + each] for first in range(0, len(flat), each)]


def stream(
    steps: Steps,
    context: object,
    limits: Limits,
    sampling: Sampling,
    *,
    generator: torch.Generator | None = None,
) -> Iterator[int]:
    """The drawn tokens of one output, one at a time, as they are made; the end symbol is not among them.

    Nothing is kept of what was given out: over a model whose state is bounded, such as a `LanguageModel` with a window,
    memory is the same however long it runs. Raises `ShapeError` for more sources than one, else as `greedy`.
    """
    with torch.no_grad():
        state = steps.start(context)
    ids: Tensor = state.first
    if len(ids) != 1:
        raise ShapeError(f"stream writes one output at a time, and was given {len(ids)} sources: pass them one by one")
    for _ in range(limits.longest):
        with torch.no_grad():
            logs = log_probabilities(steps.step(state, ids), limits, 1)
            ids = sampling.draw(logs, generator)
        token = int(ids[0])
        if token == limits.end:
            return
        yield token
