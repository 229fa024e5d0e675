"""Parameter randomisation: does the explanation change when what the model learned is destroyed?

Adebayo et al. 2018, "Sanity Checks for Saliency Maps" (arXiv 1810.03292), cascading randomisation: from the answer down
to the input, one layer after the other loses its parameters, and each time the explanation is made again. One that
stays the same does not depend on what was learned. They draw new parameters as before training; here the numbers of
each tensor are shuffled, which any model allows and which leaves their distribution as it was.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn

from regard.spec.errors import SpecError
from regard.spec.extra import require


@dataclass(frozen=True)
class Randomised:
    """layer: the last one that lost its parameters, all above it too. similar: Spearman's rank correlation of the
    explanation with that of the trained model, -1 to 1; magnitudes: the same of the weights without their signs."""

    layer: str
    similar: float
    magnitudes: float


def randomised(
    model: nn.Module,
    explain: Callable[[nn.Module], ArrayLike],
    *,
    layers: Sequence[str] | None = None,
    seed: int = 0,
) -> tuple[Randomised, ...]:
    """One row a layer, from the top.

    explain: a model -> the weights (units,) of one input, always for the same target. layers: the beginnings of
    parameter names, the top first; by default those of `layers_from_the_top`. The model itself stays as it is.

    Raises:
        SpecError: there is no parameter under one of the names.
        MissingExtraError: scipy is not installed.
    """
    require("scipy", what="a rank correlation")
    names = layers_from_the_top(model) if layers is None else tuple(layers)
    true = np.asarray(explain(model), dtype=np.float64)
    changed, drawn = copy.deepcopy(model), torch.Generator().manual_seed(seed)
    rows = []
    for name in names:
        _shuffle(changed, name, drawn)
        found = np.asarray(explain(changed), dtype=np.float64)
        rows.append(Randomised(name, _spearman(true, found), _spearman(abs(true), abs(found))))
    return tuple(rows)


def layers_from_the_top(model: nn.Module) -> tuple[str, ...]:
    """A model's layers as beginnings of its parameters' names, the last registered one first.

    A name ends with its first number ("encoder.layers.3"), or without one is the module that the parameter's module
    lies in ("bert.pooler" of "bert.pooler.dense.weight"; "classes" of "classes.weight").
    """
    found: dict[str, None] = {}
    for name, _ in model.named_parameters():
        parts = name.split(".")
        number = next((place for place, part in enumerate(parts) if part.isdigit()), None)
        end = max(1, len(parts) - 2) if number is None else number + 1
        found[".".join(parts[:end])] = None
    return tuple(reversed(found))


def _shuffle(model: nn.Module, layer: str, drawn: torch.Generator) -> None:
    under = [one for name, one in model.named_parameters() if name == layer or name.startswith(f"{layer}.")]
    if not under:
        raise SpecError(f"randomised: there is no parameter under {layer!r}")
    with torch.no_grad():
        for one in under:
            one.copy_(one.flatten()[torch.randperm(one.numel(), generator=drawn).to(one.device)].view_as(one))


def _spearman(one: np.ndarray, other: np.ndarray) -> float:
    """0 where one of the two tells no units apart."""
    from scipy.stats import spearmanr

    if len(one) < 2 or not (np.ptp(one) > 0 and np.ptp(other) > 0):
        return 0.0
    return float(spearmanr(one, other).statistic)
