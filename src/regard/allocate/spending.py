"""Answering a model's attention calls on a budget: which calls, by whose budget, and what they read."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from regard.allocate.allocation import Allocation
from regard.allocate.cut import at_heads, each_key, pairs
from regard.allocate.sketches import Sketches
from regard.allocate.watching import Watching, watches
from regard.engine.attend import FEW_QUERIES, choose
from regard.kernels.policies import spend
from regard.kernels.sketch import Sketch
from regard.kernels.sketch_basis import Basis
from regard.kernels.spent import Spent
from regard.spec.budget import Budget
from regard.spec.errors import KernelError, RegardError
from regard.spec.policy import Focus, HeavyHitters, ObservedWindow, WindowSinks
from regard.spec.request import Request

SMALL = 1024  # keys: layers whose window is no larger are left exact by one budget for all heads
Witness = Callable[[str, Request, Tensor], None]


@dataclass(eq=False)
class Spending:
    """budget: one for all heads, or an allocation. at_most: calls of more queries than that run exact;
    None for no limit. One budget for all heads leaves layers exact that have a window of at most 1,024 keys: what they
    read does not grow with the text, and they lose most by reading less (docs/decisions, "focus and periphery"). An
    allocation says of each layer what it is to read.

    read, full: bytes of keys and values, at 16 bits a number, that calls of few queries read, and would have read if
    exact, by module path. left: module path -> why its calls ran exact, those of many queries aside. plain: module
    path -> why its budget was spent by window + sinks in place of its own policy.
    """

    budget: Allocation | Budget
    at_most: int | None = FEW_QUERIES
    read: dict[str, float] = field(default_factory=dict)
    full: dict[str, float] = field(default_factory=dict)
    long: int = 0  # calls of more queries than `at_most`
    witness: Witness | None = None  # shown each call that was answered, with its answer
    left: dict[str, str] = field(default_factory=dict)
    plain: dict[str, str] = field(default_factory=dict)
    sketches: Sketches = field(default_factory=Sketches)
    watching: Watching = field(default_factory=Watching)

    def answer(self, path: str, request: Request, *, window: float = math.inf) -> Tensor | None:
        """The output of one call on its budget, (batch, heads, query_len, value_dim); None where it is to run exact.

        `request` is over the keys in reach of its queries alone. window: how many keys one query can reach by the
        layer's mask, however long the text is.
        """
        small = isinstance(self.budget, Budget) and window <= SMALL
        if self.at_most is not None and request.place.query_len > self.at_most:
            self.long += 1
            if not small:
                self._learn(path, request)
            return None
        if not (request.place.query_len and request.place.key_len):
            return None
        outputs, read = [], 0.0
        if small:
            self.left[path] = f"its window of {window:,.0f} keys is small: one budget for all leaves such layers exact"
        try:
            for heads, budget in () if small else self._runs(path, request):
                output, bytes_ = self._spent(path, heads, at_heads(request, heads), budget)
                outputs.append(output)
                read += bytes_
        except RegardError as error:
            self.left[path] = " ".join(str(error).split())
            outputs = []
        full = _everything(request)
        self.read[path] = self.read.get(path, 0.0) + (read if outputs else full)
        self.full[path] = self.full.get(path, 0.0) + full
        if not outputs:
            return None
        output = outputs[0] if len(outputs) == 1 else torch.cat(outputs, 1)
        if self.witness is not None:
            self.witness(path, request, output)
        return output

    def _runs(self, path: str, request: Request) -> tuple[tuple[range, Budget], ...]:
        """Which key heads run together, on which budget; none, and why in `left`, where the call is to run exact."""
        heads = request.key.shape[1]
        if request.dropout:
            self.left[path] = "it drops weights at random (dropout)"
            return ()
        if isinstance(self.budget, Budget):
            return ((range(heads), self.budget),)
        runs = self.budget.runs(path)
        if not runs:
            self.left[path] = "the allocation has no budget for it"
        elif runs[-1][0].stop != heads:
            self.left[path] = f"it has {heads} key heads, and the allocation {runs[-1][0].stop}"
        elif len(runs) > 1 and (request.biases or request.score.tensors()):
            self.left[path] = "its scores are learned or have biases, and its heads have budgets of their own"
        else:
            return runs
        return ()

    def _learn(self, path: str, request: Request) -> None:
        """A prompt that is read exactly: its keys are sketched for what follows."""
        if request.dropout or not (request.place.query_len and request.place.key_len):
            return
        for heads, budget in self._runs(path, request):
            part, policy = at_heads(request, heads), budget.policy
            if budget.fraction == 1:
                continue
            if isinstance(policy, Focus):
                self.sketches.learn(path, heads, part, policy, self._basis(path, heads))
            elif isinstance(policy, (HeavyHitters, ObservedWindow)) and policy.received is None:
                self.watching.prompt(path, heads, part, policy)

    def _basis(self, path: str, heads: range) -> Basis | None:
        return self.budget.basis(path, heads) if isinstance(self.budget, Allocation) else None

    def _spent(self, path: str, heads: range, request: Request, budget: Budget) -> tuple[Tensor, float]:
        """(output, bytes that were read)."""
        if budget.fraction == 1:
            return choose(request, None).run(request)[0], _everything(request)
        spent, reason = self._kept_to(path, heads, request, budget)
        if reason is not None:
            self.plain[path] = reason
        return spent.output, float(spent.bytes.sum())

    def _kept_to(self, path: str, heads: range, request: Request, budget: Budget) -> tuple[Spent, str | None]:
        if watches(budget.policy):
            try:
                return self.watching.answer(path, heads, request, budget), None
            except RegardError as error:
                return _plainly(request, budget, error)
        if not isinstance(budget.policy, Focus):
            return kept_to(request, budget)
        try:
            sketch = self.sketches.of(path, heads, request, budget.policy, self._basis(path, heads))
        except RegardError as error:
            return _plainly(request, budget, error)
        if sketch is None:
            return _plainly(request, budget, "its keys begin otherwise at each call, so that no sketch can follow them")
        return kept_to(request, budget, sketch)

    def share(self) -> float | None:
        """Of all bytes that calls of few queries may read, how many were read; None where there were no such calls."""
        full = sum(self.full.values())
        return sum(self.read.values()) / full if full else None

    def words(self) -> str:
        """What was read, on one line."""
        read, full = sum(self.read.values()), sum(self.full.values())
        if not full:
            told = f"no call of {self.at_most} queries or fewer came" if self.long else "no call came"
            return f"on a budget: {told}"
        long = f"; {self.long:,} calls of more than {self.at_most} queries ran exact" if self.long else ""
        return (
            f"on a budget: {_bytes(read)} of {_bytes(full)} of keys and values read ({100 * read / full:.3g} %){long}"
        )


def _everything(request: Request) -> float:
    """Bytes of all that the queries of a call may attend to."""
    return pairs(request) * request.key.shape[1] * each_key(request)


def kept_to(request: Request, budget: Budget, sketch: Sketch | None = None) -> tuple[Spent, str | None]:
    """What a budget's policy makes of a call, and None; or, where it cannot do it (a sketch alone may take more than a
    budget has), what window + sinks make of the same budget, and why: a budget is kept to.

    sketch: for `Focus`, see `regard.kernels.policies.spend`.

    Raises `KernelError` where neither can.
    """
    try:
        return spend(request, budget, sketch), None
    except RegardError as error:
        if isinstance(budget.policy, WindowSinks):
            raise
        return _plainly(request, budget, error)


def _plainly(request: Request, budget: Budget, why: RegardError | str) -> tuple[Spent, str]:
    """Window + sinks on the same budget, and the reason; a tolerance it cannot keep."""
    if budget.tolerance is not None:
        raise why if isinstance(why, RegardError) else KernelError(why)
    plain = Budget(fraction=budget.fraction, keys=budget.keys, policy=WindowSinks())
    return spend(request, plain), " ".join(str(why).split())


def _bytes(count: float) -> str:
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.3g} bytes"
