"""Tiny data on which a tiny model learns within a second, on one thread so that its numbers are the same each time."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from regard.tasks.classify import CLASSIFY
from regard.tasks.settings import Settings, changed

TINY: dict[str, Any] = {
    "core.dim": 8,
    "core.hidden": 8,
    "core.dropout": 0.1,
    "tokens.least": 1,
    "train.epochs": 4,
    "train.batch": 16,
    "train.rate": 0.02,
    "train.checkpoint_seconds": 0,
}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    """200 texts of filler words; one word in each, among five good or five bad ones, decides."""
    draw = random.Random(0)
    deciding = {
        "bad": ["awful", "dull", "poor", "weak", "bland"],
        "good": ["great", "fine", "superb", "lovely", "grand"],
    }
    filler = ["the", "a", "film", "of", "and", "it", "was", "with", "plot", "actor", "scene"]
    lines = ["text,label"]
    for number in range(200):
        label = ("bad", "good")[number % 2]
        words = draw.choices(filler, k=draw.randint(3, 12))
        words.insert(draw.randrange(len(words)), draw.choice(deciding[label]))
        lines.append(f"{' '.join(words)} {number},{label}")
    path = tmp_path / "reviews.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def tiny(reviews: Path) -> Callable[..., Settings]:
    """(**changes of settings, dots written as __) -> settings for the tiny data."""

    def make(preset: str | None = None, **more: Any) -> Settings:
        named = {path.replace("__", "."): value for path, value in more.items()}
        return changed(CLASSIFY.settings(preset), {"data.path": str(reviews)} | TINY | named)

    return make
