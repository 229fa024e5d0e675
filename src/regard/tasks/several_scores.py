"""Scores of several tasks answered by one model: each task's own, and the mean of their first ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from regard.spec.errors import SpecError
from regard.tasks.scores.interval import Floats, Members, Resampled
from regard.tasks.scores.measure import Measure, Scored

Named = Sequence[tuple[str, Any]]  # of each row: its task, and its answer or what is true of it


def measures_of_several(each: Mapping[str, Sequence[Measure]], arrays: Mapping[str, bool]) -> tuple[Measure, ...]:
    """The mean over tasks of their first scores, then every task's scores, its name before theirs.

    `arrays`: which tasks' answers and truths are numbers, to be measured as an array.

    Raises:
        SpecError: of some tasks' first scores higher is better, of others lower: they have no mean.
    """
    if len({one[0].better for one in each.values()}) > 1:
        raise SpecError(f"tasks whose first scores point different ways have no mean: {', '.join(each)}")
    own = {
        name: [replace(one, name=f"{name}: {one.name}", weigh=_of(name, one, array=arrays[name])) for one in measures]
        for name, measures in each.items()
    }
    first = [measures[0] for measures in own.values()]
    mean = Measure("mean over tasks", _mean(list(each), first), first[0].better)
    return mean, *(one for measures in own.values() for one in measures)


def _of(task: str, measure: Measure, *, array: bool) -> Any:
    def weigh(answers: Named, truths: Named) -> Scored:
        return measure.weigh(_mine(task, answers, array=array), _mine(task, truths, array=array))

    return weigh


def _mine(task: str, values: Named, *, array: bool) -> Any:
    mine = [value for name, value in values if name == task]
    return np.stack(mine) if array else mine


def _mean(tasks: Sequence[str], measures: Sequence[Measure]) -> Any:
    def weigh(answers: Named, truths: Named) -> Scored:
        scored = [one.weigh(answers, truths) for one in measures]
        names = np.array([name for name, _ in truths])
        whose = [np.flatnonzero(names == task) for task in tasks]

        def pooled(among: Members) -> Resampled:
            parts = [
                one.pooled(Members(among.of_row[rows], among.units, among.words))
                for one, rows in zip(scored, whose, strict=True)
            ]

            def score(drawn: Floats) -> Floats:
                found: Floats = np.mean([part(drawn) for part in parts], axis=0)
                return found

            return score

        return Scored(len(truths), pooled)

    return weigh
