"""What a method of explanation is: a row of the table, and a function from a question to weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from regard.lens.question import Attention, Gradients, Question
from regard.spec.errors import SpecError

__all__ = ["Asking", "Method", "Need", "Weighed", "attention_of", "counted", "gradients_of"]

Need = Literal["attention", "gradients", "scores"]


@dataclass(frozen=True)
class Asking:
    """How a method is to go about it. way: how units are taken away (the question's own first one by default). steps:
    of an integral, by default as many as bring its gap below `gap`. seed: of what is drawn."""

    way: str | None = None
    steps: int | None = None
    gap: float = 0.02
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps is not None and (
            isinstance(self.steps, bool) or not isinstance(self.steps, int) or self.steps < 1
        ):
            raise SpecError(f"steps={self.steps!r}: expected a whole number from 1 up")
        if not self.gap > 0:
            raise SpecError(f"gap={self.gap!r}: expected a share above 0")


@dataclass(frozen=True, eq=False)
class Weighed:
    """weights: (units,) float64. how: in words, how they came about."""

    weights: Tensor
    how: str


@dataclass(frozen=True)
class Method:
    """One method.

    name: as it is asked for. about: one line. needs: what a question must have. cost: passes of the model for an input
    of so many units, about. signed: whether weights below 0 speak against the target. paper: where it comes from.
    extra: the extra of regard that it needs, if any.
    """

    name: str
    about: str
    needs: tuple[Need, ...]
    cost: Callable[[int], int]
    signed: bool
    paper: str
    weigh: Callable[[Question, Asking], Weighed]
    extra: str | None = None

    def missing(self, question: Question) -> str | None:
        """What the question lacks for this method, in words; None where it lacks nothing."""
        if "attention" in self.needs and question.attention is None:
            return f"{self.name!r} needs attention, and that of {question.model} cannot be reached here"
        if "gradients" in self.needs and question.gradients is None:
            return f"{self.name!r} needs gradients, and {question.model} gives none here"
        return None


def attention_of(question: Question) -> Attention:
    """Raises `SpecError` for a question about a model whose attention cannot be reached."""
    if question.attention is None:
        raise SpecError(f"the attention of {question.model} cannot be reached: ask for 'occlusion'")
    return question.attention


def gradients_of(question: Question) -> Gradients:
    """Raises `SpecError` for a question about a model that gives no gradients."""
    if question.gradients is None:
        raise SpecError(f"{question.model} gives no gradients here: ask for 'occlusion'")
    return question.gradients


def counted(layers: int) -> str:
    """So many layers, in words."""
    return "1 layer" if layers == 1 else f"{layers} layers"
