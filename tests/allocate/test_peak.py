"""The most memory that a call needed."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from regard.allocate import peak
from regard.allocate.peak import extra_bytes


def test_peak_memory_sees_what_was_freed_again() -> None:
    """100 MB that are gone by the end of the call."""

    def call() -> float:
        return torch.ones(25_000_000).sum().item()

    made, extra = extra_bytes(call)
    assert made == 25_000_000
    assert extra is None or extra > 90_000_000


def test_where_the_system_does_not_tell_there_is_no_figure(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(peak, "_CLEAR", tmp_path / "no" / "such")
    assert extra_bytes(lambda: 3) == (3, None)
