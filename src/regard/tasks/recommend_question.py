"""A question about the item that comes next: which of the past ones that rests on."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from regard.lens.answers import class_of
from regard.lens.leaf_question import LeafInput, leaf_question
from regard.lens.question import Attention, Question, Way
from regard.lens.units import Units
from regard.spec.errors import SpecError
from regard.tasks.event_data import EventBatch
from regard.tasks.recommend import Recommender
from regard.tasks.task import Setup

__all__ = ["recommend_question"]


def recommend_question(model: Recommender, setup: Setup, batch: EventBatch, target: str | int | None) -> Question:
    """batch: one history. target: an item, by default the one that is recommended. Units are the past items that the
    run reads. Its probability is a share of all items that have not been had, whatever is taken away.

    Raises `SpecError` for an item that there is not, or that was had already where none comes again.
    """
    names, count = setup.facts["items"], int(batch.lengths[0])
    items, times = batch.items[:1, :count], batch.times[:1, :count]
    had = torch.zeros(len(names), dtype=torch.bool)
    if batch.before is not None:
        had[items[0]] = True
        had[torch.from_numpy(batch.before[0])] = True

    def told(leaf: Tensor) -> Tensor:
        logits: Tensor = model.head(model.decoder(leaf)[:, -1:])[:, 0].float()
        return logits.masked_fill(had, -torch.inf).log_softmax(-1)

    with torch.no_grad():
        made = _tokens(model, items, times)
        leaf, placed = made.tokens, torch.zeros_like(made.tokens) if made.positions is None else made.positions
        chosen, name = class_of(target, told(leaf)[0], names)
        usual = (placed + model.front.embedding.table.mean(0) * model.front.placing.content).expand_as(leaf)
    if bool(had[chosen]):
        raise SpecError(f"target={name!r}: it was had already, and this run never recommends an item again")

    def score(rows: Tensor) -> Tensor:
        return told(rows)[:, chosen]

    given = LeafInput(
        leaf=leaf,
        cells=torch.arange(count)[:, None],
        units=Units(tuple(names[one] for one in items[0].tolist()), "past item"),
        target=name,
        score=score,
        fills={
            "mean": ("replaced by the mean of all items", usual),
            "zero": ("embedded as zeros", placed.expand_as(leaf)),
        },
        attention=Attention(
            model, lambda: score(leaf), torch.arange(count), (torch.arange(count) == count - 1).float()
        ),
        of="the items' vectors",
        name=f"the run's {setup.settings.core.kind}",
    )
    found = leaf_question(given)

    def shorter(keep: Tensor) -> Tensor:
        """Histories without the items; where none is left, one of which nothing is known."""
        rows = [_tokens(model, items[:, one], times[:, one]).tokens if bool(one.any()) else usual[:, :1]
                for one in keep]  # fmt: skip
        return torch.cat([score(row) for row in rows])

    learned = "some events of "  # a history is never trained on whole: each user's last event is tested
    return replace(found, learned=learned, ways={"delete": Way("left out", shorter), **found.ways})


def _tokens(model: Recommender, items: Tensor, times: Tensor):  # type: ignore[no-untyped-def]
    return model.front(items, times if model.front.gaps else None, None)
