"""One input as a model read it: its answers, and an explanation of one of them with its evidence."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from regard.lens.explanation import Explanation
from regard.lens.shares import percent

LIMITS = (
    "Weights are one method's account of what an answer rests on, not proof of what caused it; and what is left when "
    "parts are taken away may be like nothing that the model learned from. The evidence says how far to trust them."
)


@dataclass(frozen=True, eq=False)
class Reading:
    """What `regard explain` shows. answers: all there are, most probable first; empty where one alone is known. model:
    a line that says which model read it. notes: what else a reader must know. said: of an input that is no text, its
    name and the answer in words. beside: (rows, columns) of a picture's patches, which are the first of the units,
    where others follow them (the words of a text)."""

    explanation: Explanation
    model: str
    answers: tuple[tuple[str, float], ...] = ()
    notes: tuple[str, ...] = ()
    said: str = ""
    beside: tuple[int, int] | None = None

    @property
    def title(self) -> str:
        """The answer that is explained, and how probable it is; a number that is forecast has no probability."""
        return (
            f"{self.explanation.target} ({percent(self.explanation.probability, digits=1)})"
            if self.probable
            else self.explanation.target
        )

    @property
    def probable(self) -> bool:
        """Whether the answer has a probability."""
        return self.explanation.evidence is None or self.explanation.evidence.quantity == "probability"

    @property
    def kind(self) -> str:
        """What one unit is called."""
        return self.explanation.units.kind

    def heaviest(self, count: int) -> tuple[tuple[str, float], ...]:
        """The texts and weights of the heaviest units of those that speak for the answer (weights above 0), heaviest
        first; a text that several units have with its place among them."""
        texts = self.explanation.units.placed
        return tuple((texts[place], weight) for place, weight in self.explanation.heaviest(count) if weight > 0)

    def against(self, count: int) -> tuple[tuple[str, float], ...]:
        """Those whose weights are below 0, what speaks against the answer, most of all first."""
        texts, weights = self.explanation.units.placed, self.explanation.weights.tolist()
        order = sorted((place for place, weight in enumerate(weights) if weight < 0), key=lambda place: weights[place])
        return tuple((texts[place], weights[place]) for place in order[:count])

    def segments(self) -> tuple[tuple[str, int | None], ...]:
        """A text in pieces, in order: (piece, its unit's place), or (piece, None) for what lies between units. Of units
        that are no parts of a text, each is a piece, with a space between, or a dot where they have spaces
        themselves."""
        units = self.explanation.units
        if units.spans is None or units.source is None:
            between = " · " if any(" " in text for text in units.texts) else " "
            parts = [piece for place, text in enumerate(units.texts) for piece in ((between, None), (text, place))]
            return tuple(parts[1:])
        pieces: list[tuple[str, int | None]] = []
        at = 0
        for place, (start, end) in enumerate(units.spans):
            if start > at:
                pieces.append((units.source[at:start], None))
            if end > start and start >= at:
                pieces.append((units.source[start:end], place))
            at = max(at, end)
        if at < len(units.source):
            pieces.append((units.source[at:], None))
        return tuple(pieces)

    def share(self, place: int) -> float:
        """A unit's weight as a share of the largest weight's size, -1 to 1: its colour."""
        return float(self.explanation.weights[place]) / self.most if self.most > 0 else 0.0

    @cached_property
    def most(self) -> float:
        """The size of the largest weight."""
        return float(self.explanation.weights.abs().max())
