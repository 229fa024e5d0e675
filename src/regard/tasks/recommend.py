"""Recommendation: which item comes next, of all there are, from what someone has had so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from regard.lens import watch
from regard.nn.decoder import Decoder
from regard.nn.front_ends import EventFrontEnd
from regard.nn.heads import NextToken
from regard.spec import Learned
from regard.tasks.baselines.events import markov_ranks, popularity_ranks
from regard.tasks.event_data import EventBatch, digest_events, histories, prepare_events, read_more_events
from regard.tasks.explained import Explained, Weighed
from regard.tasks.scores.measure import Measure
from regard.tasks.scores.ranking import hit_rate, ndcg, ranks
from regard.tasks.sections import CoreSettings, DataSettings, EventSettings, TrainSettings
from regard.tasks.settings import Settings
from regard.tasks.task import Outcome, Prepared, Setup, Task

_TOP = 10


class Recommender(nn.Module):
    """Scores of every item after each of the past ones: a causal transformer over items (SASRec: Kang and McAuley 2018,
    arXiv 1808.09781). Departs from it: pre-norm blocks, a softmax over all items that the user has not had, in place
    of a sampled one, and, in training, events of one time in any order."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        core, events, items = setup.settings.core, setup.settings.section(EventSettings), len(setup.facts["items"])
        self.front = EventFrontEnd(
            items,
            core.dim,
            gaps=events.gaps,
            unit=events.unit,
            positions=Learned(events.longest),
            dropout=core.dropout,
        )
        self.decoder = Decoder(core.dim, core.heads, layers=core.layers, hidden=core.hidden, dropout=core.block_dropout)
        self.head = NextToken(core.dim, items, tied=self.front.embedding)

    def forward(self, items: Tensor, times: Tensor, lengths: Tensor, asked: Tensor) -> Tensor:
        """items and times (batch, len), asked (batch, len) bool -> scores (asked places, items)."""
        tokens = self.front(items, times if self.front.gaps else None, lengths)
        found: Tensor = self.head(self.decoder(tokens.tokens, mask=tokens.mask)[asked][None])[0]
        return found


def _judge(model: nn.Module, batch: EventBatch, setup: Setup) -> Outcome:
    """Cross-entropy over the items that a user has not had, an item that comes next; in evaluation its rank too."""
    if model.training:
        batch = shuffled(batch)
    asked = batch.targets >= 0
    scores = model(batch.items, batch.times, batch.lengths, asked).float()
    truths = batch.targets[asked]
    if batch.before is not None:
        had = _had(batch, scores.shape[1])[asked].scatter(1, truths[:, None], False)
        scores = scores.masked_fill(had, -torch.inf)
    losses = F.cross_entropy(scores, truths, reduction="none")
    places = None
    if not model.training:
        known = scores.detach().cpu().numpy()
        found = ranks(lambda start, stop: known[:, start:stop], batch.truths, items=known.shape[1])
        places = torch.from_numpy(found)
    return Outcome(losses, len(losses), answers=places)


def shuffled(batch: EventBatch) -> EventBatch:
    """Events of one time in any order, where all are told: which of them a file names first says nothing. The last
    target, whose time is not known, stays the last."""
    places = torch.arange(batch.items.shape[1], device=batch.items.device)
    there = places < batch.lengths[:, None]
    dice = torch.rand(batch.items.shape, device=batch.items.device).argsort(1)
    times = batch.times.masked_fill(~there, torch.iinfo(torch.int64).max)
    order = dice.gather(1, times.gather(1, dice).argsort(dim=1, stable=True))
    items = batch.items.gather(1, order)
    targets = torch.where(places == batch.lengths[:, None] - 1, batch.targets, items.roll(-1, 1).where(there, -1))
    return replace(batch, items=items, targets=targets.where(there, -1))


def _had(batch: EventBatch, items: int) -> Tensor:
    """(batch, len, items) bool: what each user has had up to each place."""
    size = (*batch.items.shape, items)
    had = torch.zeros(size, dtype=torch.int16, device=batch.items.device).scatter_(2, batch.items[..., None], 1)
    for row, before in zip(had, batch.before or (), strict=False):
        row[0, torch.from_numpy(before).to(row.device)] = 1
    return had.cumsum(1, dtype=torch.int16) > 0


def _measures(setup: Setup) -> tuple[Measure, ...]:
    return ndcg(_TOP), hit_rate(_TOP)


def _baselines(data: Prepared) -> Mapping[str, Any]:
    before, truths = histories(data.rows)
    again, items = data.settings.section(EventSettings).again, len(data.setup.facts["items"])
    seen = None if again else before
    last = np.array([one[-1] for one in before])
    return {
        "popularity": popularity_ranks(before, truths, items=items, seen=seen),
        "what followed the last item": markov_ranks(before, last, truths, items=items, seen=seen),
    }


def _best(model: nn.Module, batch: EventBatch, setup: Setup) -> list[list[tuple[str, float]]]:
    """Of each row the items that are most probable next, with their probability, without those that it has had."""
    ends = torch.zeros_like(batch.items, dtype=torch.bool).scatter(1, batch.lengths[:, None] - 1, True)
    scores = model(batch.items, batch.times, batch.lengths, ends).float()
    if batch.before is not None:
        scores = scores.masked_fill(_had(batch, scores.shape[1])[ends], -torch.inf)
    shares = scores.softmax(-1)
    top = shares.topk(min(_TOP, shares.shape[1]))
    names = setup.facts["items"]
    return [
        [(names[item], share) for item, share in zip(items, values, strict=True) if share > 0]
        for items, values in zip(top.indices.tolist(), top.values.tolist(), strict=True)
    ]


def _tell(model: nn.Module, batch: EventBatch, setup: Setup) -> Sequence[Mapping[str, Any]]:
    found = _best(model, batch, setup)
    return [{"item": row[0][0], "probability": row[0][1], "items": [name for name, _ in row]} for row in found]


def _explain(model: nn.Module, batch: EventBatch, setup: Setup) -> Explained:
    """Which past items the last place attended to, mean over layers and heads."""
    last = int(batch.lengths[0]) - 1
    with watch(model, queries=range(last, last + 1)) as seen:
        ((best, share), *others) = _best(model, batch, setup)[0]
    layers = [layer.received[0].mean(0) for layer in seen.trace().layers]
    weights = torch.stack(layers).mean(0)[: last + 1]
    names = [setup.facts["items"][item] for item in batch.items[0, : last + 1].tolist()]
    units = tuple(Weighed(name, weight) for name, weight in zip(names, (weights / weights.sum()).tolist(), strict=True))
    then = ", ".join(name for name, _ in others[:4])
    return Explained(
        f"{best} ({share:.3f}), then {then}", units, "past item", "the last item's, mean over layers and heads"
    )


_FILMS = Settings(
    task="recommend",
    data=DataSettings(source="ml-100k"),
    events=EventSettings(longest=100),
    core=CoreSettings(kind="transformer", dim=64, hidden=128, layers=2, heads=2, dropout=0.2, block_dropout=0.1),
    train=TrainSettings(epochs=60, batch=32, rate=2e-3, weight_decay=0.05),
)

RECOMMEND = Task(
    name="recommend",
    about="which item comes next: films, from those that someone has rated so far",
    example="regard train recommend --data EVENTS.csv",
    beside="popularity; what followed the last item most often (a Markov chain)",
    takes="about 3 minutes on two cores (estimated from processor time)",
    files="csv, tsv, jsonl or parquet with a column of users, one of items, one of times",
    presets={"films": _FILMS},
    digest=digest_events,
    prepare=prepare_events,
    build=Recommender,
    judge=_judge,
    measures=_measures,
    baselines=_baselines,
    unused=(
        "core.budget",
        "core.token_dropout",
        "train.focus",
        "train.label_smoothing",
        "data.test_rows",
        "data.validation_rows",
        "data.train_rows",
        "data.split_seed",
        "data.test_path",
        "data.test_source",
    ),
    roles=("user", "item", "time"),
    read=read_more_events,
    tell=_tell,
    explain=_explain,
    heads=("head",),
)
