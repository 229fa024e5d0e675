"""What `regard profile`, `allocate` and `compare` do between the command line and the library."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from regard.allocate.allocate import allocate, even
from regard.allocate.allocation import Allocation
from regard.allocate.compare import compare
from regard.allocate.comparison import Comparison
from regard.allocate.profile import profile
from regard.allocate.profiled import Profile
from regard.allocate.sample import Sample
from regard.allocate.weighing import NATS
from regard.app.budget_bars import bars, heads
from regard.app.budget_lines import Line, best_even, expected, measured
from regard.app.budget_page import Page
from regard.app.budget_page import write as write_page
from regard.app.counting import counted
from regard.app.failures import StoppedError
from regard.app.reading_text import Reader
from regard.app.screen import Screen
from regard.spec.budget import Budget
from regard.spec.errors import SpecError
from regard.spec.policy import Focus, Policy

ALLOCATED, EVEN = "allocated", "even"
EVENLY: Policy = Focus()  # how a budget that is the same for every head is spent
Ways = dict[str, Allocation | Budget]


def budgets_from(text: str) -> tuple[float, ...]:
    """Shares as they are typed, ".05,.1". Raises `SpecError` for what is none."""
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise SpecError(f"--budget {text!r}: expected shares such as .1, or .05,.1,.2") from None
    for share in found:
        Budget(fraction=share)  # raises for a share that is none
    if len(set(found)) < len(found):
        raise SpecError(f"--budget {text!r}: a share is there twice")
    return found


def profiled(screen: Screen, reader: Reader, path: Path, *, queries: int) -> Profile:
    """Measures the pieces of a text, one after another; goes on where the file at `path` ends.

    Raises:
        StoppedError: Ctrl-C; the sentence says how to go on.
        DataError: the file is of another model, other settings or another text.
    """
    count, said = len(reader.pieces), ["sample 1"]
    screen.line(f"{reader.name} reads {count} pieces of {reader.pieces[0].shape[1]:,} tokens")
    with counted(screen, float(count), lambda _: f"{said[0]} (of {count})") as tell:

        def listen(done: int, told: str) -> None:
            said[0] = told
            tell(done)

        try:
            return profile(reader.model, reader.pieces, queries=queries, path=path, listen=listen)
        except KeyboardInterrupt:
            if not path.exists():
                raise StoppedError("nothing is kept yet; type the same command to begin again") from None
            raise StoppedError(f"the pieces that are done are kept in {path}; type the same command to go on") from None


def show_profile(screen: Screen, found: Profile) -> None:
    """The heads, what cannot be budgeted, and what budgets are expected to cost."""
    screen.title(
        f"{found.model.kind}: {len(found.samples)} samples, {found.full / 1e6:,.1f} MB of keys and values a token"
    )
    screen.lines(heads(found))
    for path, why in (found.kept or {}).items():
        screen.line(f"not measured: {path}: {why}")
    screen.line()
    screen.title("Expected cost of a budget")
    screen.lines(bars(best_even(expected(found)), f"more {found.unit}"))


def show_allocation(screen: Screen, found: Profile, made: Allocation) -> None:
    """What each head is given, and what that is expected to cost."""
    screen.lines(heads(found, made))
    screen.line()
    cost = "" if made.cost is None else f"; expected to cost {made.cost:.4f} {made.unit}"
    share = 1.0 if made.share is None else made.share
    screen.line(f"{100 * share:.1f} % of the bytes of keys and values{cost}")


def ways_of(
    budgets: Sequence[float], allocation: Allocation | None, found: Profile | None
) -> tuple[Ways, list[tuple[str, str]]]:
    """(what to compare, by name; for each the line of the picture that it belongs to).

    Each share is spread evenly and, where there is a profile, allocated; an allocation of one's own stands beside them.
    """
    ways: Ways = {}
    named: list[tuple[str, str]] = []
    if allocation is not None:
        ways["the allocation"] = allocation
        named.append((ALLOCATED, "the allocation"))
    for share in budgets:
        text = f"{100 * share:g} %"
        if found is not None:
            ways[f"{ALLOCATED}, {text}"] = allocate(found, Budget(fraction=share))
            named.append((ALLOCATED, f"{ALLOCATED}, {text}"))
        evenly = Budget(fraction=share, policy=EVENLY)
        ways[f"{EVEN}, {text}"] = evenly if found is None else even(found, evenly)
        named.append((EVEN, f"{EVEN}, {text}"))
    return ways, named


def compared(screen: Screen, reader: Reader, ways: Ways) -> Comparison:
    """Runs the model on the pieces, exactly and each way."""
    rest = sum(piece.shape[1] - piece.shape[1] // 2 for piece in reader.pieces)
    total = rest * (1 + len(ways))
    screen.line(f"{reader.name}: {rest:,} tokens after their prompts, without a budget and in {len(ways)} ways on one")
    with counted(screen, float(total), lambda done: f"{done:,.0f} of {total:,} tokens") as tell:
        made = compare(reader.model, ways, reader.pieces, listen=tell)
    return replace(made, model=reader.name)


def profiled_too(reader: Reader, found: Profile | None) -> str | None:
    """A remark on pieces that the profile was made on: what is allocated by it fits them best."""
    known = () if found is None else found.samples
    count, both = len(reader.pieces), sum(Sample.of(piece).hash in known for piece in reader.pieces)
    if not both:
        return None
    return f"{both} of the {count} pieces were profiled too: on another text, what is allocated may cost more"


def show_comparison(screen: Screen, made: Comparison, lines: Sequence[Line]) -> None:
    """The table, and a bar for each budget."""
    screen.lines(str(made).splitlines())
    screen.line()
    screen.title("What the budgets cost")
    screen.lines(bars(lines, f"more {NATS}"))
    for ran in made.runs:
        for what, reasons in (("ran exact", ran.left), ("was spent by window + sinks", ran.plain)):
            for path, why in list(reasons.items())[:1]:  # one stands for all: they differ in numbers
                more = f" and {len(reasons) - 1} more" if len(reasons) > 1 else ""
                screen.line(f"{ran.name}: {path}{more} {what}: {why}")


def picture(
    path: Path,
    title: str,
    *,
    comparison: Comparison | None = None,
    named: Sequence[tuple[str, str]] = (),
    found: Profile | None = None,
    allocation: Allocation | None = None,
) -> None:
    """Writes the page: measured costs where there are any, else those the profile lets expect."""
    notes: tuple[str, ...] = ()
    if comparison is not None:
        lines = measured(comparison, named)
        notes = (f"{comparison.samples} texts, {comparison.tokens:,} tokens on the budget.",)
    else:
        lines = [] if found is None else expected(found)
        notes = ("Expected from the profile, not measured: regard compare measures.",)
    unit = f"more {NATS if found is None else found.unit}"
    write_page(Page(title, notes, unit, tuple(lines), comparison, found, allocation), path)


def write_figures(path: Path, made: Comparison) -> None:
    """The figures as JSON. Raises `RunError` where they cannot be written."""
    from regard.disk import write_atomically

    write_atomically(path, (json.dumps(made.plain(), ensure_ascii=False, indent=1) + "\n").encode())
