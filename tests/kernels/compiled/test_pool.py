"""torch's own threads on compiled loops: shared tasks, calls at the same time, and where they cannot be reached."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import torch
from tests.focus_ways import needed
from tests.kernels.compiled.test_few import long

needed()

from regard.kernels.compiled import few, pool  # noqa: E402


@pytest.fixture
def _threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(few, "workers", lambda: 3)
    monkeypatch.setattr(few, "SHARE", 1)
    monkeypatch.setattr(few, "LEAST", 5)


@pytest.mark.usefixtures("_threads")
def test_calls_at_the_same_time() -> None:
    asked = [long(queries=number) for number in (1, 2, 3, 4)]
    want = [few.run(each) for each in asked]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(few.run, asked * 25))
    for number, got in enumerate(found):
        torch.testing.assert_close(got, want[number % 4], rtol=0, atol=0)


@pytest.mark.usefixtures("_threads")
def test_as_many_threads_as_there_are_tasks_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    at_work = pool.at_work
    monkeypatch.setattr(few, "at_work", lambda *given: seen.append(given[2]) or at_work(*given))
    few.run(long())  # 4 lanes, 3 splits each; then one thread puts them together
    few.run(long(keys=4))  # 4 lanes
    assert seen == [3, 1, 3, 1]


def test_small_calls_have_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    at_work = pool.at_work
    monkeypatch.setattr(few, "workers", lambda: 3)
    monkeypatch.setattr(few, "at_work", lambda *given: seen.append(given[2]) or at_work(*given))
    few.run(long(queries=1, groups=1, keys=50))
    assert seen == [1, 1]


def test_another_runtime_has_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool.ctypes, "CDLL", lambda path: SimpleNamespace())
    pool._parallel.cache_clear()
    try:
        assert pool.workers() == 1
    finally:
        pool._parallel.cache_clear()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_fork_has_one_thread() -> None:
    child = os.fork()
    if not child:
        os._exit(pool.workers())
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
