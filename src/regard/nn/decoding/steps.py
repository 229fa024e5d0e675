"""What decoding asks of a model (`Steps`), what it is told (`Limits`), and what it gives (`Output`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from regard.nn.checks import check_sizes
from regard.spec.errors import ShapeError, SpecError


class State(Protocol):
    """What a model keeps between steps, for a number of rows: at first one a source, later one a hypothesis."""

    @property
    def first(self) -> Tensor:
        """(batch,) int64: what the first step is fed: the begin symbol, or the last token of a prompt."""
        ...

    def select(self, items: Tensor) -> None:
        """Keep the rows `items` (new_rows,) int64, in that order; a row may be kept twice, or dropped."""
        ...


class Steps(Protocol):
    """A model that writes one token after another."""

    def start(self, context: Any) -> Any:
        """The `State` before the first step. `context` is what the model reads: sources, or prompts."""
        ...

    def step(self, state: Any, ids: Tensor) -> Tensor:
        """ids (rows,) int64, the latest token of each row -> logits (rows, vocab) of the next; moves `state` on."""
        ...


@dataclass(frozen=True)
class Limits:
    """When an output ends, and what it may not hold.

    longest: tokens at most, the end symbol included. end: its id, None for a model that has none. never: ids that are
    not written, such as padding and the begin symbol; their probability goes to nobody.
    """

    longest: int
    end: int | None = None
    never: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_sizes("Limits", longest=self.longest)
        for name, ids in (("end", () if self.end is None else (self.end,)), ("never", self.never)):
            if not isinstance(ids, tuple) or any(type(each) is not int or each < 0 for each in ids):
                raise SpecError(f"Limits({name}={getattr(self, name)!r}): expected token ids, whole numbers from 0")
        if self.end in self.never:
            raise SpecError(f"Limits(end={self.end}, never={self.never}): the end symbol is among those never written")


@dataclass(frozen=True)
class Output:
    """What was written for one source.

    ids: without begin and end symbol. log_probability: ln p of the ids, and of the end symbol where it was written.
    score: what the output was chosen by; in a beam search the log-probability over the length penalty, else the
    log-probability. ended: False where the limit cut it off.
    """

    ids: tuple[int, ...]
    log_probability: float
    score: float
    ended: bool


def log_probabilities(logits: Tensor, limits: Limits, rows: int) -> Tensor:
    """(rows, vocab) ln p of the next token, in float32 at least; -inf for what is never written.

    Raises `ShapeError` for logits of other rows, `SpecError` for ids outside the vocabulary, logits that are NaN, and a
    row in which nothing may be written.
    """
    if logits.dim() != 2 or logits.shape[0] != rows:
        raise ShapeError(f"a step gave logits {tuple(logits.shape)} for {rows} rows: expected ({rows}, vocab)")
    outside = [each for each in (*limits.never, limits.end) if each is not None and each >= logits.shape[1]]
    if outside:
        raise SpecError(f"{limits}: {outside[0]} is no id of the model's vocabulary, 0 to {logits.shape[1] - 1}")
    logs = logits.detach().to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(-1)
    if limits.never:
        logs = logs.index_fill(-1, torch.tensor(limits.never, device=logs.device), -torch.inf)
    best = logs.amax(-1)
    if not bool(best.isfinite().all()):
        row = int((~best.isfinite()).nonzero()[0, 0])
        raise SpecError(
            f"row {row} of a step has no token that could be written: its logits are NaN or infinite, or every id is "
            "in Limits(never=...); see whether the model was trained to finite losses"
        )
    return logs
