"""One score with its protocol in its name, and with the interval that belongs to so many test rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from regard.spec.errors import DataError

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Metric:
    """One score. `low` and `high` are its 95 % interval; `protocol` says how it came about, so that two figures with
    the same name and protocol may be compared; `better` says which of two values is the better one."""

    name: str
    value: float
    low: float
    high: float
    rows: int
    protocol: str
    better: Better = "higher"

    def __post_init__(self) -> None:
        if self.better not in get_args(Better):
            raise DataError(f"metric {self.name}: better was {self.better!r}, expected 'higher' or 'lower'")

    @property
    def full_name(self) -> str:
        """The name with its protocol, as it stands in metrics.json: `accuracy|part:test|rows:5000|...`."""
        return f"{self.name}|{self.protocol}"

    def __str__(self) -> str:
        return f"{self.name} {self.value:.4f} [{self.low:.4f}, {self.high:.4f}] on {self.rows} rows"

    def beats(self, other: Metric) -> bool:
        """Whether the value is the better of the two, intervals aside."""
        return self.value > other.value if self.better == "higher" else self.value < other.value

    def apart(self, other: Metric) -> bool:
        """Whether the two intervals have no value in common: a stricter question than whether a gain is above 0."""
        return self.low > other.high or self.high < other.low

    def plain(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {"full_name": self.full_name, **asdict(self)}


def metric_from(values: dict[str, Any]) -> Metric:
    """The metric that `plain` wrote; one written before there was `better` is of a kind where higher is better."""
    return Metric(**{key: value for key, value in values.items() if key != "full_name"})
