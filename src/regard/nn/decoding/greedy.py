"""Greedy decoding: always the likeliest next token."""

from __future__ import annotations

from regard.nn.decoding.steps import Limits, Output, Steps
from regard.nn.decoding.walk import walk


def greedy(steps: Steps, context: object, limits: Limits) -> list[Output]:
    """One output for each source of `context`, which is what `steps.start` takes. The same as a beam of width 1.

    Raises what the model raises for its context, and what `log_probabilities` does.
    """
    return walk(steps, context, limits, lambda logs: logs.argmax(-1))
