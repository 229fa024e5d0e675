"""`compare`: a model on a budget beside the same model without one, on the same inputs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from regard.allocate.allocation import Allocation
from regard.allocate.comparison import Comparison, Ran
from regard.allocate.measuring import relative
from regard.allocate.peak import extra_bytes
from regard.allocate.sample import (
    Sample,
    check_row,
    continued,
    decodes,
    logits_of,
    main_of,
    read_prompt,
)
from regard.allocate.spending import Spending
from regard.allocate.use import use
from regard.engine.attend import FEW_QUERIES, choose
from regard.spec.budget import Budget
from regard.spec.errors import SpecError
from regard.spec.request import Request
from regard.spec.value import described

EXACT = "exact"
WATCHED = 8  # of so many stretches of a decoded text, one is looked at for its errors, and not timed
Listener = Callable[[int], None]


def _unheard(tokens: int) -> None:
    """For those who do not listen."""


def compare(
    model: nn.Module,
    budget: Allocation | Budget | Mapping[str, Allocation | Budget],
    samples: Iterable[Any],
    *,
    prompt: int | None = None,
    metric: Callable[[nn.Module], float] | None = None,
    listen: Listener = _unheard,
) -> Comparison:
    """What one budget, or several by name, does to a model: loss, error of each attention's output, time, memory.

    A text that the model decodes is read as decoding would: its first `prompt` tokens (by default half of it) exactly,
    the rest 16 tokens at a time from the cache, every query on its own budget, the true tokens given. The loss is that
    of the rest, in nats a token. Any other input is run whole, with every query on the budget, and the error is that of
    the model's output; the loss is told where the model gives one.

    samples: as for `profile`; one text a sample. metric: a task's own measure, called with the model while it is in use
    (so that `model.generate` and the like run on the budget). listen: called with the number of tokens decoded so far.

    Raises:
        SpecError: no samples, a model in training mode, a padded sample, or an allocation for another model.
    """
    if isinstance(model, nn.Module) and any(part.training for part in model.modules()):
        raise SpecError(f"{type(model).__name__} is in training mode: call model.eval() first")
    ways = _ways(model, budget)
    tallies = {name: _Tally() for name in ways}
    count = done = 0
    with torch.no_grad():
        for given in samples:
            count += 1
            sample = Sample.of(given)
            if not decodes(model, sample):
                _whole(model, sample, ways, tallies)
                continue
            for tokens in _decoded(model, sample, ways, tallies, prompt):
                done += tokens
                listen(done)
    if not count:
        raise SpecError("there are no samples: give at least one input of the model")
    runs = [_ran(name, tally, tallies[EXACT]) for name, tally in tallies.items()]
    if metric is not None:
        runs = [replace(ran, metric=_metric(model, ways[ran.name], metric)) for ran in runs]
    return Comparison(type(model).__name__, count, tallies[EXACT].tokens, runs[0], tuple(runs[1:]))


@dataclass(eq=False)
class _Tally:
    """What one way of running has come to. losses: of each stretch, in nats, summed over its tokens. seconds: a token,
    of each stretch that was timed."""

    losses: list[float] = field(default_factory=list)
    tokens: int = 0
    read: float = 0.0
    full: float = 0.0
    seconds: list[float] = field(default_factory=list)
    peak: int | None = 0
    off: list[float] = field(default_factory=list)
    errors: dict[str, list[Tensor]] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    plain: dict[str, str] = field(default_factory=dict)

    def witness(self, path: str, request: Request, output: Tensor) -> None:
        """Hold an answer on a budget against the exact one to the same call."""
        exact = choose(request, None).run(request)[0]
        self.errors.setdefault(path, []).append(relative(output, exact).mean().cpu())

    def count(self, spending: Spending | None) -> None:
        if spending is not None:
            self.read += sum(spending.read.values())
            self.full += sum(spending.full.values())
            self.left |= spending.left
            self.plain |= spending.plain

    def took(self, peak: int | None) -> None:
        self.peak = None if peak is None or self.peak is None else max(self.peak, peak)


_Ways = dict[str, Allocation | Budget | None]


def _ways(model: nn.Module, budget: Any) -> _Ways:
    named = budget if isinstance(budget, Mapping) else {"budget": budget}
    if not named or EXACT in named:
        raise SpecError(f'compare needs at least one budget, and none is named "{EXACT}"; got {list(named)}')
    for name, each in named.items():
        if not isinstance(each, (Allocation, Budget)):
            raise SpecError(f"{name!r} is {described(each)}: expected an Allocation or a Budget")
        if isinstance(each, Allocation):
            each.check(model)
    return {EXACT: None, **named}


def _decoded(
    model: nn.Module, sample: Sample, ways: _Ways, tallies: dict[str, _Tally], prompt: int | None
) -> Iterator[int]:
    """Read the sample in each way; the number of tokens, after each."""
    ids = check_row(sample, 3)
    start = ids.shape[1] // 2 if prompt is None else prompt
    if not 0 < start < ids.shape[1] - 1:
        raise SpecError(f"prompt={prompt}: a sample has {ids.shape[1]} tokens; expected some before and some after it")
    for name, budget in ways.items():
        tally = tallies[name]
        with use(model, budget) as used:
            cache = _prompt(model, ids[:, :start], used.spending)
            rest = _rest(model, ids, start, cache, used.spending, tally)
            next(rest)  # with it goes what is spent once, such as compiling a loop
            read, peak = extra_bytes(partial(sum, rest))
        tally.took(peak if read and next(model.parameters()).device.type == "cpu" else None)
        yield ids.shape[1] - start


def _prompt(model: nn.Module, ids: Tensor, spending: Spending | None) -> Any:
    """The cache after a prompt that is read exactly, however short, in each way anew: policies learn from it."""
    if spending is not None:
        spending.at_most = 0
    cache = read_prompt(model, ids)
    if spending is not None:
        spending.at_most = FEW_QUERIES
    return cache


def _rest(
    model: nn.Module, ids: Tensor, start: int, cache: Any, spending: Spending | None, tally: _Tally
) -> Iterator[int]:
    """Read what comes after the prompt, a stretch at a time; the tokens of each. In every way the same are timed."""
    stretches = continued(model, ids, start, cache, FEW_QUERIES)
    for number in range(-(-(ids.shape[1] - start) // FEW_QUERIES)):
        watched = number % WATCHED == 0
        if spending is not None:
            spending.witness = tally.witness if watched else None
        began = time.perf_counter()
        places, output = next(stretches)
        if not watched:
            tally.seconds.append((time.perf_counter() - began) / len(places))
        _count_loss(tally, output, ids[0, places.start + 1 : places.stop + 1])
        yield len(places)
    tally.count(spending)


def _count_loss(tally: _Tally, output: Any, targets: Tensor) -> None:
    logits = logits_of(output)
    if logits is None:
        raise SpecError("the model gives no logits, so that there is no loss: load it with its language model head")
    said = logits[0, : len(targets)].double().log_softmax(-1)
    right = said.gather(-1, targets.to(said.device)[:, None].long())
    tally.losses.append(-float(right.sum()))
    tally.tokens += len(targets)


def _whole(model: nn.Module, sample: Sample, ways: _Ways, tallies: dict[str, _Tally]) -> None:
    """Run the whole sample in each way, every query on its budget."""
    exact: Tensor | None = None
    for name, budget in ways.items():
        tally = tallies[name]
        with use(model, budget, at_most=None) as used:
            if used.spending is not None:
                used.spending.witness = tally.witness
            output = sample.run(model, use_cache=False)
        tally.count(used.spending)
        loss = getattr(output, "loss", None)
        if isinstance(loss, Tensor):
            tally.losses.append(float(loss))
        main = main_of(output if logits_of(output) is None else logits_of(output)).double()
        tally.tokens += 1
        exact = main if exact is None else exact
        tally.off.append(float((main - exact).norm() / exact.norm().clamp_min(1e-30)))
        tally.peak = None


def _ran(name: str, tally: _Tally, exact: _Tally) -> Ran:
    known = bool(tally.losses)
    increase, error = _increase(tally.losses, exact.losses, tally.tokens) if known and name != EXACT else (None, None)
    return Ran(
        name=name,
        share=tally.read / tally.full if tally.full else 1.0,
        loss=sum(tally.losses) / tally.tokens if known else None,
        increase=increase,
        increase_error=error,
        off=sum(tally.off) / len(tally.off) if tally.off else None,
        errors={path: float(torch.stack(each).mean()) for path, each in tally.errors.items()},
        seconds=median(tally.seconds) if tally.seconds else None,
        extra_bytes=tally.peak,
        left=tally.left,
        plain=tally.plain,
    )


def _increase(losses: list[float], exact: list[float], tokens: int) -> tuple[float, float | None]:
    """(mean increase a token, its standard error), the stretches being taken as independent."""
    more = torch.tensor(losses, dtype=torch.float64) - torch.tensor(exact, dtype=torch.float64)
    error = float((more.var() * len(more)).sqrt()) / tokens if len(more) > 1 else None
    return float(more.sum()) / tokens, error


def _metric(model: nn.Module, budget: Any, metric: Callable[[nn.Module], float]) -> float:
    with torch.no_grad(), use(model, budget):
        return float(metric(model))
