"""How much a studio takes on: every size that a request could drive up has a bound here."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

_SHARE = 4  # looks may take one part in so many of the machine's memory


@dataclass(frozen=True)
class Limits:
    """Bytes, counts and lengths.

    body_bytes: of a request. text_characters: of a typed text. tokens: of what is read. file_bytes: of a file that is
    read; preview_bytes: of one that is sent as it is. listed: entries of a folder. subjects: runs and models that are
    offered; depth: of folders in which they are looked for. jobs_waiting, jobs_kept: before and after they ran;
    results_bytes: of what those that are kept came to. looks: in memory; looks_bytes: of their queries, keys and maps.
    models: held ready. requests, streams: at once. tiles: drawn at once. fractions, methods: in one job.
    """

    body_bytes: int = 4_000_000
    text_characters: int = 400_000
    tokens: int = 32_768
    file_bytes: int = 200_000_000
    preview_bytes: int = 8_000_000
    listed: int = 1_000
    subjects: int = 200
    depth: int = 4
    jobs_waiting: int = 16
    jobs_kept: int = 200
    results_bytes: int = 100_000_000
    looks_bytes: int = 2_000_000_000
    looks: int = 24
    models: int = 2
    requests: int = 128
    streams: int = 32
    tiles: int = 2
    fractions: int = 8
    methods: int = 12

    @classmethod
    def here(cls) -> Limits:
        """Those for this machine."""
        return cls(looks_bytes=min(cls.looks_bytes, _memory() // _SHARE))

    def plain(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)


def _memory() -> int:
    """Bytes of this machine's memory; where it does not say, 8 GB are taken for granted."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 8_000_000_000
