"""A budget for every attention call of a model in a block: a run's own layers, or a transformers model's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from regard.allocate.spending import Spending
from regard.allocate.use import use
from regard.app.studio.subjects import Found
from regard.engine.seam_exact import plainly
from regard.engine.seam_reach import Reached
from regard.engine.seams import reach
from regard.spec.budget import Budget

_BUDGET = re.compile(r"^Budget\(.*\) is less than")  # the budget is told beside it, in per cent


@contextmanager
def spent_by(found: Found, model: nn.Module, budget: Budget) -> Iterator[Spending]:
    """Every call that the model makes in this block on the budget. `use` takes over what a foreign model calls; a run's
    own layers call `attend`, and are answered here in the same way."""
    if found.kind == "model":
        with use(model, budget, at_most=None) as used:
            assert used.spending is not None
            yield used.spending
        return
    spending = Spending(budget, at_most=None)

    def answer(reached: Reached) -> Any:
        with torch._C.DisableTorchFunction(), plainly(reached.request):
            output = spending.answer(reached.name, reached.request)
        return reached.compute() if output is None else output

    with reach(model, answer):
        yield spending


@dataclass
class Reasons:
    """Why attention was not spent as asked, over several budgets."""

    _found: dict[tuple[str, str], list[tuple[float, int, int]]] = field(default_factory=dict)

    def add(self, share: float, left: Mapping[str, str], plain: Mapping[str, str], layers: int) -> None:
        """What happened on one budget. left, plain: by layer, why it ran exact, or was spent by window + sinks."""
        others = {path: why for path, why in plain.items() if path not in left}
        for what, reasons in (("ran exact", left), ("were spent by window + sinks", others)):
            for why, count in Counter(map(_shortened, reasons.values())).items():
                self._found.setdefault((what, why), []).append((share, count, layers))

    def notes(self) -> Sequence[str]:
        """A sentence a reason: at which budgets, how many of the attention calls, what, and why."""
        return [
            f"On {', '.join(f'{share:.0%}' for share, _, _ in rows)}: {max(count for _, count, _ in rows)} of "
            f"{rows[0][2]} attention layers {what}: {why}"
            for (what, why), rows in self._found.items()
        ]


def _shortened(why: str) -> str:
    return _BUDGET.sub("the budget is less than", why)
