"""One text as a model read it: the answer, the words with their weights, and the evidence."""

from __future__ import annotations

from dataclasses import dataclass

from regard.lens.removal import RemovalCheck
from regard.lens.words import Word, heaviest

LIMITS = (
    "Weights show where this model's last attention looked, after its encoder had already mixed each word with its "
    "neighbours: they are not proof of what caused the answer. The removal check is one small test on one text."
)


@dataclass(frozen=True)
class Reading:
    """What `regard explain` shows. `probabilities`: every label, most probable first. `unread`: tokens of the text
    that the model does not read. `model`: a line that says which model read it. `removal`: None for a short text."""

    text: str
    label: str
    probability: float
    probabilities: tuple[tuple[str, float], ...]
    words: tuple[Word, ...]
    unread: int
    removal: RemovalCheck | None
    model: str

    def heaviest(self, count: int) -> tuple[Word, ...]:
        """The heaviest words, signs such as commas included: they are what the model read."""
        return heaviest(self.words, count)

    def segments(self) -> tuple[tuple[str, Word | None], ...]:
        """The text in pieces, in order: (piece, its word), or (piece, None) for what lies between words."""
        pieces: list[tuple[str, Word | None]] = []
        at = 0
        for word in self.words:
            if word.start > at:
                pieces.append((self.text[at : word.start], None))
            if word.end > word.start:
                pieces.append((word.text, word))
            at = max(at, word.end)
        if at < len(self.text):
            pieces.append((self.text[at:], None))
        return tuple(pieces)

    def share(self, word: Word) -> float:
        """The word's weight as a share of the heaviest word's: its colour."""
        most = max((each.weight for each in self.words), default=0.0)
        return word.weight / most if most > 0 else 0.0
