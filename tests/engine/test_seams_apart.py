"""Nothing of a `reach` is felt elsewhere: not afterwards, not in other threads, not after an exception."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from tests.engine.plain_models import Model, answer, untouched, x
from tests.engine.reached import gathered

from regard.engine.seams import Reached, reach


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_stays_after_an_exception(error: type[BaseException]) -> None:
    model = Model()

    def fail(reached: Reached) -> Any:
        raise error

    with pytest.raises(error), reach(model, fail):
        model(x())
    assert untouched(model)
    model.boom = True
    with pytest.raises(RuntimeError, match="boom"), reach(model, answer):
        model(x())
    assert untouched(model)


def test_an_exception_that_is_caught_inside_leaves_the_rest_seen() -> None:
    model, names = Model(), []
    with reach(model, lambda reached: (names.append(reached.name), reached.compute())[1]):
        model.boom = True
        with pytest.raises(RuntimeError):
            model(x())
        model.boom = False
        model(x())
    assert names == ["blocks.0", "blocks.1"] * 2


def test_a_forward_that_was_set_on_a_module_comes_back() -> None:
    model = Model()
    own = model.blocks[0].forward
    marked = lambda x: own(x) + 1  # noqa: E731
    model.blocks[0].forward = marked
    calls, _, _ = gathered(model, x())
    assert len(calls) == 2
    assert model.blocks[0].__dict__["forward"] is marked


def test_a_wrapper_that_someone_lays_over_ours_is_not_torn_away() -> None:
    model = Model()
    with reach(model, answer):
        ours = model.blocks[0].forward
        theirs = lambda x: ours(x)  # noqa: E731
        model.blocks[0].forward = theirs
    assert model.blocks[0].__dict__["forward"] is theirs
    assert model(x()).shape == (2, 5, 8)


def test_two_threads_each_with_their_own_model_and_one_with_none() -> None:
    models, found, outs = [Model(), Model(), Model()], [[], []], {}
    shared = models[0]
    expected = [model(x()) for model in models]
    at = threading.Barrier(3)

    def watching(index: int) -> None:
        torch.get_num_threads()  # or this thread's first product is on as many threads as the machine has, not as asked
        with reach(models[index], lambda reached: (found[index].append(reached.name), reached.compute())[1]):
            at.wait()
            outs[index] = models[index](x())
            at.wait()
            at.wait()

    def plain() -> None:
        torch.get_num_threads()
        at.wait()
        outs[2] = models[2](x())
        outs["shared"] = shared(x())  # held by another thread, not by this one
        at.wait()
        at.wait()

    threads = [threading.Thread(target=watching, args=(index,)) for index in (0, 1)] + [threading.Thread(target=plain)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [["blocks.0", "blocks.1"]] * 2
    assert all(torch.equal(outs[index], expected[index]) for index in range(3))
    assert torch.equal(outs["shared"], expected[0])
    assert all(untouched(model) for model in models)


def test_two_threads_on_one_model_see_their_own_calls_and_leave_in_any_order() -> None:
    model, found = Model(), {"first": [], "second": []}
    inside, left = threading.Event(), threading.Event()

    def first() -> None:
        with reach(model, lambda reached: (found["first"].append(reached.request.place.key_len), reached.compute())[1]):
            inside.set()
            left.wait()
            model(x(3))

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait()
    with reach(model, lambda reached: (found["second"].append(reached.request.place.key_len), reached.compute())[1]):
        model(x(7))
    left.set()
    thread.join()
    assert found == {"first": [3, 3], "second": [7, 7]}
    assert untouched(model)
