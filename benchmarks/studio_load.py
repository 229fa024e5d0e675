"""What the studio takes and how soon it answers, in parts that are measured one by one.

    python -m benchmarks.studio_load [--parts looks painted answers memory clients fuzz] [--run FOLDER] [--smoke]

looks    a run, MiniLM, and Gemma 3 270M with 8,192 tokens: from the pass to the first picture; tiles at every zoom
painted  the same first picture in the page itself, in Chromium: from the pass until the map is painted
answers  the page, the jobs and what the studio is, asked for while a model is read, runs and is explained
memory   looks and tiles over and over: the memory of the process after warm-up, and after as many requests again
clients  so many at once, on loopback
fuzz     requests that schemathesis draws from the description, valid ones and broken ones, half of them with ids, names
         and paths that are there: none may be answered with 500 or more, hang, or show what lies outside of the folder

The first four ask the server that `regard studio` starts, on real models (`regard data get minilm`, `gemma3-270m` and
`austen`; the run is yours). The last two have a server of their own (`benchmarks.studio_served`) on a folder with tiny
models, beside which lies a file that must never be opened. Each part is written to results/studio.json when it is done,
beside what was there of the others. The exit code is 1 where a promise of `fuzz` or `clients` is broken.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from benchmarks import record
from benchmarks.harness import SMOKE, Goal, Report, Rounds
from benchmarks.studio_fuzz import Fuzz, foreign, made_folder
from benchmarks.studio_painted import painted
from benchmarks.studio_real import REVIEW, Asked, looked, over_and_over, polled, tiles, tiles_over_and_over
from benchmarks.studio_served import Served, commanded, served
from benchmarks.studio_working import worked

TOKENS = 8192
FIRST, TILE, ANSWER, GROWN = 3.0, 0.1, 1.0, 1.05  # goals: seconds, seconds, seconds, times the memory
LONG = "gemma3-270m"


def at_once(server: Served, clients: int, each: int = 10) -> dict[str, Any]:
    """So many clients, each asking one thing after another: statuses and seconds."""

    def ask(_: int) -> list[tuple[int, float]]:
        found = []
        with httpx.Client(base_url=server.address, headers=server.headers, timeout=60) as own:
            for place in range(each):
                began = time.perf_counter()
                answer = (
                    own.get("/api/jobs")
                    if place % 2
                    else own.post("/api/learn/mask", json={"expression": "Causal()", "queries": 32, "keys": 32})
                )
                found.append((answer.status_code, time.perf_counter() - began))
        return found

    with ThreadPoolExecutor(clients) as pool:
        answers = [one for many in pool.map(ask, range(clients)) for one in many]
    seconds = sorted(each for _, each in answers)
    return {
        "clients": clients,
        "requests": len(answers),
        "statuses": dict(Counter(status for status, _ in answers)),
        "median_ms": round(1e3 * statistics.median(seconds), 1),
        "p99_ms": round(1e3 * seconds[int(0.99 * (len(seconds) - 1))], 1),
    }


def _places(given: Namespace) -> tuple[list[Path], list[Asked]]:
    """The folders of the studio on real models, and what it is asked."""
    from regard.tasks.sources import cached, source

    found = {}
    for name in ("minilm", LONG, "austen"):
        path = cached(source(name))
        if path is None:
            raise SystemExit(f"{name} is not in the cache; type: regard data get {name}")
        found[name] = path
    tokens = 512 if given.smoke else TOKENS
    emma = {"file": str((found["austen"] / "emma.txt").resolve()), "tokens": tokens}
    asked = [
        Asked(given.run.resolve().name, f"{given.run.name}: a sentence", {"text": REVIEW}),
        Asked(found["minilm"].name, "MiniLM: a sentence", {"text": REVIEW}),
        Asked(found[LONG].name, f"Gemma 3 270M: {tokens:,} tokens of Emma", emma),
    ]
    return [given.run, *found.values()], asked


def _looks(given: Namespace) -> dict[str, Any]:
    folders, asked = _places(given)
    rows, drawn = [], []
    with commanded(folders) as server:
        for one in asked:
            row, look = looked(server, one)
            rows.append(row)
            print(f"  {row}", file=sys.stderr)
            drawn += tiles(server, one.name, look)
    return {"looks": rows, "tiles": drawn}


def _painted(given: Namespace) -> dict[str, Any]:
    """The same subjects, asked in the page; a browser for each."""
    folders, asked = _places(given)
    rows = []
    with commanded(folders) as server:
        for one in asked:
            rows.append(painted(server, one))
            print(f"  {rows[-1]}", file=sys.stderr)
    return {"painted": rows}


def _answers(given: Namespace) -> dict[str, Any]:
    """A new studio, so that libraries and models are read while the page is asked for."""
    folders, asked = _places(given)
    long = asked[-1]
    with commanded(folders) as server:
        with polled(server) as first:
            looked(server, long)
        with polled(server) as second:
            worked(server, long.name)
    return {"answers": [*first.rows(long.what), *second.rows("Gemma 3 270M: why, and budgets, on a sentence")]}


def _memory(given: Namespace) -> dict[str, Any]:
    folders, asked = _places(given)
    with commanded(folders) as server:
        rows = [over_and_over(server, one.name, given.requests) for one in asked[:2]]
        long = Asked(asked[-1].name, "", asked[-1].given | {"tokens": min(2048, int(asked[-1].given["tokens"]))})
        rows.append(tiles_over_and_over(server, looked(server, long)[1], long.name, given.requests))
    return {"held": rows}


def _alone(given: Namespace, ask: Callable[[Served, Path], dict[str, Any]]) -> dict[str, Any]:
    """Against the server on tiny models, which must open nothing beside its folder."""
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryDirectory() as aside:
        parent, opened = Path(place), Path(aside) / "opened.txt"
        folder = made_folder(parent)
        with served(folder, opened) as server:
            found = ask(server, folder)
        return {
            **found,
            "opened_outside": foreign(opened, parent),
            "beside_the_folder": sorted(one.name for one in parent.iterdir()),
        }


def _clients(given: Namespace) -> dict[str, Any]:
    return {"clients": _alone(given, lambda server, _: at_once(server, given.clients))}


def _fuzz(given: Namespace) -> dict[str, Any]:
    def ask(server: Served, folder: Path) -> dict[str, Any]:
        fuzz = Fuzz(server, folder)
        fuzz.run(given.drawn)
        fuzz.close()
        return {
            "requests": sum(fuzz.statuses.values()),
            "statuses": {str(status): count for status, count in sorted(fuzz.statuses.items())},
            "slowest_s": round(fuzz.slowest, 2),
            "broken": fuzz.broken[:20],
        }

    return {"fuzz": _alone(given, ask)}


PARTS: Mapping[str, Callable[[Namespace], dict[str, Any]]] = {
    "looks": _looks,
    "painted": _painted,
    "answers": _answers,
    "memory": _memory,
    "clients": _clients,
    "fuzz": _fuzz,
}


def goals(found: Mapping[str, Any]) -> list[Goal]:
    """What was promised, of the parts that were measured."""
    made = [
        Goal(f"{row['what']}: from the pass to the first picture", row["after_pass_s"] or row["whole_s"], FIRST, "s")
        for row in found.get("looks", ())
    ]
    made += [
        Goal(f"{row['what']}: from {row['from']} until the map is painted in Chromium", row["first_s"], FIRST, "s")
        for row in found.get("painted", ())
    ]
    if found.get("tiles"):
        slowest = max(row["median_ms"] for row in found["tiles"])
        made.append(Goal("a tile, the slowest median of any zoom and kind of layer", slowest / 1e3, TILE, "s"))
    if found.get("answers"):
        worst = max(row["worst_ms"] for row in found["answers"])
        made.append(Goal("the page while a model is read and runs, the slowest answer", worst / 1e3, ANSWER, "s"))
    made += [
        Goal(
            f"{row['subject']}: memory after {2 * row['requests']} requests, by that after {row['requests']}",
            row["end_mb"] / row["warm_mb"],
            GROWN,
            "times",
        )
        for row in found.get("held", ())
    ]
    if found.get("fuzz"):
        made.append(Goal(f"{found['fuzz']['requests']:,} random requests that broke something", _broken(found), 0))
    return made


def _broken(found: Mapping[str, Any]) -> int:
    """How many promises of `fuzz` and `clients` did not hold."""
    count = 0
    for part in (found.get("fuzz"), found.get("clients")):
        if part is not None:
            count += len(part["opened_outside"]) + (part["beside_the_folder"] != ["mine", "secret.txt"])
            count += len(part.get("broken", ())) + sum(1 for status in part["statuses"] if int(status) >= 500)
    return count


def main() -> int:
    """Measures the parts that were asked for; 1 where a promise was broken."""
    parser = record.parser(__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--run", type=Path, default=Path("runs/sentiment"), help="a run of sentiment (%(default)s)")
    for name, default in (("requests", 200), ("clients", 50), ("drawn", 10_000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    _, folder = record.started(given)
    path = folder / "studio.json"
    kept: dict[str, Any] = json.loads(path.read_text("utf-8"))["studio"] if path.is_file() else {}
    for part in given.parts:
        began = time.perf_counter()
        found = PARTS[part](given)
        seconds = round(time.perf_counter() - began)
        kept["parts"] = kept.get("parts", {}) | {part: {"regard": record.commit(), "seconds": seconds}}
        kept |= found
        print(json.dumps(found, indent=1))
        report = Report("studio", goals=goals(kept))
        record.finish(report, SMOKE if given.smoke else Rounds(1, 0), folder, more={"studio": kept})
    return int(_broken(kept) > 0)


if __name__ == "__main__":
    sys.exit(main())
