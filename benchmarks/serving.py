"""`regard serve` on loopback: requests a second and p99 with and without batching, malformed requests, a stop.

    python -m benchmarks.serving [--run FOLDER ...] [--rounds 5] [--connections 32] [--requests 400] [--smoke]

Two servers of each run, processes of their own: one puts up to 16 items through the model together, the other one at a
time (`--batch 1`). In each round both get the same requests, one server after the other, from as many connections that
each wait for an answer before they ask again, and a quarter of them from one connection alone; a request is one text,
of 15 to 250 words. Their answers are held against `regard predict`'s first. The client is this process: on two cores it
competes with the servers, with both alike.

1,000 malformed requests (drawn from a seed): none may be answered with 5xx, and the server must answer afterwards.
Then, five times, SIGTERM in the midst of load: every request that the server says it accepted must have reached its
client.

FOLDER: runs that read texts; by default two are trained for an epoch on examples/reviews.csv, a small one and one of
six layers of 384, MiniLM's size: what they say does not matter here.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks import record
from benchmarks.harness import Goal, Report
from benchmarks.serving_client import Server, ask, malformed

EXAMPLES = Path(__file__).parents[1] / "examples"
COLUMNS = ["--column", "text=review", "--column", "label=verdict"]
TRAIN = ["--data", str(EXAMPLES / "reviews.csv"), *COLUMNS, "--epochs", "1"]
BATCHED, ALONE = "batches of up to 16", "one at a time"
WAYS: dict[str, tuple[str, ...]] = {BATCHED: (), ALONE: ("--batch", "1")}
LARGE = {"core.kind": "transformer", "core.dim": 384, "core.hidden": 1536, "core.layers": 6, "core.heads": 12}
MALFORMED, STOPS, SECONDS_OF_LOAD = 1000, 5, 0.4


def main() -> int:
    made = record.parser(__doc__)
    made.add_argument("--run", type=Path, action="append", help="folder of a run that reads texts")
    made.add_argument("--connections", type=int, default=32)
    made.add_argument("--requests", type=int, default=400, help="of a round, for each server")
    given = made.parse_args()
    rounds, folder = record.started(given)
    report = Report("serving")
    with tempfile.TemporaryDirectory() as spare:
        small, large = Path(spare) / "reviews", Path(spare) / "six layers of 384"
        runs = given.run or [_trained(small), _trained(large, **LARGE)]
        found = asyncio.run(_measured(runs, given, rounds.kept, report))
    return record.finish(report, rounds, folder, more={"serving": found})


def _trained(folder: Path, **settings: Any) -> Path:
    more = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    words = [sys.executable, "-m", "regard", "train", "classify", *TRAIN, *more, "--out", str(folder)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return folder


async def _measured(runs: list[Path], given: argparse.Namespace, rounds: int, report: Report) -> dict[str, Any]:
    texts = _texts(given.requests)
    load = [row for run in runs for row in await _load(run, given.connections, texts, rounds, report)]
    return {
        "requests": len(texts),
        "load": load,
        "malformed": await _malformed(runs[0], report),
        "stops": await _stops(runs[0], given.connections, texts, report),
    }


def _texts(count: int) -> list[str]:
    """Reviews joined, 1 to 12 of them a text."""
    draw = random.Random(0)
    lines = (EXAMPLES / "reviews.csv").read_text("utf-8").splitlines()[1:]
    reviews = [line.rpartition(",")[0].strip('"') for line in lines]
    return [" ".join(draw.choices(reviews, k=draw.randint(1, 12))) for _ in range(count)]


async def _load(run: Path, connections: int, texts: list[str], rounds: int, report: Report) -> list[dict[str, Any]]:
    """A row for so many connections, and one for a single one."""
    servers = {name: Server(run, options) for name, options in WAYS.items()}
    loads = {connections: texts, 1: texts[: max(1, len(texts) // 4)]}
    found: dict[int, dict[str, list[dict[str, float]]]] = {one: {name: [] for name in WAYS} for one in loads}
    try:
        for server in servers.values():
            await _gate(server, run, texts[:20])
        for number in range(rounds + 1):
            for count, asked in loads.items():
                for name, server in servers.items():
                    taken = await _loaded(server, count, asked)
                    if number:  # the first warms up
                        found[count][name].append(taken)
    finally:
        for server in servers.values():
            server.stop()
    return [_row(run.name, count, each, report) for count, each in found.items()]


def _row(run: str, connections: int, found: dict[str, list[dict[str, float]]], report: Report) -> dict[str, Any]:
    """Medians over the rounds, and the rounds; the goal is met where batching answers as many."""
    ways = {name: {key: statistics.median(one[key] for one in each) for key in each[0]} for name, each in found.items()}
    for name, each in ways.items():
        told = f"{each['per_second']:.0f} requests/s, p50 {each['p50_ms']:.1f} ms, p99 {each['p99_ms']:.1f} ms"
        print(f"  {run}, {connections} connections, {name}: {told}", flush=True)
    pairs = zip(found[ALONE], found[BATCHED], strict=True)
    share = statistics.median(one["per_second"] / two["per_second"] for one, two in pairs)
    if connections > 1:
        report.goals.append(Goal(f"{run}: requests a second, one at a time over batches", share, 1.0))
    return {"run": run, "connections": connections, "ways": ways, "samples": found, "alone_over_batches": share}


async def _gate(server: Server, run: Path, texts: list[str]) -> None:
    """The same answers as `regard predict`."""
    words = [word for text in texts for word in ("--text", text)]
    said = subprocess.run(
        [sys.executable, "-m", "regard", "predict", str(run), *words], capture_output=True, text=True, check=True
    ).stdout
    for text, line in zip(texts, said.splitlines(), strict=True):
        status, body = await ask(server.port, {"texts": [text]})
        wanted = json.loads(line)
        found = json.loads(body)["answers"][0]["probabilities"] if status == 200 else {}
        if max(abs(found.get(label, 2) - one) for label, one in wanted["probabilities"].items()) > 1e-5:
            raise AssertionError(f"served {body.decode()}, but predict says {wanted}")


async def _loaded(server: Server, connections: int, texts: list[str]) -> dict[str, float]:
    """All texts, one a request, from so many connections at a time."""
    waiting, times, statuses = iter(texts), list[float](), Counter[int]()

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for text in waiting:
            began = time.perf_counter()
            status, _ = await ask(server.port, {"texts": [text]}, over=(reader, writer))
            times.append(time.perf_counter() - began)
            statuses[status] += 1
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    taken = time.perf_counter() - began
    if set(statuses) != {200}:
        raise AssertionError(f"statuses {dict(statuses)}")
    times.sort()
    p50, p99 = (times[int(share * (len(times) - 1))] * 1e3 for share in (0.5, 0.99))
    return {"per_second": len(texts) / taken, "p50_ms": p50, "p99_ms": p99}


async def _malformed(run: Path, report: Report) -> dict[str, int]:
    server, draw, statuses = Server(run), random.Random(0), Counter[int]()
    try:
        for number in range(MALFORMED):
            body, headers = malformed(draw, number)
            status, _ = await ask(server.port, body, headers=headers)
            statuses[status] += 1
        alive, _ = await ask(server.port, {"texts": ["It still answers."]})
    finally:
        server.stop()
    odd = sum(count for status, count in statuses.items() if not 400 <= status < 500) + (alive != 200)
    report.goals.append(Goal(f"of {MALFORMED:,} malformed requests, not answered with 4xx", odd, 0))
    return {str(key): one for key, one in sorted(statuses.items())}


async def _stops(run: Path, connections: int, texts: list[str], report: Report) -> list[dict[str, Any]]:
    rows = []
    for _ in range(STOPS):
        server, reached, refused = Server(run), Counter[int](), Counter[str]()

        async def one(offset: int, server: Server = server, reached: Counter[int] = reached,
                      refused: Counter[str] = refused) -> None:  # fmt: skip
            for place in range(offset, 10**6, connections):
                try:
                    status, _ = await ask(server.port, {"texts": [texts[place % len(texts)]]})
                except (OSError, asyncio.IncompleteReadError) as error:
                    refused[type(error).__name__] += 1
                    return
                reached[status] += 1

        load = [asyncio.create_task(one(offset)) for offset in range(connections)]
        await asyncio.sleep(SECONDS_OF_LOAD)
        server.process.send_signal(signal.SIGTERM)
        await asyncio.gather(*load)
        said = await asyncio.to_thread(server.ended)
        accepted, answered = (int(one.replace(",", "")) for one in re.findall(r"([\d,]+) (?:requests|answered)", said))
        lost = accepted - sum(reached.values())
        row = {"accepted": accepted, "answered": answered, "reached": dict(reached), "refused": dict(refused)}
        rows.append(row | {"lost": lost})
        told = f"{accepted} accepted, {sum(reached.values())} reached their clients, {dict(refused)} refused"
        print(f"  stop: {told}", flush=True)
    report.goals.append(Goal("accepted requests lost by a stop under load", sum(abs(one["lost"]) for one in rows), 0))
    return rows


if __name__ == "__main__":
    sys.exit(main())
