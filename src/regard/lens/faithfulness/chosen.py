"""Which explanation to show: the one that was measured to be the most faithful."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from regard.lens.faithfulness.interval import Mean, mean
from regard.lens.faithfulness.measure import Measured
from regard.lens.faithfulness.orders import BASELINES, RANDOM
from regard.lens.faithfulness.rationale import Comprehensiveness, Sufficiency
from regard.spec.errors import SpecError

_NEEDED, _ENOUGH = Comprehensiveness().name, Sufficiency().name
_EQUAL = 1e-9  # of two balances, which are differences of probabilities
_NAMED = 3  # others that a sentence names


@dataclass(frozen=True)
class Chosen:
    """name: of the explanation. told_apart: whether it is ahead of random order by more than chance on these inputs
    (never, of one input). tied: the others that it is not told apart from, the nearest first: its lead over them, input
    by input, may be chance; of one input all of them. why: a sentence with the figures, and what decided."""

    name: str
    told_apart: bool
    why: str
    tied: tuple[str, ...] = ()


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
    most = max(means[name].value for name in names)
    best, *equal = [name for name in names if most - means[name].value <= _EQUAL]
    others = sorted((name for name in names if name != best), key=lambda name: -means[name].value)
    ways = list(dict.fromkeys(one.way for one in measured))
    inputs = sum(one.way == ways[0] for one in measured)
    leads = {name: _lead(scores, best, name) for name in (*others, RANDOM)}
    tied = tuple(name for name in others if inputs == 1 or not leads[name].above_zero)
    on = "this input alone" if inputs == 1 else f"{inputs} inputs"
    rest = "; ".join(f"{name} {means[name].value:.3f}" for name in (*others[:2], RANDOM))
    return Chosen(
        name=best,
        told_apart=inputs > 1 and leads[RANDOM].above_zero,
        why=f"the best of {len(names)} by comprehensiveness less sufficiency, measured on {on} "
        f"({', '.join(ways)}): {means[best].value:.3f}; {rest}{_decided(equal, tied, inputs)}",
        tied=tied,
    )


def _lead(scores: Mapping[str, Sequence[float]], best: str, other: str) -> Mean:
    return mean([one - another for one, another in zip(scores[best], scores[other], strict=True)])


def _decided(equal: Sequence[str], tied: Sequence[str], inputs: int) -> str:
    """What decided where the best one is not told apart from others; nothing where it is."""
    if equal:
        return f"; {_some(equal)} did as well: of equals the one that stands first in the table of methods was taken"
    if tied and inputs == 1:
        return "; one input cannot tell methods apart: the largest figure decided"
    if tied:
        return f"; not told apart from {_some(tied)} on these inputs: the largest mean decided"
    return ""


def _some(names: Sequence[str]) -> str:
    shown, more = list(names[:_NAMED]), len(names) - _NAMED
    if more > 0:
        return f"{', '.join(shown)} and {more} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _balance(measured: Measured, name: str) -> float:
    return measured.values[name][_NEEDED] - measured.values[name][_ENOUGH]
