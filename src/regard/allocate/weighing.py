"""What an error in one head's output does to what the model says, measured by gradients.

For small errors d in the outputs of a head, the model's next-token distribution moves by KL = 1/2 d^T F d, with F the
Fisher information of the labels as to that output: the mean of g g^T over labels drawn from the model's own
distribution, g the gradient of their log probability (Amari 1998; Martens 2014, arXiv 1412.1193, sec. 9). Errors of
different key heads and of different queries are taken to be independent; those of query heads that share a key head
are not, for they leave out the same keys. Then, in nats for each of T labels,

    cost   = 1/(2 T) * sum over queries of (sum over the heads of a key head of g . d)^2

for the very errors d that a policy makes, and for an error that points in no direction more than in another

    cost   = weight * (|d| / |o|)^2,   weight = 1/(2 T) * sum over queries and heads of |g|^2 |o|^2 / value_dim.

A model that gives no logits is weighed by its output as a whole: with u random normal numbers, S = sqrt(2) u . y / |y|
takes the place of the log probability, and a cost is the expected squared relative error of y (Hutchinson 1990). How
well this tells heads apart: docs/spend.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from regard.allocate.cut import reduced
from regard.allocate.lessons import Lessons
from regard.allocate.measuring import Asked, Measured, moves, unbudgeted
from regard.allocate.sample import Sample, check_length, continued, decodes, logits_of, main_of, read_prompt
from regard.allocate.used import Used
from regard.engine.attend import choose
from regard.engine.seam_reach import Reached
from regard.engine.seams import reach
from regard.spec.errors import RegardError, SpecError
from regard.spec.request import Request

TAIL = 128  # tokens at the end of a text that are read with gradients, where the model keeps what it has read
PAST = 512  # queries before those that a sketch is made by
DRAWS = 4  # of labels
NATS, OUTPUT = "nats a token", "share of the output"  # what costs are counted in


@dataclass(frozen=True, eq=False)
class Taken:
    """One call: the zero that was added to its output (batch, heads, query_len, value_dim), to differentiate by."""

    path: str
    kv_heads: int
    zero: Tensor
    output: Tensor
    measured: Measured


@dataclass(eq=False)
class Weighing:
    """Takes the calls of one sample in, and gives its figures. kept: module path -> why its calls have none.
    lessons: module path -> what the text teaches about a basis for sketches."""

    asked: Asked
    listen: Callable[[str], None]
    kept: dict[str, str] = field(default_factory=dict)
    taken: list[Taken] = field(default_factory=list)
    lessons: dict[str, Lessons] = field(default_factory=dict)
    _past: dict[str, Tensor] = field(default_factory=dict)
    _decodes: bool = False

    def run(self, model: nn.Module, sample: Sample) -> tuple[str, dict[str, dict[str, Tensor]]]:
        """(unit, module path -> the figures of `Layer`, by name).

        A decoder reads the sample up to its last 128 tokens without gradients, those with. Any other model is run
        whole, with the memory of a training step on one sample.

        Raises:
            SpecError: a text of fewer than 2 tokens, no call could be measured, or the output depends on none of them.
        """
        self._decodes = decodes(model, sample)
        if self._decodes:
            ids = sample.ids
            assert ids is not None
            check_length(ids, 2)  # one of them is read before, and one is measured
            prompt = max(1, ids.shape[1] - TAIL)
            reading = Used(type(model).__name__)
            with torch.no_grad(), reach(model, lambda reached: self._remember(reading, reached), answers=True):
                cache = read_prompt(model, ids[:, :prompt])
            with torch.enable_grad(), reach(model, self.handle, answers=True):
                (_, output), *_ = continued(model, ids, prompt, cache, TAIL)
        else:
            with torch.enable_grad(), reach(model, self.handle, answers=True):
                output = sample.run(model, use_cache=False)
        if not self.taken:
            told = "; ".join(f"{path}: {why}" for path, why in self.kept.items()) or "no attention was seen"
            raise SpecError(f"there is no head to measure ({told})")
        unit, draw, labels = _draws(output, torch.Generator().manual_seed(self.asked.seed))
        return unit, dict(self._figures(self._costs(draw, labels)))

    def handle(self, reached: Reached) -> Any:
        """Answer a call with its exact output and a zero that is there to be differentiated by; measure it beside."""
        path = reached.name
        self.listen(path)
        reason = self.kept.get(path) or reached.answer.kept or unbudgeted(reached.request)
        reason = reason or reached.answer.tried(reached.request)
        if reason is None:
            with torch._C.DisableTorchFunction():
                try:
                    request = reduced(reached.request)
                    output = choose(request, None).run(request)[0]
                    measured = self._measured(path, request, output, moves(reached.request))
                except RegardError as error:
                    reason = " ".join(str(error).split())
        if reason is not None:
            self.kept[path] = reason
            self.taken = [each for each in self.taken if each.path != path]
            return reached.compute()
        if measured is None:
            return reached.give(output)
        zero = torch.zeros_like(output, requires_grad=True)
        self.taken.append(Taken(path, request.key.shape[1], zero, output.detach(), measured))
        return reached.give(output + zero)

    def _measured(self, path: str, request: Request, output: Tensor, moving: bool) -> Measured | None:
        length = request.place.query_len
        first = 0 if self._decodes or length < 2 else length // 2  # queries that have a past to choose from
        plain = {name: getattr(request, name).detach() for name in ("query", "key", "value")}
        if not moving and not (self._decodes and path in self.lessons):  # a decoder's prompt has taught it
            self._learn(path, request)
        with torch.no_grad():
            return self.asked.measured(
                replace(request, **plain), output.detach(), first=first, past=self._past.get(path), moving=moving
            )

    def _remember(self, reading: Used, reached: Reached) -> Any:
        """Answer a call of the prompt as `use` does, and keep its last queries."""
        self._past[reached.name] = reached.request.query[:, :, -PAST:].detach()
        if not moves(reached.request):
            self._learn(reached.name, reached.request)
        return reading.handle(reached)

    def _learn(self, path: str, request: Request) -> None:
        found, before = Lessons.of(request, self.asked.policies), self.lessons.get(path)
        if found is not None:
            self.lessons[path] = found if before is None else before.plus(found)

    def _costs(self, draw: Callable[[], Tensor], labels: int) -> list[tuple[Tensor, Tensor]]:
        """For each call, weight (kv_heads,) and cost (kv_heads, policies, fractions), float64."""
        zeros = [each.zero for each in self.taken]
        found: list[tuple[Tensor, Tensor]] = []
        for number in range(DRAWS):
            drawn = draw()
            if not drawn.requires_grad:
                raise SpecError("what the model gives depends on no attention that can be reached: nothing to allocate")
            gradients = torch.autograd.grad(drawn, zeros, retain_graph=True, allow_unused=True)
            for at, (taken, gradient) in enumerate(zip(self.taken, gradients, strict=True)):
                one = _cost(taken, torch.zeros_like(taken.zero) if gradient is None else gradient, labels * DRAWS)
                if number:
                    found[at] = (found[at][0] + one[0], found[at][1] + one[1])
                else:
                    found.append(one)
        return found

    def _figures(self, costs: list[tuple[Tensor, Tensor]]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """(module path, figure -> mean over the calls that it made in this pass)."""
        size = (len(self.asked.policies), len(self.asked.fractions))
        parts: dict[str, dict[str, list[Tensor]]] = {}
        for taken, (weight, cost) in zip(self.taken, costs, strict=True):
            each = {**taken.measured.figures, "weight": weight, "cost": cost.view(taken.kv_heads, *size)}
            for name, value in each.items():
                parts.setdefault(taken.path, {}).setdefault(name, []).append(value)
        for path, figures in parts.items():
            yield path, {name: torch.stack(values).mean(0) for name, values in figures.items()}


def _cost(taken: Taken, gradient: Tensor, labels: int) -> tuple[Tensor, Tensor]:
    """weight (kv_heads,) and cost (kv_heads, points) of one call by one draw's gradient; `labels` in all draws."""
    wide, output = gradient.double(), taken.output.double()
    square = (wide.norm(dim=-1) * output.norm(dim=-1)) ** 2 / output.shape[-1]
    weight = square.view(len(square), taken.kv_heads, -1).sum((0, 2)) / (2 * labels)
    rows = taken.measured.rows.to(gradient.device)
    moved = (wide[:, :, rows, None] * taken.measured.deltas).sum(-1)  # (batch, heads, rows, points)
    shared = moved.unflatten(1, (taken.kv_heads, -1)).sum(2) ** 2  # type: ignore[no-untyped-call]
    # the rows stand for all queries of the call
    cost = shared.mean(2).sum(0) * gradient.shape[2] / (2 * labels)
    return weight.cpu(), cost.cpu()


def _draws(output: Any, source: torch.Generator) -> tuple[str, Callable[[], Tensor], int]:
    """(unit, a function that draws what to differentiate, how many labels that counts for)."""
    logits = logits_of(output)
    if logits is not None:
        said = logits.flatten(0, -2).float().log_softmax(-1)

        def labels() -> Tensor:
            chosen = said.detach().exp().cpu().multinomial(1, generator=source).to(said.device)
            return said.gather(-1, chosen).sum()

        return NATS, labels, len(said)
    made = main_of(output).float()
    size = made.detach().norm().clamp_min(1e-30)

    def directions() -> Tensor:
        random = torch.randn(made.shape, generator=source).to(made.device)
        drawn: Tensor = math.sqrt(2) * (random * made).sum() / size
        return drawn

    return OUTPUT, directions, 1
