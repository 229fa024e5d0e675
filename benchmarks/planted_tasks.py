"""Tasks whose answer is known by construction: a few cue tokens among many that say nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PADDING, HIDDEN = 0, 1  # a hidden token stands for no word: training knows it, so that taking away is nothing new
LEFT, RIGHT = (2, 3, 4, 5), (6, 7, 8, 9)  # the cues, four of a kind
SAY_NOTHING = range(10, 60)
VOCABULARY = 60
SHORT, LONG = 14, 24  # tokens of an input
NEITHER = 2  # the class of an input without what it takes to decide

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Planted:
    """name, about: for tables. labels: the classes. rule: the visible tokens -> the class. cues: how many are put into
    an input at most. decides: tokens -> the places that make their class what it is, or None where those are not all
    and only the ones that matter."""

    name: str
    about: str
    labels: tuple[str, ...]
    rule: Callable[[Sequence[int]], int]
    cues: int
    decides: Callable[[Sequence[int]], tuple[int, ...] | None]

    def drawn(self, source: np.random.Generator) -> Ids:
        """One input: cues at any places among tokens that say nothing."""
        ids = source.choice(SAY_NOTHING, int(source.integers(SHORT, LONG + 1)))
        places = source.permutation(len(ids))[: int(source.integers(1, self.cues + 1))]
        ids[places] = source.choice(LEFT + RIGHT, len(places))
        return ids.astype(np.int64)

    def cases(self, count: int, *, seed: int) -> list[tuple[Ids, int, tuple[int, ...]]]:
        """Inputs, classes and truths, of those inputs that have one truth."""
        source, found = np.random.default_rng(seed), []
        while len(found) < count:
            ids = self.drawn(source)
            truth = self.decides(ids.tolist())
            if truth is not None:
                found.append((ids, self.rule(ids.tolist()), truth))
        return found

    def batch(self, rows: int, source: np.random.Generator) -> tuple[Ids, Ids, Ids]:
        """ids (rows, longest), lengths, classes: in each input any share of the tokens is hidden, and the class is that
        of what is left."""
        inputs = [self.drawn(source) for _ in range(rows)]
        for ids in inputs:
            ids[source.random(len(ids)) < source.random() ** 2] = HIDDEN
        lengths = np.array([len(ids) for ids in inputs])
        padded = np.full((rows, int(lengths.max())), PADDING)
        for row, ids in enumerate(inputs):
            padded[row, : len(ids)] = ids
        return padded, lengths, np.array([self.rule(ids.tolist()) for ids in inputs])


def cues_of(ids: Sequence[int]) -> list[tuple[int, int]]:
    """The places of the cues and the kind of each: 0 left, 1 right."""
    return [(place, int(token in RIGHT)) for place, token in enumerate(ids) if token in LEFT + RIGHT]


def _first(ids: Sequence[int]) -> int:
    found = cues_of(ids)
    return found[0][1] if found else NEITHER


def _only(ids: Sequence[int]) -> tuple[int, ...] | None:
    found = cues_of(ids)
    return (found[0][0],) if len(found) == 1 else None


def _first_against_others(ids: Sequence[int]) -> tuple[int, ...] | None:
    """The first cue alone decides where all later ones say the opposite; else a later one would do in its place."""
    found = cues_of(ids)
    opposed = len(found) > 1 and all(kind != found[0][1] for _, kind in found[1:])
    return (found[0][0],) if opposed else None


def _together(ids: Sequence[int]) -> int:
    return int({kind for _, kind in cues_of(ids)} != {0, 1})


def _both(ids: Sequence[int]) -> tuple[int, ...] | None:
    """Of one left and one right cue, both: without either the answer is the other one."""
    found = cues_of(ids)
    return (found[0][0], found[1][0]) if len(found) == 2 and found[0][1] != found[1][1] else None


TASKS = (
    Planted("one cue", "one of eight cue tokens decides", ("left", "right", "neither"), _first, 1, _only),
    Planted(
        "first cue",
        "the first of two or three cues decides; the later ones say the opposite",
        ("left", "right", "neither"),
        _first,
        3,
        _first_against_others,
    ),
    Planted("pair", "a left and a right cue decide together", ("both", "not both"), _together, 2, _both),
)
