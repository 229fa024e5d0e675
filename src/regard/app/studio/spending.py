"""What budgets do to one answer: the answer itself, how far it is off, and what it took, beside the exact model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from regard.app.studio.inputs import Input
from regard.app.studio.jobs import Job
from regard.app.studio.readying import Desk
from regard.app.studio.subjects import Found
from regard.app.studio.typed import spend_line
from regard.spec.budget import Budget
from regard.spec.policy import Focus, Policy, WindowSinks

POLICIES: dict[str, Policy] = {"focus": Focus(), "window": WindowSinks()}


@dataclass(frozen=True)
class HeadRow:
    """One head of the exact model: its breadth (effective keys) and distance, the shares of its weight on the first
    key; and which share of its keys' and values' bytes it may read on the budget, where that is known."""

    layer: str
    head: int
    breadth: float
    distance: float
    first: float | None = None
    read: float | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One budget. fraction: as asked; share: of the bytes of keys and values that was read. error: of the model's
    output, or, of a model that writes, the mean of its attention's; same: whether the answer is the exact model's.
    seconds: a token, or a pass, as `seconds_of` says. bytes: peak memory beyond what was held before; cache_bytes: of
    keys and values that were read. None where a figure is not known."""

    fraction: float
    share: float | None = None
    answer: str | None = None
    same: bool | None = None
    error: float | None = None
    loss: float | None = None
    increase: float | None = None
    seconds: float | None = None
    seconds_of: str = "pass"
    bytes: int | None = None
    cache_bytes: float | None = None
    heads: tuple[HeadRow, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Spent:
    """exact: without a budget. rows: as asked. measured: what the error and the seconds are of, in words."""

    exact: Row
    rows: tuple[Row, ...]
    measured: str
    unit: str | None = None
    notes: tuple[str, ...] = ()
    tokens: int = field(default=0)

    def plain(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)


def spend(
    job: Job, desk: Desk, found: Found, given: Input, *, fractions: Sequence[float], policy: str
) -> dict[str, Any]:
    """Runs the model exactly, and on each share of the bytes of its keys and values (of its tokens: policy "tokens").

    Raises whatever reading the model or its input raises; `CancelledError` where the job is to stop.
    """
    from regard.app.studio import spending_decoded, spending_whole

    shares = sorted(set(fractions))
    if found.kind == "model" and found.facts.get("writes"):
        made = spending_decoded.spent(job, desk, found, given, shares, policy)
    elif policy == "tokens":
        made = spending_whole.of_tokens(job, desk, found, given, shares)
    else:
        made = spending_whole.of_keys(job, desk, found, given, shares, policy)
    rows = tuple(replace(row, same=_same(row, made.exact)) for row in made.rows)
    job.command = _line(found, given, shares, policy, made.tokens)
    return replace(made, rows=rows).plain()


def _same(row: Row, exact: Row) -> bool | None:
    """Whether the answer is the exact model's, figures in brackets aside."""
    if row.answer is None or exact.answer is None:
        return None
    return row.answer.partition(" (")[0] == exact.answer.partition(" (")[0]


def _line(found: Found, given: Input, shares: Sequence[float], policy: str, tokens: int) -> str:
    if found.kind == "model" and found.facts.get("writes"):
        return spend_line(found, given, shares, tokens)
    if policy == "tokens":
        each = " ".join(f"{share:g}" for share in shares)
        return f"python -c \"from regard.train import load_run; load_run('{found.path}', budget=B)\"  # B: {each}"
    spent = f"regard.Budget(fraction=B, policy=regard.{POLICIES[policy]!r})"
    if found.kind == "run":
        return f"regard.attend(q, k, v, budget={spent})  # in each layer; B: {', '.join(f'{one:g}' for one in shares)}"
    return f"with regard.use(model, {spent}, at_most=None): ...  # B: {', '.join(f'{share:g}' for share in shares)}"


def budget_of(share: float, policy: str) -> Budget:
    """The same budget for every head."""
    return Budget(fraction=share, policy=POLICIES[policy])
