"""Ten million rows: read, parted and encoded in constant memory, then trained on, against a plain DataLoader loop.

    python -m benchmarks.rows [--smoke] [--rounds N] [--rows 10000000] [--folder FOLDER]

Both peers train one model on the same encoded rows, batches of 64. The peer is what one writes first: a Dataset over
memory-mapped tokens, `DataLoader(shuffle=True)` and padding in `collate_fn`. Gate: both see every row once an epoch.
Memory: the peak of a process that does all of it, with all rows and with a tenth of them. `--smoke`: 100,000 rows.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks import record
from benchmarks.harness import GateError, Goal, Report, Rounds, summary
from regard.nn import AdditivePooling
from regard.tasks.part import BatchSize
from regard.tasks.readers.large_parts import Subset, part_large
from regard.tasks.readers.lazy_part import LazyPart, encoding, stored_part
from regard.tasks.readers.records import Record, records_of
from regard.tasks.readers.store import Store, stored
from regard.tasks.readers.survey import surveyed
from regard.tasks.settings import TokenSettings
from regard.tasks.table import Row
from regard.tasks.table_reading import labelled_text
from regard.tasks.vocabulary import train_vocabulary

OURS, PLAIN = "regard's lazy part", "torch DataLoader"
_BATCH, _STEPS = 64, 50  # rows a batch; batches a timed sample
_WORDS = 5000

Columns = Mapping[str, Sequence[np.ndarray]]


@dataclass(frozen=True)
class Padded:
    """numbers, lengths, targets (batch,); ids (batch, len)."""

    numbers: Tensor
    lengths: Tensor
    targets: Tensor
    ids: Tensor


class Model(nn.Module):
    """Embedding, attention pooling, two classes: light, so that the time is the data's."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(_WORDS + 2, 64, padding_idx=0)
        self.pooling = AdditivePooling(64)
        self.classes = nn.Linear(64, 2)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        return self.classes(self.pooling(self.embedding(ids), lengths)[0])


def write(path: Path, rows: int) -> None:
    """A csv of texts of 4 to 20 words; the label is whether an even word begins it."""
    draw = np.random.default_rng(0)
    words = np.array([f"word{number}" for number in range(_WORDS)])
    with path.open("w", encoding="utf-8") as file:
        file.write("text,label\n")
        for start in range(0, rows, 10_000):
            lengths = draw.integers(4, 21, min(10_000, rows - start))
            for row, length in enumerate(lengths, start=start):
                chosen = draw.integers(0, _WORDS, length)
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
    vocabulary = train_vocabulary(texts, TokenSettings(size=_WORDS, longest=32), "words")

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


class Mapped(Dataset[dict[str, np.ndarray]]):
    """The same rows as memory maps."""

    def __init__(self, store: Store) -> None:
        self.rows = len(store)
        self.columns = {
            name: (np.memmap(one.flat.path, one.flat.dtype, "r"), np.memmap(one.starts.path, "int64", "r"))
            for name, one in store.columns.items()
        }

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, row: int) -> dict[str, np.ndarray]:
        return {name: flat[starts[row] : starts[row + 1]] for name, (flat, starts) in self.columns.items()}


def ours(part: LazyPart) -> Iterator[Padded]:
    """One epoch through the lazy part."""
    for rows in part.order(BatchSize(_BATCH), 0).batches(0):
        yield part.batch(rows)


def plain(rows: Mapped) -> Iterator[Padded]:
    """One epoch through a DataLoader in this process."""
    together = DataLoader(
        rows, batch_size=_BATCH, shuffle=True, generator=torch.Generator().manual_seed(0),
        collate_fn=lambda found: padded({name: [one[name] for one in found] for name in found[0]}),
    )  # fmt: skip
    yield from together


def gate(name: str, batches: Iterator[Padded], store: Store) -> None:
    """Raises `GateError` unless an epoch has every row of the store once."""
    expected = store.columns["number"].flat.read(0, len(store))  # one a row
    seen = np.zeros(int(expected.max()) + 1, dtype=np.uint8)
    for batch in batches:
        seen[batch.numbers.numpy()] += 1
    if seen.sum() != len(expected) or not (seen[expected] == 1).all():
        raise GateError(f"{name}: {int(seen.sum()):,} rows in an epoch, of which {int((seen == 1).sum()):,} once; "
                        f"expected each of {len(expected):,} once")  # fmt: skip


def trainer(epochs: Callable[[], Iterator[Padded]]) -> Callable[[], float]:
    """A call that trains on the next batches, epoch after epoch, and says how many seconds a row took."""
    torch.manual_seed(0)
    model = Model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    batches = epochs()

    def call() -> float:
        nonlocal batches
        rows, began = 0, time.perf_counter()
        for _ in range(_STEPS):
            batch = next(batches, None)
            if batch is None:
                batches = epochs()
                batch = next(batches)
            loss = nn.functional.cross_entropy(model(batch.ids, batch.lengths), batch.targets)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            rows += len(batch.numbers)
        return (time.perf_counter() - began) / rows

    return call


def timed(store: Store, rounds: Rounds) -> dict[str, dict[str, float]]:
    """Seconds a row of both peers, in turns."""
    part, rows = stored_part(store, padded), Mapped(store)
    peers = {OURS: trainer(lambda: ours(part)), PLAIN: trainer(lambda: plain(rows))}
    taken: dict[str, list[float]] = {name: [] for name in peers}
    for turn in range(rounds.warmup + rounds.kept):
        for name, peer in list(peers.items())[:: 1 if turn % 2 == 0 else -1]:
            seconds = peer()
            if turn >= rounds.warmup:
                taken[name].append(seconds)
    return summary(taken, PLAIN)


def peak(folder: Path, rows: int, peer: str) -> int:
    """Bytes that a process holds at most which prepares so many rows and goes through them with a peer."""
    order = json.dumps({"folder": str(folder), "rows": rows, "peer": peer})
    environment = os.environ | {"REGARD_CACHE": str(folder / f"cache-of-{peer}")}  # each prepares by itself
    command = [sys.executable, "-m", "benchmarks.rows", "--child", order]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return int(done.stdout.split()[-1]) * 1024


def child(folder: str, rows: int, peer: str) -> int:
    """What `peak` starts: the peak in kilobytes is the last word it prints."""
    path = Path(folder) / f"{rows}.csv"
    store = prepared(path, rows, lambda what, seconds: None)
    part = stored_part(store, padded)
    step = trainer((lambda: ours(part)) if peer == OURS else (lambda: plain(Mapped(store))))
    for _ in range(-(-len(store) // (_BATCH * _STEPS)) if peer == OURS else 4):
        step()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return 0


def run(report: Report, rounds: Rounds, folder: Path, rows: int) -> None:
    os.environ["REGARD_CACHE"] = str(folder / "cache")
    name = f"{rows:,} rows"
    for count in (rows // 10, rows):
        write(folder / f"{count}.csv", count)
        for peer in (OURS,) if count < rows else (OURS, PLAIN):
            found = peak(folder, count, peer)
            report.memory.append(
                {"name": f"{count:,} rows", "peer": peer, "extra_bytes": found, "how": "ru_maxrss, whole"}
            )
            print(f"  {count:,} rows: {peer:20} {found / 2**20:10.1f} MiB at most", flush=True)
    store = prepared(folder / f"{rows}.csv", rows, lambda what, seconds: report.beside(name, what, seconds))
    try:
        gate(OURS, ours(stored_part(store, padded)), store)
        gate(PLAIN, plain(Mapped(store)), store)
    except GateError as error:
        print(f"  FAILED {error}", flush=True)
        report.cases.append({"name": name, "against": PLAIN, "failed": str(error)})
        return
    peers = timed(store, rounds)
    for peer, row in peers.items():
        row["error"] = 0.0
        print(f"    {peer:20} {1 / row['median_s']:12,.0f} rows/s  x {row['ratio']:.3f} of the time", flush=True)
    report.cases.append({"name": name, "against": PLAIN, "tolerance": 0, "calls": _STEPS, "rounds": rounds.kept,
                         "peers": peers})  # fmt: skip
    grown = report.extra_bytes(name, OURS) - report.extra_bytes(f"{rows // 10:,} rows", OURS)
    report.goals.append(Goal("memory that ten times as many rows add", grown / 2**20, 64.0, "MiB"))
    report.goals.append(Goal(f"seconds a row, of the {PLAIN}'s", report.ratio(name, OURS), 1.0))


def main() -> int:
    made = record.parser(__doc__)
    made.add_argument("--rows", type=int, default=10_000_000)
    made.add_argument("--folder", type=Path, help="where the csv and the cache are made (default: one that is removed)")
    made.add_argument("--child", help="used by itself")
    given = made.parse_args()
    if given.child:
        return child(**json.loads(given.child))
    rounds, folder = record.started(given)
    report = Report("rows")
    rows = 100_000 if given.smoke else given.rows
    with tempfile.TemporaryDirectory() as made_here:
        where = given.folder or Path(made_here)
        where.mkdir(parents=True, exist_ok=True)
        run(report, rounds, where, rows)
    return record.finish(report, rounds, folder)


if __name__ == "__main__":
    sys.exit(main())
