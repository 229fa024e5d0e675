"""Series parted by time: which stretches of history and future a forecaster learns from, chooses by, and is tested on.

What is tested comes last, and what chooses the best epoch just before it. A window's future lies wholly in its part;
its history may reach back into what came before, as it does when one really forecasts. No window crosses a gap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from regard.spec.errors import DataError, SpecError
from regard.tasks.readers.series import Series

Name = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Cut:
    """Where a series is parted: [0, train) is learned from, [train, validation) chooses, [validation, end) tests."""

    train: int
    validation: int
    end: int

    def part(self, name: Name) -> tuple[int, int]:
        """The places [start, stop) of a part."""
        parts = {
            "train": (0, self.train),
            "validation": (self.train, self.validation),
            "test": (self.validation, self.end),
        }
        return parts[name]


@dataclass(frozen=True)
class Window:
    """How many times are read (`context`), how many foretold (`horizon`), and how far the next window is (`stride`)."""

    context: int
    horizon: int
    stride: int = 1

    def __post_init__(self) -> None:
        if min(self.context, self.horizon, self.stride) < 1:
            raise SpecError(f"{self}: expected at least 1 of each")


def cut_series(series: Sequence[Series], *, test: int, validation: int) -> tuple[Cut, ...]:
    """Each series' last `test` times are its test part, and the `validation` ones before them choose.

    Counted from each series' own end: where ends differ, one series may be trained on days that another is tested on.

    Raises:
        DataError: a series is too short; the message names it.
    """
    cuts = []
    for one in series:
        end = len(one)
        if end <= test + validation:
            raise DataError(
                f"series {one.name!r} has {end:,} times, of which {test:,} to test and {validation:,} to validate "
                f"leave none to train on; leave it out, or ask for fewer"
            )
        cuts.append(Cut(end - test - validation, end - test, end))
    return tuple(cuts)


def windows_of(series: Sequence[Series], cuts: Sequence[Cut], name: Name, window: Window) -> NDArray[np.int64]:
    """The windows of a part: (windows, 2), a series' place in `series` and the place where the window's future begins.

    The future is the `horizon` times from there on, the history the `context` times before. In the test and validation
    parts windows go back from the end, so that the last times are always foretold.

    Raises:
        DataError: there are none; the message says how long the longest stretch without a gap is.
    """
    found = [
        np.column_stack((np.full(len(starts), number), starts))
        for number, (one, cut) in enumerate(zip(series, cuts, strict=True))
        for starts in _starts(one, cut.part(name), window, backwards=name != "train")
    ]
    whole: NDArray[np.int64] = np.concatenate(found) if found else np.empty((0, 2), dtype=np.int64)
    if not len(whole):
        longest = max((stop - start for one in series for start, stop in one.runs), default=0)
        raise DataError(
            f"no stretch of the {name} part holds {window.context:,} times and the {window.horizon:,} after them (the "
            f"longest without a gap, of all parts, has {longest:,}); ask for shorter ones"
        )
    return whole


def _starts(series: Series, part: tuple[int, int], window: Window, *, backwards: bool) -> Iterator[NDArray[np.int64]]:
    for start, stop in series.runs:
        first = max(start + window.context, part[0])
        last = min(stop, part[1]) - window.horizon
        if last >= first:
            places = np.arange(first, last + 1, window.stride)
            yield last - places[::-1] + first if backwards else places


def cut_given(series: Sequence[Series], column: str, *, validation: int, test: str = "test") -> tuple[Cut, ...]:
    """As the data part themselves: rows whose `column` (one of those kept) says `test` are the test part, and the
    `validation` times before them choose.

    Raises:
        DataError: a series says so of none of its last times, or of others than its last, or is too short.
    """
    cuts: list[Cut] = []
    for one in series:
        said = np.array([word == test for word in one.kept[column]])
        held = int(said.sum())
        if not held or not said[-held:].all():
            raise DataError(
                f"series {one.name!r}: expected {test!r} in column {column!r} of its last times, and of no others"
            )
        cuts += cut_series([one], test=held, validation=validation)
    return tuple(cuts)
