"""Budgets of a model that writes: the first half of a text is read exactly, the rest token by token on the budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from regard.allocate.allocate import allocate
from regard.allocate.allocation import Allocation
from regard.allocate.compare import compare
from regard.allocate.comparison import Ran
from regard.allocate.profile import profile
from regard.allocate.use import use
from regard.app.studio.inputs import Input
from regard.app.studio.jobs import Job
from regard.app.studio.looking import told
from regard.app.studio.readying import Desk
from regard.app.studio.refusals import RefusedError
from regard.app.studio.spending import HeadRow, Row, Spent, budget_of
from regard.app.studio.spending_own import Reasons
from regard.app.studio.subjects import Found
from regard.lens.figures import figures
from regard.lens.watch import watch
from regard.spec.budget import Budget

TOKENS = 2048  # of the text that are read, unless asked otherwise
_LEAST = 16
_WRITTEN = 12  # tokens that are written after the text, for the answer
_HEADS, _PROFILE = 0.1, 0.4  # shares of the job's time, about
MEASURED = (
    "error: of the attention's outputs, relative, the mean over layers; loss: nats a token of the text's second half; "
    "seconds: a token of it; the answer: what the model writes next"
)
Way = Allocation | Budget
Ways = dict[str, Way]


def spent(job: Job, desk: Desk, found: Found, given: Input, shares: Sequence[float], policy: str) -> Spent:
    """Raises `RefusedError` (422) for a text of too few tokens."""
    from regard.bridges.transformers_folder import ModelFolder
    from regard.bridges.transformers_inputs import positions

    place = ModelFolder.of(found.path)
    job.tell(0.0, f"reading {found.name}")
    text = desk.text_of(given)
    tokenizer, model = desk.models.get(("writer", found.path), lambda: (place.tokenizer(), place.writer()))
    most = positions(model)
    room = TOKENS if most is None else max(most - _WRITTEN, 1)
    ids = tokenizer(text, return_tensors="pt", verbose=False)["input_ids"][:, : min(given.tokens or TOKENS, room)]
    if ids.shape[1] < _LEAST:
        raise RefusedError(
            422, f"the text has {ids.shape[1]} tokens, expected {_LEAST} at least", where="text", do="give a longer one"
        )
    with told(model, lambda *_: None, job.check):
        heads = _heads(job, model, ids)
        ways = _ways(job, model, ids, shares, policy)
        return _compared(job, (model, tokenizer), ids, ways, heads)


def _ways(job: Job, model: nn.Module, ids: Tensor, shares: Sequence[float], policy: str) -> Ways:
    if policy != "allocated":
        return {f"{share:g}": budget_of(share, policy) for share in shares if share < 1}
    made = profile(model, [ids], listen=lambda _, line: job.tell(_HEADS, f"profiling the heads: {line}"))
    return {f"{share:g}": allocate(made, Budget(fraction=share)) for share in shares if share < 1}


def _compared(job: Job, model: tuple[nn.Module, Any], ids: Tensor, ways: Ways, heads: tuple[HeadRow, ...]) -> Spent:
    count = ids.shape[1]
    total = (count - count // 2) * (1 + len(ways))
    began = _PROFILE if any(isinstance(way, Allocation) for way in ways.values()) else _HEADS

    def listen(done: int) -> None:
        job.tell(began + (0.95 - began) * done / total, f"{done:,} of {total:,} tokens after the prompt")

    if not ways:
        raise RefusedError(422, "every fraction is 1, which is the exact model", where="fractions", do="ask for less")
    made = compare(model[0], ways, [ids], listen=listen)
    answers = {name: _written(job, model, ids, way) for name, way in ({"exact": None} | ways).items()}
    notes = [f"Read: {count:,} tokens, the first {count // 2:,} exactly."]
    if any(isinstance(way, Allocation) for way in ways.values()):
        notes.append("The profile was made on this very text: on another one the allocation costs a little more.")
    reasons = Reasons()
    for ran in made.runs:
        reasons.add(float(ran.name), ran.left, ran.plain, len({head.layer for head in heads}))
    notes += reasons.notes()
    full = _bytes(model[0], count)
    exact = _row(made.exact, 1.0, answers["exact"], heads, None, full)
    rows = tuple(_row(ran, float(ran.name), answers[ran.name], heads, ways[ran.name], full) for ran in made.runs)
    return Spent(exact=exact, rows=rows, measured=MEASURED, unit="nats a token", notes=tuple(notes), tokens=count)


def _row(
    ran: Ran,
    fraction: float,
    answer: str,
    heads: tuple[HeadRow, ...],
    way: Allocation | Budget | None,
    full: float | None,
) -> Row:
    errors = list(ran.errors.values())
    return Row(
        fraction=fraction,
        share=ran.share,
        answer=answer,
        error=sum(errors) / len(errors) if errors else 0.0 if fraction == 1 else None,
        loss=ran.loss,
        increase=ran.increase,
        seconds=ran.seconds,
        seconds_of="token",
        bytes=ran.extra_bytes,
        cache_bytes=None if full is None else full * ran.share,
        heads=tuple(_given(head, way, ran, heads) for head in heads),
    )


def _given(head: HeadRow, way: Allocation | Budget | None, ran: Ran, heads: tuple[HeadRow, ...]) -> HeadRow:
    read = None if way is None else 1.0
    if isinstance(way, Budget) and head.layer not in ran.left:
        read = way.fraction
    if isinstance(way, Allocation) and head.layer in way.layers:
        budgets = way.layers[head.layer]
        own = sum(one.layer == head.layer for one in heads)
        read = budgets[head.head * len(budgets) // max(own, 1)].fraction
    return HeadRow(head.layer, head.head, head.breadth, head.distance, head.first, read)


def _heads(job: Job, model: nn.Module, ids: Tensor) -> tuple[HeadRow, ...]:
    job.tell(0.0, f"looking at the heads on {ids.shape[1]:,} tokens")
    with watch(model) as seen, torch.no_grad():
        model(ids, use_cache=False, logits_to_keep=1)
    trace = seen.trace()
    return tuple(HeadRow(one.layer, one.head, one.breadth, one.distance, one.first) for one in figures(trace))


def _written(job: Job, model: tuple[nn.Module, Any], ids: Tensor, way: Allocation | Budget | None) -> str:
    """What the model writes after the text: greedy, the text read exactly."""
    job.tell(0.95, "writing on")
    network: Any = model[0]
    with use(network, way), torch.no_grad():
        made = network.generate(ids, max_new_tokens=_WRITTEN, do_sample=False, num_beams=1)
    return str(model[1].decode(made[0, ids.shape[1] :], skip_special_tokens=True))


def _bytes(model: nn.Module, count: int) -> float | None:
    """Bytes of keys and values that the last token reads, at 16 bits a number, windows aside."""
    config = getattr(model.config, "get_text_config", lambda: model.config)()
    layers, heads = getattr(config, "num_hidden_layers", None), getattr(config, "num_key_value_heads", None)
    dim = getattr(config, "head_dim", None)
    if not all(isinstance(one, int) for one in (layers, heads, dim)):
        return None
    return float(2 * 2 * layers * heads * dim * count)  # type: ignore[operator]
