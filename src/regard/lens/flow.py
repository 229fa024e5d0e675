"""The attention calls of one pass over one input, in order, and between which sequences each of them carries."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from regard.engine.seam_exact import Exact
from regard.engine.seam_reach import Reached
from regard.engine.seams import reach
from regard.lens.projections import Projections
from regard.lens.question import Attention
from regard.lens.sides import holder_of
from regard.spec.errors import KernelError, ShapeError, SpecError
from regard.spec.request import Request

__all__ = ["Call", "Flow", "places", "recorded"]

LONG = 4096  # keys: from here on a model's own masks, query x key, are worth avoiding
ASKED, READ, SUMMARY = "asked", "read", "summary"  # the sequence that asks, the encoder's beside it, learned queries


@dataclass(frozen=True, eq=False)
class Call:
    """One attention call. queries, keys: which sequence each of its axes is: "asked", "read" (what cross-attention
    reads), or "summary" (queries that are learned, and no tokens). request: detached; its value is its key where values
    were not asked for. gradient: (1, heads, queries, value_dim) of the score with respect to what the call gives, where
    it was asked for. projection: (heads, value_dim, out) what the heads' outputs are multiplied with, where it was
    asked for and found."""

    name: str
    queries: str
    keys: str
    request: Request
    gradient: Tensor | None = None
    projection: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Flow:
    """calls: in the order they ran. readout: (tokens of the asked sequence,) shares of 1, where the last layer's output
    is read. explained: the sequence whose units are weighed. found: how the readout is known, in words."""

    calls: tuple[Call, ...]
    readout: Tensor
    explained: str
    found: str


@dataclass(eq=False)
class _Seen:
    """A call as it was reached: what the model got (`out`), and how heads' outputs become that."""

    name: str
    kind: str
    request: Request
    out: Tensor
    give: Callable[[Tensor], Any]


class _Watcher:
    """The handler: keeps every call. `leaf`: the number of the call from which on gradients are wanted, or None."""

    def __init__(self, *, values: bool, graph: bool, leaf: int | None = None) -> None:
        self.values, self.graph, self.leaf = values, graph, leaf
        self.exact = Exact()
        self.seen: list[_Seen] = []
        self.doubts: dict[str, str] = {}

    def __call__(self, reached: Reached) -> Any:
        made = self._made(reached)
        out = _first(made)
        if len(self.seen) == self.leaf:
            torch.set_grad_enabled(True)
        begins = len(self.seen) == self.leaf or (self.graph and not out.requires_grad)  # a model with nothing to train
        if begins:
            out = out.detach().requires_grad_()
            made = _with_first(made, out)
        request = _detached(reached.request, values=self.values)
        kept = out if self.graph or len(self.seen) == self.leaf else out.new_empty(0)
        self.seen.append(_Seen(reached.name, reached.kind, request, kept, reached.answer.give))
        return made

    def _made(self, reached: Reached) -> Any:
        """What the model gets: its own computation's output, or, of a long sequence, that of a kernel of linear memory
        (the same but for rounding)."""
        long = reached.request.place.key_len >= LONG and not self.graph
        if long and reached.answer.kept is None and reached.answer.tried(reached.request) is None:
            with suppress(KernelError):
                return reached.give(self.exact.run(reached.request))
        made = reached.compute()
        doubt = reached.explains(made)
        if doubt is not None:
            self.doubts[reached.name] = doubt
        return made


def recorded(attention: Attention, *, gradients: bool = False, values: bool = False) -> Flow:
    """Runs the model once, and keeps what its attention was asked; without `gradients` in memory linear in the length.

    gradients: also of the score with respect to each call's output. values: keep the values, and look for what the
    heads' outputs are projected with.

    Raises:
        SpecError: attention that cannot be seen, or none, or calls that do not fit one flow of tokens (tokens that are
            dropped between layers, windows folded into the batch).
    """
    watcher = _Watcher(values=values or gradients, graph=gradients)
    projections = Projections(attention.model) if values else None
    answers = gradients or len(attention.tokens) >= LONG
    # torch's own layers compute everything at once on their fast path, and nothing can be differentiated there
    with torch.set_grad_enabled(gradients), reach(attention.model, watcher, answers=answers) as reaching:
        if projections is None:
            score = attention.run()
        else:
            with projections.looking(lambda: len(watcher.seen)):
                score = attention.run()
    _check(watcher, {**reaching.unseen, **watcher.doubts}, attention)
    grads = _gradients(score, watcher.seen) if gradients else [None] * len(watcher.seen)
    sides, explained = _sides(watcher.seen)
    calls = tuple(
        Call(
            each.name,
            *side,
            each.request,
            grad,
            None if projections is None else projections.of(place, each.name, each.request),
        )
        for place, (each, side, grad) in enumerate(zip(watcher.seen, sides, grads, strict=True))
    )
    _check_lengths(calls, explained, len(attention.tokens))
    readout, found = _readout(attention, calls)
    return Flow(calls, readout, explained, found)


def _check(watcher: _Watcher, unseen: dict[str, str], attention: Attention) -> None:
    if unseen:
        told = "; ".join(f"{path} {reason}" for path, reason in list(unseen.items())[:3])
        raise SpecError(f"attention of {type(attention.model).__name__} cannot be followed: {told}")
    if not watcher.seen:
        raise SpecError(
            f"no attention was seen in {type(attention.model).__name__}: ask for a method that needs none, such as "
            "'integrated gradients' or 'occlusion'"
        )
    for each in watcher.seen:
        if each.request.place.batch != 1:
            raise SpecError(
                f"{each.name} attends in a batch of {each.request.place.batch}, of one input: windows folded into the "
                "batch cannot be followed"
            )


def _sides(seen: list[_Seen]) -> tuple[list[tuple[str, str]], str]:
    """Which sequence each call's queries and keys are, and which is explained. As in `lens.sides`: self-attention
    outside the part of the model in which all cross-attention lies belongs to what that reads."""
    crosses = [each.name for each in seen if each.kind == "cross"]
    holder = holder_of(crosses)
    beside = [each.name for each in seen if each.kind == "self" and holder is not None and each.name.startswith(holder)]
    found: list[tuple[str, str]] = []
    for each in seen:
        place = each.request.place
        if each.kind == "cross" and beside:
            found.append((ASKED, READ))
        elif each.kind == "cross" or place.query_len != place.key_len:
            found.append((SUMMARY, ASKED))
        else:
            found.append((READ, READ) if beside and each.name not in beside else (ASKED, ASKED))
    return found, READ if crosses and beside else ASKED


def _check_lengths(calls: tuple[Call, ...], explained: str, tokens: int) -> None:
    for call in calls:
        place = call.request.place
        if call.keys == explained and place.key_len != tokens:
            raise SpecError(
                f"{call.name} attends to {place.key_len} places, and the input has {tokens}: tokens that are dropped "
                "or put together between layers cannot be followed (a run with a budget is asked as a whole: regard "
                "explain --budget 1, or load_run(FOLDER, budget=1))"
            )


def _readout(attention: Attention, calls: tuple[Call, ...]) -> tuple[Tensor, str]:
    """Where the last layer's output is read, (tokens of the asked sequence,) float64."""
    last = max((place for place, call in enumerate(calls) if call.queries != READ), default=len(calls) - 1)
    if calls[last].queries == SUMMARY:
        return torch.ones(calls[last].request.place.query_len).double().softmax(0), "the pooling's queries"
    length = calls[last].request.place.query_len
    if attention.readout is not None:
        if len(attention.readout) != length:
            raise ShapeError(f"readout of {len(attention.readout)} places, but {calls[last].name} has {length} queries")
        return attention.readout.double(), "the places that the answer is read from"
    return _measured(attention, last), "the places of the last layer that the answer's gradient reaches, by its size"


def _measured(attention: Attention, last: int) -> Tensor:
    """The size of the score's gradient at each query of call number `last`, as shares; one more pass, whose graph
    begins there."""
    watcher = _Watcher(values=True, graph=False, leaf=last)
    with torch.no_grad():  # the watcher turns gradients on at that call; leaving this block turns them back
        with reach(attention.model, watcher, answers=True):
            score = attention.run()
        torch.set_grad_enabled(True)
        (grad,) = _gradients(score, [watcher.seen[last]])
    sizes = grad.double().pow(2).sum((0, 1, 3)).sqrt()
    if not float(sizes.sum()) > 0:
        raise SpecError(
            f"the answer does not depend on what {watcher.seen[last].name} gives: its attention explains nothing"
        )
    return sizes / sizes.sum()


def _gradients(score: Tensor, seen: list[_Seen]) -> list[Tensor]:
    """Of the score with respect to each call's output, by heads: (1, heads, queries, value_dim).

    What the model got is a linear function of the heads' outputs (`give`: laid out anew, perhaps projected); a gradient
    comes back through it without anything being computed twice.
    """
    outs = [each.out for each in seen]
    if not score.requires_grad:
        raise SpecError("the score has no gradient: the model computes without one, so that attention has none")
    grads = torch.autograd.grad(score.sum(), outs, allow_unused=True)
    if all(grad is None for grad in grads):
        raise SpecError(
            f"the answer's gradient does not pass through what {seen[-1].name} is seen to give: attention cannot be "
            "weighed by it here"
        )
    found = []
    for each, out, grad in zip(seen, outs, grads, strict=True):
        with torch.enable_grad():
            zeros = out.new_zeros(each.request.output_shape).requires_grad_()
            laid = _first(each.give(zeros))
            grad = torch.zeros_like(out) if grad is None else grad
            (back,) = torch.autograd.grad(laid, zeros, grad.reshape(laid.shape))
        found.append(back.detach())
    return found


def _detached(request: Request, *, values: bool) -> Request:
    key = request.key.detach()
    value = request.value.detach() if values else key
    return replace(request, query=request.query.detach(), key=key, value=value, dropout=0.0)


def _first(made: Any) -> Tensor:
    found: Tensor = made if isinstance(made, Tensor) else made[0]
    return found


def _with_first(made: Any, out: Tensor) -> Any:
    return out if isinstance(made, Tensor) else type(made)((out, *made[1:]))


def places(model: nn.Module, run: Callable[[], object]) -> int | None:
    """How many keys the model's first attention call has, of one input; None where none is seen, or where it attends
    in several windows at once."""
    watcher = _Watcher(values=False, graph=False)
    with torch.no_grad(), reach(model, watcher):
        run()
    first = watcher.seen[0].request.place if watcher.seen else None
    return first.key_len if first is not None and first.batch == 1 else None
