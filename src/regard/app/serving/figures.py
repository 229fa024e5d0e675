"""What a server counts of itself, for Prometheus."""

from __future__ import annotations

from typing import Any

_TIMES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Figures:
    """Requests by route and status, their times, batches and their sizes, and what waits."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry = CollectorRegistry()
        own: dict[str, Any] = {"registry": self.registry}
        self._requests = Counter("regard_requests", "Requests answered.", ["route", "status"], **own)
        self._seconds = Histogram("regard_request_seconds", "From request to answer.", ["route"], buckets=_TIMES, **own)
        self._sizes = Histogram(
            "regard_batch_items", "Items that went through the model together.", buckets=_SIZES, **own
        )
        self._batches = Histogram("regard_batch_seconds", "Of one batch in the model.", buckets=_TIMES, **own)
        self._waiting = Gauge("regard_waiting_items", "Items in the queue.", **own)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """One request is done. route: one of those there are, so that nobody can make up names."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def batched(self, size: int, seconds: float) -> None:
        """One batch went through."""
        self._sizes.observe(size)
        self._batches.observe(seconds)

    def text(self, waiting: int) -> bytes:
        """All of it, as Prometheus reads it."""
        from prometheus_client import generate_latest

        self._waiting.set(waiting)
        return bytes(generate_latest(self.registry))
