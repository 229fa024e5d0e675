"""A look-up that is answered per context: put in once, taken out with its last user, whatever happens."""

from __future__ import annotations

from typing import Any

import pytest

from regard.bridges.transformers_lookup import LookUp


class Base:
    def ask(self, name: str) -> str:
        return f"base {name}"


class Own(Base):
    def ask(self, name: str) -> str:
        return f"own {name}"


class Inheriting(Base):
    pass


def loud(own: Any) -> Any:
    def ask(self: Any, name: str) -> str:
        return str(own(self, name)).upper()

    return ask


@pytest.mark.parametrize(("owner", "said"), [(Own, "own a"), (Inheriting, "base a")])
def test_the_method_is_answered_while_it_is_open_and_its_own_after(owner: type, said: str) -> None:
    before, look_up = dict(owner.__dict__), LookUp("ask", loud)
    with look_up.opened(owner):
        assert owner().ask("a") == said.upper()
        with look_up.opened(owner):
            assert owner().ask("a") == said.upper()  # once, not twice
        assert owner().ask("a") == said.upper()
    assert owner().ask("a") == said
    assert dict(owner.__dict__) == before


def test_after_an_exception_it_is_closed_as_well() -> None:
    with pytest.raises(RuntimeError), LookUp("ask", loud).opened(Inheriting):
        raise RuntimeError
    assert "ask" not in Inheriting.__dict__


@pytest.mark.parametrize("owner", [None, int])
def test_a_table_that_is_not_there_is_left_alone(owner: type | None) -> None:
    with LookUp("ask", loud).opened(owner):
        assert not hasattr(int, "ask")
