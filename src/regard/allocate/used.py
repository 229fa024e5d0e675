"""What happened to a model's attention while it was in use: which kernels ran, and what stayed the model's own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from regard.allocate.evicting import Evicting
from regard.allocate.spending import Spending
from regard.engine.seam_cache import Slot
from regard.engine.seam_cut import span
from regard.engine.seam_exact import Exact, plainly
from regard.engine.seam_reach import Reached, Reaching
from regard.spec.errors import KernelError
from regard.spec.request import Request

OWN = "the model's own"
BUDGETED = "on a budget"


@dataclass(eq=False)
class Used:
    """calls: module path -> kernel -> how many calls it ran; `OWN` counts those that were not taken over, `BUDGETED`
    those that were answered on a budget.

    kept: module path -> why the model's own computation ran there. spending: the bytes that budgets came to, and why
    calls of few queries ran exact (`spending.left`); None without a budget. eviction: what was held of the cache, where
    it was cut back, else None. `print(used)` shows it all.
    """

    model: str
    spending: Spending | None = None
    eviction: Evicting | None = None
    calls: dict[str, Counter[str]] = field(default_factory=dict)
    reaching: Reaching | None = None
    _kept: dict[str, str] = field(default_factory=dict)
    _doubted: dict[str, str] = field(default_factory=dict)  # those that a trial showed to compute something else
    _exact: Exact = field(default_factory=Exact)

    @property
    def kept(self) -> dict[str, str]:
        return {**({} if self.reaching is None else self.reaching.unread), **self._kept}

    @property
    def unseen(self) -> dict[str, str]:
        """Module path -> why no attention call of it could be seen."""
        if self.reaching is None:
            return {}
        return {path: why for path, why in self.reaching.unseen.items() if path not in self.reaching.unread}

    @property
    def written(self) -> dict[str, int]:
        """Masks that were laid out as query x key tensors all the same, by what asked for it -> how many."""
        return {} if self.reaching is None else dict(self.reaching.written)

    def handle(self, reached: Reached) -> Any:
        """Answer one call in the model's stead, or let the model compute it."""
        calls = self.calls.setdefault(reached.name, Counter())
        slot = None if self.eviction is None else self.eviction.slot(reached)
        reason = reached.answer.kept or self._doubt(reached, calls.total())
        if slot is not None:
            return reached.give(self._evicted(slot, reached, reason))
        if reason is None:
            request = self._reduced(reached.request)
            output = self._spent(reached, request)
            if output is not None:
                calls[BUDGETED] += 1
                return reached.give(output)
            try:
                row = self._exact.row(request)
            except KernelError as error:
                reason = " ".join(str(error).split())
        if reason is not None:
            calls[OWN] += 1
            self._kept[reached.name] = reason
            return reached.compute()
        calls[row.name] += 1
        with torch._C.DisableTorchFunction(), plainly(request):
            output = row.run(request)[0]
        return reached.give(output)

    def _evicted(self, slot: Slot, reached: Reached, reason: str | None) -> Tensor:
        """One call over what is held of a cache. Raises `KernelError` where only the model's own computation will do:
        it would see the new keys alone."""
        if reason is not None:
            raise KernelError(f"{reached.name}: with a cache that is cut back, regard must compute it, but {reason}")
        ran: list[str] = []

        def run(request: Request) -> tuple[Tensor, Tensor | None]:
            request = self._reduced(request)
            row = self._exact.row(request)
            ran.append(row.name)
            with torch._C.DisableTorchFunction(), plainly(request):
                return row.run(request)

        assert self.eviction is not None
        with torch._C.DisableTorchFunction():
            output = self.eviction.answer(slot, reached, run)
        self.calls[reached.name][ran[0]] += 1
        return output

    def __str__(self) -> str:
        lines = [f"{self.model}: {self._summary()}"]
        lines += _table(self.calls)
        lines += [] if self.eviction is None else [str(self.eviction)]
        if self.spending is not None:
            lines.append(self.spending.words())
        left = {} if self.spending is None else self.spending.left
        plain = {} if self.spending is None else self.spending.plain
        told = {path: f"window + sinks in place of its policy: {why}" for path, why in plain.items()}
        for title, reasons in (("spent", told), ("exact", left), ("kept", self.kept), ("unseen", self.unseen)):
            lines += [f"{title:<8}{path}: {reason}" for path, reason in _gathered(reasons)]
        lines += [f"written {count} mask(s) in full: {what}" for what, count in sorted(self.written.items())]
        return "\n".join(lines)

    def _summary(self) -> str:
        total = sum(counts.total() for counts in self.calls.values())
        own = sum(counts[OWN] for counts in self.calls.values())
        if not total:
            if self.reaching is None or not self.reaching.turn:
                return "no attention was reached: call the model in the block, and in its thread"
            if self.kept or self.unseen:
                return "the model was called, and none of its attention could be reached"
            return "the model was called, but has no attention that can be reached"
        return f"{total - own:,} of {total:,} attention calls taken over"

    def _doubt(self, reached: Reached, before: int) -> str | None:
        """A way in that is not known by its arguments alone is tried at its 1st, 2nd, 4th, 8th call."""
        name, count = reached.name, before + 1
        if name not in self._doubted and count & (count - 1) == 0:
            reason = reached.answer.tried(reached.request)
            if reason is not None:
                self._doubted[name] = reason
        return self._doubted.get(name)

    def _spent(self, reached: Reached, request: Request) -> Tensor | None:
        """The output on a budget, where there is one for this call."""
        if self.spending is None:
            return None
        with torch._C.DisableTorchFunction(), plainly(request):
            low, high = span(reached.request.mask)
            return self.spending.answer(reached.name, request, window=high - low + 1)

    def _reduced(self, request: Request) -> Request:
        return self._exact.reduced(request)


def _table(calls: dict[str, Counter[str]]) -> list[str]:
    """A line for the modules whose paths differ in numbers alone and that ran the same."""
    groups: dict[tuple[str, str], list[int]] = {}
    for path, counts in calls.items():
        ran = ", ".join(f"{name} {count:,}" for name, count in counts.most_common())
        groups.setdefault((re.sub(r"\d+", "*", path), ran), []).append(counts.total())
    width = max((len(path) for path, _ in groups), default=0)
    return [f"  {path:<{width}}  {len(each):>3} x  {ran}" for (path, ran), each in groups.items()]


def _gathered(reasons: Mapping[str, str]) -> list[tuple[str, str]]:
    """Reasons by path, one for the paths that differ in numbers alone."""
    found: dict[tuple[str, str], None] = {}
    for path, reason in reasons.items():
        found.setdefault((re.sub(r"\d+", "*", path), reason))
    return list(found)
