"""Models that are held ready; no garbage is collected while one is read."""

import gc

import pytest

from regard.app.studio.look import Looks
from regard.app.studio.models import Held, uncollected


def test_the_latest_few_are_held():
    held, made = Held(2), []
    for name in ("a", "b", "a", "c", "a", "b"):
        held.get(name, lambda name=name: made.append(name) or name)
    assert made == ["a", "b", "c", "b"]  # b made room for c, and is read again


def test_no_garbage_is_collected_meanwhile():
    seen = []
    assert gc.isenabled()
    Held(1).get("a", lambda: seen.append(gc.isenabled()))
    assert seen == [False]
    assert gc.isenabled()


def test_garbage_is_collected_again_after_a_failure():
    with pytest.raises(ZeroDivisionError):
        Held(1).get("a", lambda: 1 / 0)
    assert gc.isenabled()


def test_who_had_turned_it_off_finds_it_so():
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


class Fixed:
    """Stands for a look."""

    def __init__(self, name):
        self.id, self.size = name, 1


def test_only_so_many_looks_are_kept():
    looks = Looks(1000, 3)
    for name in "abcde":
        looks.put(Fixed(name), b"")
    assert looks.size == 3
    assert [looks[name].id for name in "cde"] == ["c", "d", "e"]
