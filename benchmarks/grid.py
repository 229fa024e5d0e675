"""Is the planner right? Over a hundred cells (shape x mask x dtype x gradient), each against what its user would write
without regard, and against every kernel that the planner could have chosen.

    python -m benchmarks.grid [--smoke] [--resume] [--only TEXT] [--seconds S]

The peers of a cell: SDPA (with `is_causal` and `enable_gqa` where they say it, else with the array that lies ready),
eager attention as transformers writes it, and plain matrix products without repeated keys. One that is off by more than
the tolerance is named and left out of its cell; what takes more than three times the best in a trial is not timed
further. A cell whose best peer takes less than 200 µs is of the class "short" and counted apart: there a call's own
cost is all there is to see. `--only` runs the cells whose name holds TEXT and `--seconds` is how long the rounds of a
cell may take; both write to results/smoke. `--resume` keeps the cells that an interrupted run of this commit has done.

Goals: no cell more than 5 % slower than its best peer; the planner's choice within 10 % of the best kernel in 90 % of
the cells. The worst cells are named.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention as sdpa

from benchmarks import record
from benchmarks.harness import SMOKE, Case, Goal, Report, Results, Rounds, relative_error, summary, take_turns
from benchmarks.inputs import Inputs, Shape
from benchmarks.structures import KINDS, Structure

REGARD, SDPA, EAGER, PRODUCTS = "regard.attend", "SDPA", "eager", "matrix products"
PEERS = (SDPA, EAGER, PRODUCTS)
SHORT = 200e-6  # seconds of the best peer below which a cell is of the class "short"
SLOWER, NEAR, SHARE = 1.05, 1.10, 0.90
HOPELESS = 3.0  # times the best in the trial: not timed further
SECONDS, SAMPLE = 2.0, 3e-3  # of a cell's rounds; of one sample, reached by repeating the call
FEWEST, MOST = 5, 21  # rounds

F64, F32, BF16, FP16 = torch.float64, torch.float32, torch.bfloat16, torch.float16
NAMES = {F64: "float64", F32: "float32", BF16: "bf16", FP16: "fp16"}
TOLERANCES = {F64: 1e-10, F32: 5e-5, BF16: 5e-2, FP16: 1e-2}
Peers = dict[str, Callable[[], Results]]


@dataclass(frozen=True)
class Cell:
    kind: str  # of KINDS
    shape: Shape
    dtype: torch.dtype = F32
    gradient: bool = False

    def __str__(self) -> str:
        return f"{self.kind}, {self.shape}, {NAMES[self.dtype]}{', with gradients' if self.gradient else ''}"


def _square(length: int, **more: int) -> Shape:
    return Shape(queries=length, keys=length, **more)


def _cells(kinds: tuple[str, ...], *shapes: Shape, dtype: torch.dtype = F32, gradient: bool = False) -> list[Cell]:
    return [Cell(kind, _batched(kind, shape), dtype, gradient) for shape in shapes for kind in kinds]


def _batched(kind: str, shape: Shape) -> Shape:
    """Padding takes a batch."""
    if kind != "padding" or shape.batch > 1:
        return shape
    return Shape(**{**shape.__dict__, "batch": 4})


ALL = tuple(KINDS)
USUAL = ("no mask", "causal", "window", "documents, causal")
FEW = ("causal", "window")
GROUPED, ONE_HEAD, MANY = {"kv_heads": 2}, {"heads": 1, "kv_heads": 1}, {"heads": 16, "kv_heads": 16}


def cells() -> list[Cell]:
    """Every cell, in the order in which they run."""
    decoding = tuple(Shape(queries=1, keys=keys) for keys in (8192, 32768))
    found = _cells(ALL, _square(1024)) + _cells(ALL, _square(1024), gradient=True)
    found += _cells(ALL, _square(4096))
    found += _cells((*USUAL, "padding", "window and sinks"), _square(2048), gradient=True)
    found += _cells((*USUAL, "padding", "half at random", "ALiBi, causal"), _square(2048), dtype=BF16)
    found += _cells(USUAL, _square(1024), dtype=BF16, gradient=True)
    found += _cells(USUAL, _square(2048), dtype=FP16) + _cells(FEW, _square(1024), dtype=FP16, gradient=True)
    found += _cells(("no mask", *FEW), _square(1024), dtype=F64)
    found += _cells(USUAL, _square(2048, **ONE_HEAD), _square(2048, **GROUPED), _square(2048, dim=128))
    found += _cells(FEW, _square(2048, **MANY)) + _cells(FEW, _square(1024, **GROUPED), gradient=True)
    for dtype in (F32, BF16):
        found += _cells(FEW, Shape(queries=512, keys=4096), dtype=dtype)
        found += _cells(("causal",), Shape(queries=4, keys=8192), Shape(queries=64, keys=4096), dtype=dtype)
        found += _cells(("causal",), Shape(queries=1, keys=32768, **GROUPED), dtype=dtype)
        found += _cells(("window",), Shape(queries=1, keys=32768), dtype=dtype)
        found += _cells(("padding",), Shape(queries=1, keys=8192, batch=4), dtype=dtype)
    for dtype in (F32, BF16, FP16):
        found += _cells(("causal",), *decoding, dtype=dtype)
    found += _cells(("causal",), Shape(queries=1, keys=32768, **ONE_HEAD), Shape(queries=1, keys=256))
    found += _cells((*USUAL, "padding"), _square(256)) + _cells(FEW, _square(256), gradient=True)
    return found + _cells(("no mask", "causal"), _square(32))


def eager(query: Tensor, key: Tensor, value: Tensor, added: Tensor | None) -> Tensor:
    """As models write it: keys and values repeated, softmax in float32."""
    more = query.shape[1] // key.shape[1]
    if more > 1:
        key, value = key.repeat_interleave(more, 1), value.repeat_interleave(more, 1)
    scores = query @ key.mT * query.shape[-1] ** -0.5
    scores = scores if added is None else scores + added
    wide = torch.float64 if scores.dtype == F64 else F32
    return scores.softmax(-1, dtype=wide).to(value.dtype) @ value


def products(query: Tensor, key: Tensor, value: Tensor, added: Tensor | None) -> Tensor:
    """The least that plain torch needs: the queries of a key head as one matrix, softmax in the inputs' dtype."""
    batch, heads, queries, dim = query.shape
    more = heads // key.shape[1]
    rows = (query * dim**-0.5).reshape(batch, key.shape[1], more, queries, dim)
    scores = (rows.flatten(2, 3) @ key.mT).unflatten(2, (more, queries))
    if added is not None:
        parts = added.shape[1]
        scores = scores + (added[:, :, None] if parts == 1 else added.unflatten(1, (key.shape[1], more)))
    weights = scores.softmax(-1).flatten(2, 3)
    return (weights @ value).reshape(batch, heads, queries, value.shape[3])


def peers(given: Inputs, structure: Structure) -> Peers:
    """What there is without regard."""
    dtype = given.query.dtype
    dense, added = structure.dense(dtype), structure.added(dtype)
    added = None if added is None else added.reshape((1,) * (4 - added.dim()) + tuple(added.shape))
    options = {"attn_mask": dense, "is_causal": structure.is_causal}
    options["enable_gqa"] = given.query.shape[1] != given.key.shape[1]
    return {
        SDPA: lambda: given.back(sdpa(*given.leaves, **options)),
        EAGER: lambda: given.back(eager(*given.leaves, added)),
        PRODUCTS: lambda: given.back(products(*given.leaves, added)),
    }


def measured(cell: Cell, seconds: float) -> dict[str, Any]:
    """One cell's row: medians, ratios to the best peer and the best kernel, what was left out and why."""
    structure = KINDS[cell.kind](cell.shape)
    given = Inputs.of(cell.shape, dtype=cell.dtype, gradient=cell.gradient)
    kernels = given.kernels(**structure.asked)
    ours: Peers = {REGARD: partial(given.attend, **structure.asked)}
    ours |= {name: partial(given.attend, **structure.asked, kernel=name) for name in kernels}
    formula = structure.formula
    want = formula.gradients(*given.leaves, given.pull) if cell.gradient else formula.output(*given.leaves)
    row: dict[str, Any] = {"cell": str(cell), "chosen": kernels[0], "errors": {}, "left_out": {}}
    fit = _gated({**peers(given, structure), **ours}, want, TOLERANCES[cell.dtype], row)
    wrong = [name for name in ours if name not in fit]
    if wrong:
        return {**row, "failed": f"{', '.join(wrong)}: {row['left_out'][wrong[0]]}"}
    kept, trial = _tried(fit, kernels)
    row["trial_s"] = {name: taken for name, taken in trial.items() if name not in kept}
    return row | _timed(cell, kept, trial, kernels, seconds)


def _tried(fit: Peers, kernels: tuple[str, ...]) -> tuple[Peers, dict[str, float]]:
    """What is worth rounds, and the seconds of one call each: never without the best peer and the best kernel."""
    trial = {name: _once(call) for name, call in fit.items()}
    least = HOPELESS * min(trial.values())
    sides = ((name for name in fit if name in PEERS), (name for name in fit if name in kernels))
    always = {REGARD, *(min(side, key=trial.__getitem__) for side in sides)}
    return {name: call for name, call in fit.items() if trial[name] <= least or name in always}, trial


def _gated(calls: Peers, want: Results, tolerance: float, row: dict[str, Any]) -> Peers:
    """Those that meet the truth; the errors, and why others are left out, go into the row."""
    fit = {}
    for name, call in calls.items():
        error = relative_error(call(), want)
        row["errors"][name] = error if math.isfinite(error) else None
        if error <= tolerance:
            fit[name] = call
        else:
            row["left_out"][name] = f"off by {error:.1e}, more than {tolerance:.0e}"
    return fit


def _once(call: Callable[[], Results]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _timed(
    cell: Cell, kept: Peers, trial: Mapping[str, float], kernels: tuple[str, ...], seconds: float
) -> dict[str, Any]:
    """Interleaved rounds of what is left after the trial, as many as the time allows."""
    calls = max(1, round(SAMPLE / min(trial[name] for name in kept)))
    turn = calls * sum(trial[name] for name in kept)
    rounds = Rounds(max(FEWEST, min(MOST, int(seconds / turn))), warmup=1)
    case = Case(name=str(cell), peers=kept, against=REGARD, truth=tuple, tolerance=0.0, calls=calls)
    taken = take_turns(case, rounds)
    medians = {name: found["median_s"] for name, found in summary(taken, REGARD).items()}
    peer, kernel = (min((name for name in kept if name in side), key=medians.__getitem__) for side in (PEERS, kernels))
    return {
        "class": "short" if medians[peer] < SHORT else "long",
        "calls": calls,
        "rounds": rounds.kept,
        "median_s": medians,
        "best_peer": peer,
        "of_best_peer": summary(taken, peer)[REGARD]["ratio"],
        "best_kernel": kernel,
        "of_best_kernel": summary(taken, kernel)[REGARD]["ratio"],
    }


def goals(report: Report, rows: list[dict[str, Any]]) -> None:
    """Of the long cells; a cell that failed its gate counts as slower, and as wrongly chosen."""
    for word, of in (("", "long"), ("short ", "short")):
        these = [row for row in rows if row.get("class", "long") == of]
        slower = [row for row in these if "failed" in row or row["of_best_peer"] > SLOWER]
        far = [row for row in these if "failed" in row or _astray(row)]
        if not these:
            continue
        for row in sorted(slower, key=lambda row: -row.get("of_best_peer", float("inf"))):
            print(f"    {row.get('of_best_peer', 0):5.2f} of {row.get('best_peer', 'nothing')}: {row['cell']}")
        if of == "long":
            text = f"cells more than 5 % slower than the best peer, of {len(these)}"
            report.goals.append(Goal(text, len(slower), 0.0))
            share = len(far) / len(these)
            text = f"share of {len(these)} cells whose choice is over 10 % slower than the best kernel"
            report.goals.append(Goal(text, share, 1 - SHARE))
        else:
            print(f"  {word}cells more than 5 % slower than the best peer: {len(slower)} of {len(these)}")


def _astray(row: Mapping[str, Any]) -> bool:
    """Another kernel would have been faster; the same one under two names differs by noise alone."""
    return row["chosen"] != row["best_kernel"] and row["of_best_kernel"] > NEAR


def main() -> int:
    parser = record.parser(__doc__)
    parser.add_argument("--resume", action="store_true", help="keep the cells that an interrupted run has done")
    parser.add_argument("--only", default="", metavar="TEXT", help="only cells whose name holds TEXT")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of a cell's rounds (default %(default)s)")
    typed = parser.parse_args()
    rounds, folder = record.started(typed)
    smoke = rounds == SMOKE
    wanted = [cell for cell in cells() if typed.only in str(cell)][:: 10 if smoke and not typed.only else 1]
    if typed.only or typed.seconds != SECONDS:
        folder = record.RESULTS / "smoke"
    folder.mkdir(parents=True, exist_ok=True)
    rows = gathered(wanted, folder / "grid.partial", typed.resume, 0.1 if smoke else typed.seconds)
    report = Report("grid")
    goals(report, rows)
    code = record.finish(report, Rounds(MOST, 1), folder)
    path = folder / "grid.json"
    found = {**json.loads(path.read_text("utf-8")), "grid": rows}
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    (folder / "grid.partial").unlink()
    return code or int(any("failed" in row for row in rows))


def gathered(wanted: list[Cell], partial_file: Path, resume: bool, seconds: float) -> list[dict[str, Any]]:
    """Every cell's row, each written down when it is done."""
    known: dict[str, dict[str, Any]] = {}
    here = record.commit()
    if resume and partial_file.exists():
        lines = partial_file.read_text("utf-8").splitlines()
        known = {row["cell"]: row for row in map(json.loads, lines) if row["regard"] == here}
    partial_file.write_text("".join(json.dumps(row) + "\n" for row in known.values()), "utf-8")
    for number, cell in enumerate(wanted, start=1):
        if str(cell) not in known:
            start = time.perf_counter()
            row = known[str(cell)] = measured(cell, seconds)
            row |= {"regard": here, "spent_s": round(time.perf_counter() - start, 1)}
            with partial_file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            print(f"  {number:3} of {len(wanted)}: {told(row)}", flush=True)
    return [known[str(cell)] for cell in wanted]


def told(row: Mapping[str, Any]) -> str:
    if "failed" in row:
        return f"{row['cell']}: FAILED {row['failed']}"
    taken = row["median_s"][REGARD] * 1e3
    return (
        f"{row['cell']}: {row['chosen']} {taken:.3g} ms, x {row['of_best_peer']:.2f} of {row['best_peer']}, "
        f"x {row['of_best_kernel']:.2f} of {row['best_kernel']}"
    )


if __name__ == "__main__":
    sys.exit(main())
