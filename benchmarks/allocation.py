"""A budget allocated head by head against the same budget spread evenly, in loss: Gemma 3 270M on Jane Austen.

    python -m benchmarks.allocation [--smoke]

Profiled on one novel (Persuasion), reported on another (Emma): nothing is chosen on what is reported. Each piece
is read exactly up to its last 1,024 tokens, and those on the budget, as decoding would. Even budgets are spent by plain
window + sinks, by the default policy, and by the policy that the profile lets expect to do best when spread evenly. The
profile is kept beside the results (`allocation.profile.json`), so that a stopped run goes on. Nothing is timed. Needs
`regard data get gemma3-270m` and `regard data get austen`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks import record
from benchmarks.harness import SMOKE, Goal, Report
from regard.allocate import Comparison, Profile, allocate, compare, even, profile
from regard.allocate.profile import POLICIES
from regard.app.reading_text import Reader
from regard.spec import Policy, WindowSinks
from regard.spec.budget import Budget
from regard.tasks.sources import cached, command, source

PROFILED, REPORTED = "persuasion", "emma"
BUDGETS = (0.05, 0.1, 0.2)
SCORED = 1024  # tokens at the end of each piece
WHOLE = (8192, 4, SCORED)
EVEN, ALLOCATED = "even", "allocated"


def place(name: str) -> Path:
    """What must lie in the cache: a benchmark fetches nothing."""
    found = cached(source(name))
    if found is None:
        raise SystemExit(f"{name} is not in the cache; type: regard data get {name}, or {command(source(name))}")
    return found


def reader(novel: str, tokens: int, samples: int) -> Reader:
    text = (place("austen") / f"{novel}.txt").read_text(encoding="utf-8")
    return Reader.of(place("gemma3-270m"), text, tokens=tokens, samples=samples)


def evenly(found: Profile, share: float) -> list[Policy]:
    """The policies that the share is spread evenly by: window + sinks, the default, and the best on the profile."""
    costs = {policy: even(found, Budget(fraction=share, policy=policy)).cost for policy in found.policies}
    best = min((policy for policy in costs if costs[policy] is not None), key=lambda policy: costs[policy] or 0.0)
    default = Budget(fraction=share).policy
    return list(dict.fromkeys([WindowSinks(), default, best]))


def compared(found: Profile, read: Reader, shares: tuple[float, ...], scored: int) -> Comparison:
    """Every way at every share, in one comparison."""
    ways: dict[str, Any] = {}
    for share in shares:
        ways[f"{ALLOCATED} {share:.0%}"] = allocate(found, Budget(fraction=share))
        for policy in evenly(found, share):
            ways[f"{EVEN} {share:.0%} {policy!r}"] = even(found, Budget(fraction=share, policy=policy))
    tokens = read.pieces[0].shape[1]
    return compare(
        read.model, ways, read.pieces, prompt=tokens - scored, listen=_told(len(read.pieces) * (len(ways) + 1))
    )


def goals(seen: Comparison, shares: tuple[float, ...]) -> list[Goal]:
    """For each share, the increase in loss when allocated over the least of the even ones."""
    made = []
    for share in shares:
        own = seen[f"{ALLOCATED} {share:.0%}"].increase or 0.0
        others = [ran.increase or 0.0 for ran in seen.runs if ran.name.startswith(f"{EVEN} {share:.0%} ")]
        text = f"{share:.0%} of bytes: increase in loss when allocated, over the least when spread evenly"
        made.append(Goal(text, own / max(min(others), 1e-9), 1.0, "times"))
    return made


def _told(runs: int) -> Any:
    seen: list[int] = []

    def listen(tokens: int) -> None:
        seen.append(tokens)
        print(f"  {len(seen)} of {runs} runs", flush=True)

    return listen


def main() -> int:
    parser = record.parser(__doc__)
    parser.add_argument("--tokens", type=int, default=8192, help="length of a piece (%(default)s)")
    parser.add_argument("--samples", type=int, default=4, help="pieces of each novel (%(default)s)")
    parser.add_argument("--scored", type=int, default=SCORED, help="tokens at its end on the budget (%(default)s)")
    given = parser.parse_args()
    asked, folder = record.started(given)
    smoke = asked == SMOKE
    tokens, samples, scored = (768, 1, 64) if smoke else (given.tokens, given.samples, given.scored)
    if (tokens, samples, scored) != WHOLE:
        folder = record.RESULTS / "smoke"  # smaller than what is to be shown
    shares = BUDGETS[1:2] if smoke else BUDGETS
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "allocation.profile.json"
    read = reader(PROFILED, tokens, samples)
    found = profile(
        *(read.model, read.pieces),
        policies=POLICIES,
        queries=4 if smoke else 32,
        path=path,
        listen=lambda done, told: print(f"  {told}", flush=True) if ":" not in told else None,
    )
    seen = compared(found, reader(REPORTED, tokens, samples), shares, scored)
    print(seen, flush=True)
    report = Report("allocation")
    report.goals += goals(seen, shares)
    code = record.finish(report, None, folder)
    _add(folder / "allocation.json", found, seen, {"tokens": tokens, "samples": samples, "scored": scored})
    path.unlink()
    return code


def _add(path: Path, found: Profile, seen: Comparison, sizes: dict[str, int]) -> None:
    """The runs, and what the profile let expect of each, beside what every benchmark leaves."""
    laid = json.loads(path.read_text("utf-8"))
    expected = {}
    for ran in seen.runs:
        kind, share, *policy = ran.name.split(" ", 2)
        budget = Budget(fraction=float(share.rstrip("%")) / 100)
        chosen = next((each for each in found.policies if [repr(each)] == policy), budget.policy)
        made = (
            allocate(found, budget)
            if kind == ALLOCATED
            else even(found, Budget(fraction=budget.fraction, policy=chosen))
        )
        expected[ran.name] = made.cost
    about = {**sizes, "profiled": PROFILED, "reported": REPORTED, "expected": expected, **seen.plain()}
    path.write_text(json.dumps({**laid, "allocation": about}, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
