"""Worked examples for `regard walk --example`, one a row of the table, each with what is to be known about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch

from regard.app.walking import Numbers, from_sentence, scaled_formula, walk
from regard.spec.errors import SpecError
from regard.spec.score import ActivatedDot, Dot, ScaledDot


def example(name: str) -> Numbers:
    """The worked example of that name.

    Raises:
        SpecError: there is none; the message lists those there are.
    """
    if name not in EXAMPLES:
        raise SpecError(f"--example {name!r} is none; those there are: {', '.join(EXAMPLES)}")
    return EXAMPLES[name]()


def half() -> Numbers:
    """Query .5, keys (1, 1), values (1, 2): equal scores, equal weights, and the mean of the values."""
    query = np.array([[0.5]])
    return Numbers(
        query=query,
        key=np.array([[1.0], [1.0]]),
        value=np.array([[1.0], [2.0]]),
        residual=query,
        query_names=("query",),
        key_names=("key 1", "key 2"),
        score=ScaledDot(),
        formula=scaled_formula(1),
        notes=("One query, .5, and two equal keys, 1 and 1, with the values 1 and 2.",),
        remarks=(
            "Equal scores give equal weights, .5 and .5, so that the context is .5 · 1 + .5 · 2 = 1.5.",
            "Texts that leave the residual out call this context, 1.5, the output.",
        ),
    )


def cat_dog_pig() -> Numbers:
    """Three one-hot words, with a sigmoid inside the exponential."""
    words = ("cat", "dog", "pig")
    table = np.eye(3)
    sigmoid = Numbers(
        *(table, table, table, table, words, words),
        score=ActivatedDot(torch.zeros(3, dtype=torch.float64), 0.0, "sigmoid"),
        formula="score(i, j) = σ(q_i · k_j + u · k_j + b),  here u = 0 and b = 0",
        notes=("Each word is a vector with a single 1: a word matches itself (q · k = 1) and no other (q · k = 0).",),
    )
    plain = Numbers(*(table, table, table, table, words, words), score=Dot(), formula="")
    with_sigmoid, without = (float(walk(numbers).weights[0, 0]) for numbers in (sigmoid, plain))
    return Numbers(
        *(table, table, table, table, words, words),
        score=sigmoid.score,
        formula=sigmoid.formula,
        notes=sigmoid.notes,
        remarks=(
            f"The cat gives itself {with_sigmoid:.3f}: σ squeezes the scores 1 and 0 into .731 and .5, so that the "
            "weights are nearly even.",
            "The .6 that was published for this example does not follow from the formula with the sigmoid; "
            f"without the sigmoid the weight is {without:.3f}.",
        ),
    )


def apples() -> Numbers:
    """我 喜欢 吃 苹果: four words that look at each other, a 4 x 4 matrix."""
    return from_sentence("我 喜欢 吃 苹果")


EXAMPLES: Mapping[str, Callable[[], Numbers]] = {"apples": apples, "cat-dog-pig": cat_dog_pig, "half": half}
