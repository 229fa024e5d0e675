"""What a budget cost: the figures of `compare`, beside the exact model's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Ran:
    """One way to run the model over the samples. None where a figure is not known.

    share: of the bytes of keys and values, how many were read. loss: nats a token; increase: of it, over the exact
    run on the same tokens, with the standard error over stretches of 16 tokens. off: |output - exact| / |exact| of the
    model's own output, where it is not decoded. errors: module path -> the mean relative error of its attention output.
    seconds: a token, the median over stretches, without the prompt and the first stretch, with which loops are
    compiled. extra_bytes: the peak of memory beyond what was held before the others, where the system tells it.
    metric: what the caller's own measure gave. left: module path -> why its calls ran exact. plain: why its budget was
    spent by window + sinks in place of its own policy.
    """

    name: str
    share: float = 1.0
    loss: float | None = None
    increase: float | None = None
    increase_error: float | None = None
    off: float | None = None
    errors: Mapping[str, float] = field(default_factory=dict)
    seconds: float | None = None
    extra_bytes: int | None = None
    metric: float | None = None
    left: Mapping[str, str] = field(default_factory=dict)
    plain: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """model: its class. samples, tokens: over how many the loss is. exact: the model without a budget. runs: each way
    that was asked for, in that order. `print(comparison)` shows a table."""

    model: str
    samples: int
    tokens: int
    exact: Ran
    runs: tuple[Ran, ...]

    def __getitem__(self, name: str) -> Ran:
        """The run of a name; "exact" is the model without a budget."""
        for ran in (self.exact, *self.runs):
            if ran.name == name:
                return ran
        raise KeyError(f"{name!r}: the runs are {', '.join(ran.name for ran in (self.exact, *self.runs))}")

    def plain(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)

    def table(self) -> tuple[list[str], list[list[str]]]:
        """(header, rows) as text; a column that no run has a figure for is left out."""
        every = (self.exact, *self.runs)
        columns = [(title, [cell(ran) for ran in every]) for title, cell in _COLUMNS]
        kept = [(title, cells) for title, cells in columns if any(cells)]
        header = ["", *(title for title, _ in kept)]
        return header, [[ran.name, *(cells[at] for _, cells in kept)] for at, ran in enumerate(every)]

    def __str__(self) -> str:
        header, rows = self.table()
        widths = [max(len(row[at]) for row in (header, *rows)) for at in range(len(header))]
        lines = [
            "  ".join(cell.ljust(width) if not at else cell.rjust(width) for at, (cell, width) in enumerate(pairs))
            for pairs in (list(zip(row, widths, strict=True)) for row in (header, *rows))
        ]
        title = f"{self.model} on {self.samples} samples, {self.tokens:,} tokens on the budget"
        return "\n".join([title, *(line.rstrip() for line in lines)])


def _increase(ran: Ran) -> str:
    if ran.increase is None:
        return ""
    error = "" if ran.increase_error is None else f" ± {ran.increase_error:.4f}"
    return f"{ran.increase:+.4f}{error}"


def _error(ran: Ran) -> str:
    return f"{sum(ran.errors.values()) / len(ran.errors):.3f}" if ran.errors else ""


_COLUMNS = (
    ("bytes read", lambda ran: f"{100 * ran.share:.1f} %"),
    ("nats a token", lambda ran: "" if ran.loss is None else f"{ran.loss:.4f}"),
    ("more", _increase),
    ("output off", lambda ran: "" if ran.off is None else f"{ran.off:.4f}"),
    ("attention off", _error),
    ("metric", lambda ran: "" if ran.metric is None else f"{ran.metric:.4g}"),
    ("ms a token", lambda ran: "" if ran.seconds is None else f"{1e3 * ran.seconds:.2f}"),
    ("peak memory", lambda ran: "" if ran.extra_bytes is None else f"{ran.extra_bytes / 1e6:,.0f} MB"),
)
