"""The rows of `rows`: a csv made by a script, read, parted and encoded as `regard train` does with a large file."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from regard.tasks.readers.large_parts import Subset, part_large
from regard.tasks.readers.lazy_part import encoding
from regard.tasks.readers.records import Record, records_of
from regard.tasks.readers.store import Store, stored
from regard.tasks.readers.survey import surveyed
from regard.tasks.settings import TokenSettings
from regard.tasks.table import Row
from regard.tasks.table_reading import labelled_text
from regard.tasks.vocabulary import train_vocabulary

WORDS = 5000

Columns = Mapping[str, Sequence[np.ndarray]]


@dataclass(frozen=True)
class Padded:
    """numbers, lengths, targets (batch,); ids (batch, len)."""

    numbers: Tensor
    lengths: Tensor
    targets: Tensor
    ids: Tensor


def write(path: Path, rows: int) -> None:
    """A csv of texts of 4 to 20 words; the label is whether an even word begins it."""
    draw = np.random.default_rng(0)
    words = np.array([f"word{number}" for number in range(WORDS)])
    with path.open("w", encoding="utf-8") as file:
        file.write("text,label\n")
        for start in range(0, rows, 10_000):
            lengths = draw.integers(4, 21, min(10_000, rows - start))
            for row, length in enumerate(lengths, start=start):
                chosen = draw.integers(0, WORDS, length)
                file.write(f"{' '.join(words[chosen])} {row},{'ab'[chosen[0] % 2]}\n")


def judge(read: Record) -> Row | str:
    return labelled_text(read, "text", "label")


def prepared(path: Path, rows: int, said: Callable[[str, float], None]) -> Store:
    """The training part of the csv, encoded in the cache."""

    def listen(event: Any) -> None:
        print(f"    {event.text}", flush=True)

    began = time.perf_counter()
    survey = surveyed(records_of(path), judge, ["text", "label"], f"benchmark-{rows}", listen)
    part = part_large(survey, test_rows=1000, validation_rows=1000, seed=0).train
    said("look through and part", time.perf_counter() - began)
    began = time.perf_counter()
    store = _encoded(part, f"benchmark-{rows}-encoded", listen)
    said("encode", time.perf_counter() - began)
    return store


def _encoded(part: Subset, key: str, listen: Callable[[Any], None]) -> Store:
    texts = (row.text for row in part.sample(judge, 50_000))
    vocabulary = train_vocabulary(texts, TokenSettings(size=WORDS, longest=32), "words")

    def encode(rows: Sequence[Row]) -> dict[str, Any]:
        return {
            "ids": vocabulary.ids([row.text for row in rows]),
            "target": [["ab".index(row.label)] for row in rows],
            "number": [[row.number] for row in rows],
        }

    columns = {"ids": "int32", "target": "int8", "number": "int32"}
    return stored(key, columns, len(part), encoding(part, judge, encode), listen)


def padded(columns: Columns) -> Padded:
    """A batch out of rows, for both peers."""
    lengths = [len(one) for one in columns["ids"]]
    ids = np.zeros((len(lengths), max(lengths)), dtype=np.int64)
    for place, one in enumerate(columns["ids"]):
        ids[place, : len(one)] = one
    whole = (np.concatenate(columns[name]).astype(np.int64) for name in ("number", "target"))
    numbers, targets = (torch.from_numpy(one) for one in whole)
    return Padded(numbers, torch.tensor(lengths), targets, torch.from_numpy(ids))
