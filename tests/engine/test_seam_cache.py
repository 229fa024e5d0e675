"""The table of libraries whose models keep a cache: asked only where they are there already."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
from torch import nn

from regard.engine import seam_cache
from regard.engine.seams import reach


class Library(ModuleType):
    """A bridge that knows one answer."""

    def __init__(self, answer: object) -> None:
        super().__init__("a_bridge")
        self.answer = answer

    def slot(self, reaching: Any) -> object:
        return self.answer


@pytest.mark.parametrize("answer", [None, "a slot"])
def test_a_bridge_is_asked_where_its_library_is_there(answer: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seam_cache, "LIBRARIES", {"not_there_at_all": "nor_is_this", "a_library": "a_bridge"})
    monkeypatch.setitem(sys.modules, "a_library", ModuleType("a_library"))
    monkeypatch.setitem(sys.modules, "a_bridge", Library(answer))
    with reach(nn.Linear(1, 1), lambda reached: reached.compute()) as reaching:
        assert seam_cache.slot(reaching) == answer
