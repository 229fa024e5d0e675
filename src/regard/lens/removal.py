"""Evidence beside the picture: does the answer lean on the heaviest words more than on any other words?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from regard.lens.words import Word, heaviest, without

COUNT = 5
DRAWS = 20


@dataclass(frozen=True)
class RemovalCheck:
    """One label's probability before and after words were taken away.

    removed: the heaviest words, heaviest first. after_random: one probability for each random draw of as many words.
    """

    label: str
    removed: tuple[str, ...]
    before: float
    after_heaviest: float
    after_random: tuple[float, ...]
    seed: int

    @property
    def random_mean(self) -> float:
        """The mean probability after a random removal."""
        return float(np.mean(self.after_random))

    @property
    def as_low(self) -> int:
        """How many random removals brought the probability as low as removing the heaviest did, or lower."""
        return sum(after <= self.after_heaviest for after in self.after_random)

    def lines(self) -> tuple[str, ...]:
        """The check in words and numbers, a sentence a line."""
        count, draws = len(self.removed), len(self.after_random)
        words = "word" if count == 1 else "words"
        low, high = min(self.after_random), max(self.after_random)
        return (
            f"probability of {self.label!r} as read: {self.before:.3f}",
            f"without the {count} heaviest {words} ({', '.join(self.removed)}): {self.after_heaviest:.3f}",
            f"without {count} random {words}: {self.random_mean:.3f} on average ({draws} draws, {low:.3f} to "
            f"{high:.3f}, seed {self.seed}); {self.as_low} of {draws} as low as without the heaviest",
        )


def removal_check(
    text: str,
    words: Sequence[Word],
    probability: Callable[[Sequence[str]], Sequence[float]],
    *,
    label: str,
    count: int = COUNT,
    draws: int = DRAWS,
    seed: int = 0,
) -> RemovalCheck | None:
    """Removes the `count` heaviest words, and `draws` times as many random ones, and asks the model again.

    `probability` gives the label's probability for each of several texts. Only words with a letter or a digit are
    removed, in both cases, so that random draws are not spent on commas; and at most half of them, so that a short
    text is still one. All texts are built from what the model read (see `without`). None for fewer than two words.

    This is the comprehensiveness of DeYoung et al. 2020 (ERASER, arXiv 1911.03429, §4) beside a random baseline.
    """
    spoken = [place for place, word in enumerate(words) if word.spoken]
    count = min(count, len(spoken) // 2)
    if count < 1 or draws < 1:
        return None
    top = heaviest([words[place] for place in spoken], count)
    starts = {word.start for word in top}
    draw = np.random.default_rng(seed)
    chosen = [frozenset(place for place in spoken if words[place].start in starts)]
    chosen += [frozenset(draw.choice(spoken, count, replace=False).tolist()) for _ in range(draws)]
    found = probability([without(text, words, removed) for removed in (frozenset[int](), *chosen)])
    return RemovalCheck(
        label=label,
        removed=tuple(word.text for word in top),
        before=float(found[0]),
        after_heaviest=float(found[1]),
        after_random=tuple(map(float, found[2:])),
        seed=seed,
    )
