"""Which explanation to show: the one that was measured to be the most faithful."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from regard.lens.faithfulness.interval import mean
from regard.lens.faithfulness.measure import Measured
from regard.lens.faithfulness.orders import BASELINES, RANDOM
from regard.lens.faithfulness.rationale import Comprehensiveness, Sufficiency
from regard.spec.errors import SpecError

_NEEDED, _ENOUGH = Comprehensiveness().name, Sufficiency().name


@dataclass(frozen=True)
class Chosen:
    """name: of the explanation. told_apart: whether it is ahead of random order by more than chance on these inputs
    (never, of one input). why: a sentence with the figures."""

    name: str
    told_apart: bool
    why: str


def choose(measured: Sequence[Measured]) -> Chosen:
    """Of the explanations that were measured on all inputs, under one or several ways, the one with the largest mean of
    comprehensiveness less sufficiency: what is taken away is missed, and what is kept is enough. Of equals the first.

    Occlusion asks the very questions that it is then measured by: under the way that it was made with it has an
    advantage, and less of one under others. Measured under several ways, this counts less.

    Raises:
        SpecError: there is nothing to choose from, or inputs that were measured for different explanations.
    """
    names = [name for name in measured[0].values if name not in BASELINES] if measured else []
    if not names or any(set(one.values) != set(measured[0].values) for one in measured):
        raise SpecError("choose: expected at least one input and one explanation, the same ones for all inputs")
    scores = {name: [_balance(one, name) for one in measured] for name in (*names, RANDOM)}
    means = {name: mean(each) for name, each in scores.items()}
    best, *others = sorted(names, key=lambda name: -means[name].value)
    gain = mean([one - other for one, other in zip(scores[best], scores[RANDOM], strict=True)])
    ways = list(dict.fromkeys(one.way for one in measured))
    inputs = sum(one.way == ways[0] for one in measured)
    on = "this input" if inputs == 1 else f"{inputs} inputs"
    rest = "; ".join(f"{name} {means[name].value:.3f}" for name in (*others[:2], RANDOM))
    return Chosen(
        name=best,
        told_apart=gain.above_zero,
        why=f"the best of {len(names)} by comprehensiveness less sufficiency, measured on {on} "
        f"({', '.join(ways)}): {means[best].value:.3f}; {rest}",
    )


def _balance(measured: Measured, name: str) -> float:
    return measured.values[name][_NEEDED] - measured.values[name][_ENOUGH]
