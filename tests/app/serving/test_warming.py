"""Before a server listens: loops are compiled where they may run, and torch has as many threads as pay."""

from dataclasses import replace

import pytest
import torch

import regard
from regard.app.serving import warming
from regard.app.serving.answering import Answering
from regard.app.serving.kinds import kind_of
from regard.app.serving.limits import Limits
from regard.train.run import load_run


@pytest.fixture
def threads():
    """torch's threads are as before."""
    before = torch.get_num_threads()
    yield before
    torch.set_num_threads(before)


@pytest.fixture
def quiet(monkeypatch):
    """Nothing is compiled, and the garbage collector is left alone."""
    monkeypatch.setattr(warming, "_may_run_loops", lambda run: False)
    monkeypatch.setattr(warming.gc, "freeze", lambda: None)


@pytest.fixture
def answering(trained):
    run = load_run(trained)
    return Answering(run, kind_of(run, Limits()))


@pytest.mark.parametrize(("seconds", "chosen"), [(0.001, 1), (1.0, 3)])
def test_a_small_model_has_one_thread_and_a_large_one_all(answering, threads, quiet, monkeypatch, seconds, chosen):
    monkeypatch.setattr(warming, "_timed", lambda run, given: seconds)
    torch.set_num_threads(3)
    assert warming.warm(answering) == torch.get_num_threads() == chosen


def test_what_is_asked_for_is_taken(answering, threads, quiet):
    assert warming.warm(answering, threads=2) == torch.get_num_threads() == 2


def test_a_run_without_texts_keeps_torchs_own(table, threads, quiet):
    torch.set_num_threads(2)
    assert warming.warm(Answering(table, kind_of(table, Limits()))) == 2


def test_loops_are_compiled_where_the_planner_may_choose_them(answering, threads, quiet, monkeypatch):
    asked = []
    monkeypatch.setattr(regard, "attend", lambda *given, **more: asked.append(more))
    warming.warm(answering, threads=threads)
    assert asked == []
    monkeypatch.setattr(warming, "_may_run_loops", lambda run: True)
    warming.warm(answering, threads=threads)
    assert asked == [{"kernel": "loops"}]


def test_whether_they_may_run_is_a_question_of_the_plan(table, monkeypatch):
    class Plan:
        kernel = "exact"

    seen = []

    def plan(query, key, value, *, mask):
        seen.append((tuple(query.shape), key.shape[2], mask is None))
        return Plan

    monkeypatch.setattr(warming.loops, "installed", lambda: True)
    monkeypatch.setattr(regard, "plan", plan)
    assert not warming._may_run_loops(replace(table))
    heads, size = table.settings.core.heads, table.settings.core.dim // table.settings.core.heads
    assert ((16, heads, 64, size), 1024, False) in seen
    assert all(shape[2] <= keys for shape, keys, _ in seen)
    monkeypatch.setattr(Plan, "kernel", "loops")
    assert warming._may_run_loops(table)
    monkeypatch.setattr(warming.loops, "installed", lambda: False)
    assert not warming._may_run_loops(table)
