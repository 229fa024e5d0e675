"""Models that solve the planted tasks: trained in seconds, and one made by hand whose attention looks elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.planted_tasks import HIDDEN, LEFT, LONG, RIGHT, VOCABULARY, Ids, Planted
from regard.lens.put import Embedding
from regard.lens.question import Question
from regard.lens.token_question import TokenInput, token_question
from regard.lens.units import Units
from regard.tasks.sections import CoreSettings
from regard.tasks.text_classifier import TextClassifier

CORES = ("bilstm", "transformer")
STEPS, BATCH = 6000, 64
AWAY = 3  # how many places from what it knows the hand-made model's attention looks


def solved(task: Planted, core: str, *, seed: int = 0, steps: int = STEPS) -> tuple[TextClassifier, float]:
    """A model that is trained until 640 fresh inputs in a row are answered right, or for `steps` steps; and its
    accuracy on 2,000 others."""
    torch.manual_seed(seed)
    source = np.random.default_rng(seed)
    settings = CoreSettings(kind=core, dim=32, hidden=64, layers=1 if core == "bilstm" else 2, heads=4, dropout=0.0)
    model = TextClassifier(settings, vocabulary=VOCABULARY, classes=len(task.labels), longest=LONG)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    right = 0
    for _ in range(steps):
        ids, lengths, classes = map(torch.from_numpy, task.batch(BATCH, source))
        logits = model(ids, lengths)[0]
        loss = nn.functional.cross_entropy(logits, classes)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        right = right + 1 if bool((logits.argmax(-1) == classes).all()) and loss.item() < 0.01 else 0
        if right == 10:
            break
    model.eval()
    ids, lengths, classes = map(torch.from_numpy, task.batch(2000, source))
    with torch.inference_mode():
        return model, float((model(ids, lengths)[0].argmax(-1) == classes).float().mean())


class LooksAway(nn.Module):
    """Knows the first-cue task for a single cue, by hand. A first attention layer brings to every place what lies
    `AWAY` places on; the last one, from which the answer is read, then looks at the place that was told of the cue.

    ids (batch, len) -> logits (batch, 3). All that it knows comes from the cue, and its last attention lies on a token
    that says nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        table = torch.zeros(VOCABULARY, 2)
        table[list(LEFT), 0] = 1.0
        table[list(RIGHT), 1] = 1.0
        self.embedding = nn.Embedding.from_pretrained(table)
        self.moving = _Attend()
        self.reading = _Attend()
        self.register_buffer("where", torch.eye(LONG))

    def forward(self, ids: Tensor) -> Tensor:
        length = ids.shape[1]
        told = self.embedding(ids)[:, None]
        keys = self.where[:length][None, None].expand(len(ids), 1, -1, -1)
        moved = self.moving(keys.roll(-AWAY, 2) * 200.0, keys, told)
        query = torch.full_like(moved[:, :, :1], 20.0)
        read = self.reading(query, moved, moved)[:, 0, 0]
        return torch.cat((10 * read, 10 * (0.5 - read.sum(-1, keepdim=True))), -1)


class _Attend(nn.Module):
    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return nn.functional.scaled_dot_product_attention(query, key, value, scale=1.0)


def classifier_question(model: TextClassifier, ids: Ids, label: int, labels: tuple[str, ...]) -> Question:
    """Why this class, of a trained model's answer to ids (tokens,)."""

    def logits(rows: Tensor, present: Tensor) -> Tensor:
        found: Tensor = model(rows, present.sum(-1))[0]
        return found

    given = torch.from_numpy(ids)[None]
    with torch.no_grad():
        own = nn.functional.embedding(given, model.embedding.table) * model.embedding.scale
        rest = (model.embedding(given) - own)[0]
    return _question(model, Embedding(model.embedding, rest), logits, ids, label, labels)


def looks_away_question(model: LooksAway, ids: Ids, label: int, labels: tuple[str, ...]) -> Question:
    """The same of the hand-made model."""
    return _question(model, Embedding(model.embedding), lambda rows, present: model(rows), ids, label, labels)


def _question(
    model: nn.Module,
    embedding: Embedding,
    logits: Callable[[Tensor, Tensor], Tensor],
    ids: Ids,
    label: int,
    labels: tuple[str, ...],
) -> Question:
    given = torch.from_numpy(ids)[None]
    return token_question(
        TokenInput(
            ids=given,
            units=Units(tuple(map(str, ids.tolist())), "token"),
            tokens=torch.arange(len(ids)),
            target=labels[label],
            score=lambda rows, present: logits(rows, present).double().log_softmax(-1)[:, label],
            model=model,
            embedding=embedding,
            replacement=(HIDDEN, "a hidden token"),
            moves=False,
        )
    )
