"""Ten million rows: read, parted and encoded in constant memory, then trained on, against a plain DataLoader loop.

    python -m benchmarks.rows [--smoke] [--rounds N] [--rows 10000000] [--folder FOLDER]

Both peers train one model on the same encoded rows, batches of 64. The peer is what one writes first: a Dataset over
memory-mapped tokens, `DataLoader(shuffle=True)` and padding in `collate_fn`. Gate: an epoch has every row once (of all
rows for ours, of a tenth of them for the peer). Memory: the peak of a process that does it, with all rows and with a
tenth of them; ours reads the csv, parts and encodes it too. FOLDER keeps the csv, the encoded rows and the peaks, so
that a second call, on a quiet machine, has only rows a second to measure. How long preparing took is shown, not kept:
a stopped run goes on, and tells its last part alone. `--smoke`: 100,000 rows.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks import record
from benchmarks.harness import GateError, Goal, Report, Rounds, summary
from benchmarks.rows_file import WORDS, Padded, padded, prepared, write
from regard.nn import AdditivePooling
from regard.tasks.part import BatchSize
from regard.tasks.readers.lazy_part import LazyPart, stored_part
from regard.tasks.readers.store import Store

OURS, PLAIN = "regard's lazy part", "torch DataLoader"
_BATCH, _STEPS = 64, 50  # rows a batch; batches a timed sample


class Model(nn.Module):
    """Embedding, attention pooling, two classes: light, so that the time is the data's."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS + 2, 64, padding_idx=0)
        self.pooling = AdditivePooling(64)
        self.classes = nn.Linear(64, 2)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        return self.classes(self.pooling(self.embedding(ids), lengths)[0])


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
    """Raises `GateError` unless an epoch has every row of the store once. In constant memory: the rows' numbers are
    compared by how many there are and by the sum of a hash of each, which other rows share once in 2^64."""
    flat = store.columns["number"].flat  # one a row
    expected = _marks(flat.read(start, min(start + 100_000, len(store))) for start in range(0, len(store), 100_000))
    seen = _marks(batch.numbers.numpy() for batch in batches)
    if seen != expected:
        raise GateError(
            f"{name}: {seen[0]:,} rows in an epoch, not those there are; expected each of {len(store):,} once"
        )


def _marks(numbers: Iterable[np.ndarray]) -> tuple[int, int]:
    """How many numbers, and the sum of their hashes modulo 2^64 (splitmix64: Steele et al. 2014)."""
    count, total = 0, 0
    for some in numbers:
        z = (some.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        for shift, times in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            z = (z ^ (z >> np.uint64(shift))) * np.uint64(times)
        count, total = count + len(some), (total + int((z ^ (z >> np.uint64(31))).sum(dtype=np.uint64))) % 2**64
    return count, total


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


def peak(folder: Path, rows: int, peer: str, *, gated: bool) -> dict[str, Any]:
    """What a process measures that prepares so many rows, if they are not prepared yet, and goes through them with a
    peer: an epoch under the gate, or a few steps. Kept in the folder."""
    if not (kept := folder / f"{rows}-{'ours' if peer == OURS else 'plain'}.json").is_file():
        order = json.dumps({"folder": str(folder), "rows": rows, "peer": peer, "gated": gated})
        command = [sys.executable, "-m", "benchmarks.rows", "--child", order]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        kept.write_text(done.stdout.splitlines()[-1], "utf-8")
    found: dict[str, Any] = json.loads(kept.read_text("utf-8"))
    return found


def child(folder: str, rows: int, peer: str, gated: bool) -> int:
    """What `peak` starts: its last line holds the peak in bytes and the seconds of each stage."""
    seconds: dict[str, float] = {}
    store = prepared(Path(folder) / f"{rows}.csv", rows, seconds.__setitem__)
    part, failed = stored_part(store, padded), None
    epoch = (lambda: ours(part)) if peer == OURS else (lambda: plain(Mapped(store)))
    step = trainer(epoch)
    for _ in range(4):
        step()
    began = time.perf_counter()
    try:
        if gated:
            gate(peer, epoch(), store)
    except GateError as error:
        failed = str(error)
    seconds["an epoch of batches, without training"] = time.perf_counter() - began
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"bytes": most, "seconds": seconds, "failed": failed}))
    return 0


def run(report: Report, rounds: Rounds, folder: Path, rows: int) -> None:
    os.environ["REGARD_CACHE"] = str(folder / "cache")
    name, tenth = f"{rows:,} rows", rows // 10
    for count, peer in ((tenth, OURS), (tenth, PLAIN), (rows, OURS), (rows, PLAIN)):
        if not (path := folder / f"{count}.csv").is_file():
            write(path, count)
        found = peak(folder, count, peer, gated=count == tenth or peer == OURS)
        case = {"name": f"{count:,} rows"}
        report.memory.append(case | {"peer": peer, "extra_bytes": found["bytes"], "how": "ru_maxrss, whole"})
        print(f"  {count:,} rows: {peer:20} {found['bytes'] / 2**20:10.1f} MiB at most", flush=True)
        if found["failed"]:
            report.cases.append(case | {"against": PLAIN, "failed": found["failed"]})
            return
        if (count, peer) == (rows, OURS):
            for what, seconds in found["seconds"].items():
                print(f"    {what}: {seconds:,.0f} s", flush=True)
    store = prepared(folder / f"{rows}.csv", rows, lambda what, seconds: None)
    peers = timed(store, rounds)
    for peer, row in peers.items():
        row["error"] = 0.0
        print(f"    {peer:20} {1 / row['median_s']:12,.0f} rows/s  x {row['ratio']:.3f} of the time", flush=True)
    report.cases.append({"name": name, "against": PLAIN, "tolerance": 0, "calls": _STEPS, "rounds": rounds.kept,
                         "peers": peers})  # fmt: skip
    grown = report.extra_bytes(name, OURS) - report.extra_bytes(f"{tenth:,} rows", OURS)
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
