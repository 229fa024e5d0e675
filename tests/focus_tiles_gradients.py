"""Gradients of `Focus` for prompts, slowly: float64 and autograd, query by query, over what each tile reads.

Which keys a tile reads is taken from the kernel (tests/focus_tiles_reference.py holds it to a choice of its own).
"""

from __future__ import annotations

import torch
from tests.comparison import RESULT, SCORE, hold
from tests.focus_tiles_reference import BUDGET
from torch import Tensor

from regard.kernels import focus_tiles
from regard.kernels.sketch import Sketch
from regard.spec import Budget, Focus, Request
from regard.spec.score import General, Score


def check_gradients(made: Request, budget: Budget = BUDGET) -> None:
    """Of every tensor of `made`, from random gradients of output and lse. Raises AssertionError."""
    assert isinstance(budget.policy, Focus)
    given = tensors(made)
    found = focus_tiles.tiles(made, budget)
    pulls = [normal(found.output.shape, 5), normal(found.lse.shape, 6)]
    pulls[1][torch.isneginf(found.lse)] = 0.0
    outputs = (found.output, found.lse.masked_fill(torch.isneginf(found.lse), 0.0))
    kernel = torch.autograd.grad(outputs, given, [p.to(o) for p, o in zip(pulls, outputs, strict=True)])
    true_outputs, leaves, largest = plain(made, budget)
    true = torch.autograd.grad(true_outputs, leaves, pulls)
    eps = torch.finfo(torch.float32).eps
    for number, (mine, right) in enumerate(zip(kernel, true, strict=True)):
        assert mine.dtype == given[number].dtype
        own = max(eps, torch.finfo(mine.dtype).eps)
        noise = (RESULT * own + SCORE * eps * (1 + largest)) * (1 + float(right.abs().max()))
        hold(f"gradient {number}", mine, right, noise)


def tensors(made: Request) -> tuple[Tensor, ...]:
    return (made.query, made.key, made.value, *made.score.tensors(), *(made.sink.tensors() if made.sink else ()))


def normal(shape: torch.Size, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def plain(made: Request, budget: Budget) -> tuple[tuple[Tensor, Tensor], list[Tensor], float]:
    """((output, lse), the leaves that they are made of, the largest score)."""
    leaves = [each.detach().double().requires_grad_() for each in tensors(made)]
    query, key, value, *rest = leaves
    count = len(made.score.tensors())
    score: Score = General(rest[0]) if count else made.score
    form = score.prepare(query, key)
    sketch = Sketch.of(made.key.detach(), made.value.detach(), query=asked_of(made), policy=budget.policy)
    grain, groups, kv_heads = sketch.policy.grain, made.groups, made.key.shape[1]
    whole = sketch.length // grain
    outputs = torch.zeros(made.output_shape, dtype=torch.float64)
    lse = torch.full(made.output_shape[:3], -torch.inf, dtype=torch.float64)
    largest = 0.0
    for lane, _, _, choice in focus_tiles.choices(made, budget):
        item, head = divmod(lane, kv_heads)
        own_key, own_value = key[item, head], value[item, head]
        dim = own_key.shape[1]
        kept = sketch.means[lane, :whole].double()
        mean_key = rounded(own_key[: whole * grain].view(whole, grain, -1).mean(1), kept[:, :dim])
        mean_value = rounded(own_value[: whole * grain].view(whole, grain, -1).mean(1), kept[:, dim:])
        for query_head in range(head * groups, (head + 1) * groups):
            for place, row in enumerate(choice.rows):
                keys = choice.keys
                if choice.forbidden is not None:
                    late = keys[choice.late :][~choice.forbidden[place]]
                    keys = torch.cat((keys[: choice.late], late))
                vector = form.query[item, query_head, row] * form.scale
                scores, values = [own_key[keys] @ vector], [own_value[keys]]
                if choice.blocks is not None:
                    some = choice.unread > 0
                    scores.append(mean_key[choice.blocks[some]] @ vector + choice.unread[some].double().log())
                    values.append(mean_value[choice.blocks[some]])
                flat = torch.cat(scores)
                if not len(flat):
                    continue
                largest = max(largest, float(flat.detach().abs().max()))
                outputs[item, query_head, row] = flat.softmax(0) @ torch.cat(values)
                lse[item, query_head, row] = flat.logsumexp(0)
    if made.sink:
        raised = torch.logaddexp(lse, rest[count][:, None])
        outputs, lse = outputs * (lse - raised).exp()[..., None], raised
    return (outputs, lse.masked_fill(torch.isneginf(lse), 0.0)), leaves, largest


def rounded(mean: Tensor, kept: Tensor) -> Tensor:
    """The mean as it is kept, in 16 bits, with the gradient of the mean."""
    return mean + (kept - mean).detach()


def asked_of(made: Request) -> Tensor:
    with torch.no_grad():
        return made.score.prepare(made.query.float(), made.key[:, :, :0].float()).query
