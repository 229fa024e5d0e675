"""Losses on attention itself: towards a focus, towards marked evidence, along a diagonal, with coverage.

Each is a frozen value with the measures it needs and a formula over the figures of one call. `attention_loss` collects
them over every attention call of any model that `regard.engine.seams` can reach.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from regard.engine.seams import Reached, reach
from regard.engine.trained import Figures, figures
from regard.spec.errors import SpecError
from regard.spec.measure import Measure, OffDiagonal, OnKeys
from regard.spec.value import is_number


class AttentionLoss(Protocol):
    """What a loss on attention is made of."""

    def measures(self) -> tuple[Measure, ...]:
        """The means it needs beside entropy and mass received."""
        ...

    def of(self, seen: Figures) -> Tensor:
        """A scalar; 0 is the best."""
        ...


@dataclass(frozen=True)
class Breadth:
    """(entropy - ln breadth)², nats², mean over queries: every query is to look at about `breadth` keys (>= 1)."""

    breadth: float

    def __post_init__(self) -> None:
        if not (is_number(self.breadth) and self.breadth >= 1):
            raise SpecError(f"Breadth(breadth={self.breadth!r}): expected a number of keys, 1 or more")

    def measures(self) -> tuple[Measure, ...]:
        return ()

    def of(self, seen: Figures) -> Tensor:
        return _mean((seen.entropy - math.log(self.breadth)) ** 2, seen)


@dataclass(frozen=True, eq=False)
class Marked:
    """-ln(mass on the marked keys), nats, mean over the queries: `marked` (batch, key_len) or (key_len,) is True there.

    Supervised attention (Liu et al. 2016, arXiv 1609.04186, the cross-entropy form with the marked keys as one class).
    An item without a marked key adds nothing.
    """

    marked: Tensor

    def __post_init__(self) -> None:
        if not isinstance(self.marked, Tensor) or self.marked.dtype != torch.bool or self.marked.dim() not in (1, 2):
            raise SpecError("Marked(marked): expected a bool tensor of shape (batch, key_len) or (key_len,)")

    def measures(self) -> tuple[Measure, ...]:
        return (OnKeys(self.marked),)

    def of(self, seen: Figures) -> Tensor:
        mass = seen.means[0]
        counted = self.marked.any(-1).to(mass.device)
        counted = counted[:, None, None] if counted.dim() else counted
        logs = mass.clamp_min(torch.finfo(mass.dtype).tiny).log()
        return _mean(-logs, seen, counted=counted)


@dataclass(frozen=True)
class Diagonal:
    """The mean of 1 - exp(-(i/n - j/m)² / (2 width²)) under the weights (Tachibana et al. 2017, guided attention)."""

    width: float = 0.2

    def measures(self) -> tuple[Measure, ...]:
        return (OffDiagonal(self.width),)

    def of(self, seen: Figures) -> Tensor:
        return _mean(seen.means[0], seen)


@dataclass(frozen=True)
class Coverage:
    """The mean over keys of (mass received / even share - 1)²: 0 when every key is read as much as any other.

    In the spirit of the doubly stochastic penalty of Xu et al. 2015 (arXiv 1502.03044, eq. 14), with the share that an
    even reading would give in place of 1, so that lengths may differ. Keys that nobody may attend to are left out. Made
    for cross-attention: under a causal mask an even reading is not possible.
    """

    def measures(self) -> tuple[Measure, ...]:
        return ()

    def of(self, seen: Figures) -> Tensor:
        reached = (seen.received > 0).detach()
        even = seen.received.detach().sum(-1, keepdim=True) / reached.sum(-1, keepdim=True).clamp_min(1)
        apart = (seen.received / even.clamp_min(torch.finfo(even.dtype).tiny) - 1) ** 2
        return (apart * reached).sum() / reached.sum().clamp_min(1)


@dataclass(eq=False)
class Collected:
    """The losses of the attention calls made inside the block, by the path of the module that made them."""

    losses: list[tuple[str, Tensor]] = field(default_factory=list)

    def mean(self) -> Tensor:
        """Their mean, a scalar to be weighed and added to the task's loss.

        Raises `SpecError` when no attention call was seen.
        """
        if not self.losses:
            raise SpecError(
                "attention_loss saw no attention call: run the model inside the block, and see that `only` names its "
                "modules (model.named_modules() lists them)"
            )
        return torch.stack([loss for _, loss in self.losses]).mean()


@contextmanager
def attention_loss(model: nn.Module, loss: AttentionLoss, *, only: str = "*") -> Iterator[Collected]:
    """Collect `loss` over the attention calls of `model` in the block; `only` is a pattern of module paths.

        with attention_loss(model, Breadth(breadth=8)) as collected:
            logits = model(tokens)
        (task_loss(logits) + 0.1 * collected.mean()).backward()

    The model's output is what it is without. Memory is linear in the lengths; time about that of the attention again.
    Raises what `reach` raises for a model that cannot be watched, `ShapeError` for a loss that does not fit a call.
    """
    collected = Collected()

    def handler(reached: Reached) -> Any:
        out = reached.compute()
        if fnmatch.fnmatchcase(reached.name, only):
            collected.losses.append((reached.name, loss.of(figures(reached.request, *loss.measures()))))
        return out

    with reach(model, handler):
        yield collected


def _mean(values: Tensor, seen: Figures, *, counted: Tensor | None = None) -> Tensor:
    """The mean of `values` (batch, heads, queries) over the rows that hold anything, and that are `counted`."""
    full = ~torch.isneginf(seen.lse)
    full = full if counted is None else full & counted
    return torch.where(full, values, 0.0).sum() / full.sum().clamp_min(1)
