"""Leave-one-out: are the units ordered as they matter one by one?

Jain & Wallace 2019, "Attention is not Explanation" (arXiv 1902.10186), section 4.1: Kendall's tau between the weights
and how much the answer changes without each unit. They take the change's size (the total variation of all answers);
here it is how far the target's probability falls, with its sign, because weights may have one, too. A tau of 1 does not
make an explanation right: two units that say the same do not matter one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regard.lens.faithfulness.metric import Better
from regard.lens.faithfulness.orders import Floats, Order, Rows
from regard.spec.extra import require


@dataclass(frozen=True)
class LeftOut:
    """Kendall's tau-b between the weights and the falls, -1 to 1; 0 where one of them tells no units apart."""

    name: str = "left out"
    better: Better = "higher"
    about: str = "Kendall's tau of the weights with how far the probability falls without each unit alone"

    def kept(self, order: Order) -> Rows:
        return ~np.eye(len(order), dtype=np.bool_)

    def value(self, weights: Floats, whole: float, found: Floats) -> float:
        require("scipy", what="Kendall's tau")
        from scipy.stats import kendalltau

        falls = whole - found
        if len(weights) < 2 or not (np.ptp(weights) > 0 and np.ptp(falls) > 0):
            return 0.0
        return float(kendalltau(weights, falls).statistic)
