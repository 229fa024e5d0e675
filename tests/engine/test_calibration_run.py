"""What is measured and how: the grid, the turns, and what happens when the time is up. The clock is made up."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from regard.engine import calibration_clock as clock
from regard.engine import calibration_run as module
from regard.engine.calibration import Calibration, Rates, this_machine
from regard.engine.calibration_fit import LEAST_REQUESTS
from regard.engine.calibration_grid import Asked, _lengths, grid
from regard.engine.calibration_run import Measured, Timed, measure
from regard.kernels.cost import Cost
from regard.kernels.table import TABLE, row
from regard.kernels.table_spend import SPEND_ROWS
from regard.spec import Causal, request

CPU = torch.device("cpu")


def asked(length: int = 4, **more: object) -> Asked:
    given = {"shape": (1, 1, 1, length, length, 2), "mask": None, "dtype": torch.float32, "gradient": False}
    return Asked(**(given | more))  # type: ignore[arg-type]


class MadeUpTime:
    """A clock that moves only when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def call(self, seconds: float, order: list[float]) -> Callable[[], None]:
        def taken() -> None:
            self.now += seconds
            order.append(seconds)

        return taken


@pytest.fixture
def made_up(monkeypatch):
    found = MadeUpTime()
    monkeypatch.setattr(clock, "time", found)
    monkeypatch.setattr(module, "time", found)
    return found


def test_calls_take_turns_and_every_second_round_runs_backwards(made_up):
    order = []
    calls = [made_up.call(seconds, order) for seconds in (1.0, 2.0)]
    assert clock.in_turns(calls, CPU, rounds=3, seconds=100.0) == [1.0, 2.0]
    assert order == [*(1.0, 2.0), *(1.0, 2.0), *(2.0, 1.0), *(1.0, 2.0)]  # the first two are not counted


def test_no_round_begins_when_the_time_is_up(made_up):
    order = []
    assert clock.in_turns([made_up.call(5.0, order)], CPU, rounds=9, seconds=12.0) == [5.0]
    assert len(order) == 1 + 3


def test_short_calls_are_repeated():
    assert [clock.calls_for(seconds) for seconds in (1.0, 1e-3, 1e-4, 1e-5, 0.0)] == [1, 1, 10, 100, 1000]


def test_a_sample_is_the_mean_of_its_calls(made_up):
    order = []
    assert clock.sample(made_up.call(0.5, order), CPU, calls=4) == 0.5
    assert len(order) == 4


def test_the_clock_waits_for_a_gpu_before_it_starts_and_before_it_stops(monkeypatch):
    order = []
    monkeypatch.setattr(torch.cuda, "synchronize", order.append)
    gpu = torch.device("cuda")
    clock.sample(lambda: order.append("call"), gpu)
    assert order == [gpu, "call", gpu]


def test_measuring_leaves_the_random_state_and_the_collector_as_they_were():
    before = torch.get_rng_state()
    for on in (True, False):
        (gc.enable if on else gc.disable)()
        try:
            with clock.quiet(CPU):
                torch.randn(3)
                assert not gc.isenabled()
            assert gc.isenabled() == on
        finally:
            gc.enable()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_call_runs_forward_and_with_a_gradient_backward_too():
    runs = Counter()

    class Watched(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            runs["forward"] += 1
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            runs["backward"] += 1
            return grad * 2

    class OneRow:
        @staticmethod
        def run(each):
            return Watched.apply(each.query), None

    q = torch.zeros(1, 1, 3, 4)
    clock.call_of(OneRow, request(q, q, q))()
    assert runs == {"forward": 1}
    learning = q.clone().requires_grad_()
    clock.call_of(OneRow, request(learning, q, q))()
    assert runs == {"forward": 2, "backward": 1}
    assert learning.grad is None


def test_every_kernel_is_measured_on_what_it_can_do():
    told = []
    additive = asked(additive=True)
    learning = asked(gradient=True, mask=Causal(), dtype=torch.float64)
    found = measure([asked(), additive, learning], 0.2, told.append)
    timed = found.timed
    able = {each.name for each in TABLE if each.automatic and "cpu" in each.devices}
    pairs = {(each.key, each.asked) for each in timed}
    assert (found.left_out, found.enough) == (0, True)
    assert {key[0] for key, _ in pairs} <= able
    assert (("exact", "float32", "forward"), asked()) in pairs
    assert (("exact", "float64", "gradient"), learning) in pairs
    assert (("additive", "float32", "forward"), additive) in pairs
    assert (("exact", "float32", "forward"), additive) not in pairs
    assert all(each.seconds > 0 for each in timed)
    assert told == sorted(told)
    assert 0 < told[0] <= told[-1] <= 1


def only(monkeypatch, made_up, seconds_of):
    """The table is "exact" alone, and a call of it takes what `seconds_of` says of the number of queries."""
    order = []
    monkeypatch.setattr(module, "TABLE", [row("exact")])
    monkeypatch.setattr(module, "call_of", lambda _, each: made_up.call(seconds_of(each.query.shape[2]), order))
    return order


def test_when_the_time_is_short_the_longest_run_once_or_not_at_all(monkeypatch, made_up):
    """100 s. Trying takes at most half: 1 + 10 + 45 s (the last begins before 50 s are up), and 1,000 s is not begun.
    Of the 44 s that are left, three rounds of 1 + 10 s take 33, and one of 45 s does not fit in."""
    takes = {4: 1.0, 5: 10.0, 6: 45.0, 7: 1000.0}
    order = only(monkeypatch, made_up, takes.__getitem__)
    found = measure([asked(length) for length in (6, 4, 7, 5)], 100.0, lambda _: None)
    assert found.left_out == 1
    assert sorted((each.asked.shape[3], each.seconds) for each in found.timed) == [(4, 1.0), (5, 10.0), (6, 45.0)]
    assert Counter(order)[1000.0] == 0
    assert Counter(order)[45.0] == 1
    assert order[:3] == [1.0, 10.0, 45.0]
    assert order[3:9] == [*(1.0, 10.0), *(10.0, 1.0), *(1.0, 10.0)]


def test_a_short_call_is_tried_twice_for_its_first_also_makes_what_is_kept(monkeypatch, made_up):
    order = only(monkeypatch, made_up, lambda _: 0.01)
    measure([asked()], 0.005, lambda _: None)
    assert len(order) == 2 + module.LEAST_ROUNDS


def test_no_time_measures_nothing(monkeypatch, made_up):
    made_up.now = 1.0
    order = only(monkeypatch, made_up, lambda _: 1.0)
    made = iter(range(2, 100))
    monkeypatch.setattr(made_up, "perf_counter", lambda: float(next(made)))
    found = measure([asked()], 0.1, lambda _: None)
    assert (found.timed, found.left_out, found.enough) == ([], 1, False)
    assert order == []


def test_the_time_that_is_needed_is_predicted_from_the_calls_that_were_tried(monkeypatch, made_up):
    """A call of n queries costs n flops, by these rates n seconds; this machine takes ten times that. Of 50 s half are
    for trying: the call of 20 s begins in time and ends after 30 s. The others would take 30 and 40 s: 100 s, twice."""
    only(monkeypatch, made_up, lambda length: 10.0 * length)
    counted = replace(row("exact"), cost=lambda each: Cost(float(each.query.shape[2]), 0.0, 0.0, 0.0))
    monkeypatch.setattr(module, "TABLE", [counted])
    second = Rates(fixed=0, flop=1, cell=0, byte=0, step=0)
    known = Calibration(this_machine(), {("exact", "float32", "forward"): second})
    monkeypatch.setattr(module, "shipped", lambda: known)
    found = measure([asked(length) for length in (4, 2, 1, 3)], 50.0, lambda _: None)
    assert [each.asked.shape[3] for each in found.timed] == [1, 2]
    assert (found.left_out, found.enough, found.needed) == (2, False, 2 * (30 + 30 + 40))


@pytest.mark.parametrize(("left_out", "enough"), [(0, True), (1, True), (2, False)])
def test_a_quarter_may_be_left_out(left_out, enough):
    timed = [Timed(("exact", "float32", "forward"), asked(), Cost(1.0, 1.0, 0.0, 0.0), 1.0)] * 3
    assert Measured(timed, left_out, 9.0).enough is enough


def test_rounds_end_after_enough_of_them(monkeypatch, made_up):
    order = only(monkeypatch, made_up, lambda _: 1.0)
    measure([asked()], 1e6, lambda _: None)
    assert len(order) == 1 + module.MOST_ROUNDS


def test_the_grid_has_enough_requests_for_every_fit():
    """Each kernel that may be chosen on a processor: none or enough of each kind, and float32 forward for all."""
    requests = grid()
    assert len(set(requests)) == len(requests)
    largest = {dtype: max(each.elements for each in requests if each.dtype == dtype) for dtype in _dtypes(requests)}
    pools = {dtype: torch.zeros(size, dtype=dtype) for dtype, size in largest.items()}
    found = Counter(pair.key for pair in module._pairs(requests, pools))
    budgeted = {each.name for each in SPEND_ROWS}  # no request of the grid has a budget
    wanted = {each.name for each in TABLE if each.automatic and "cpu" in each.devices} - budgeted
    assert {kernel for kernel, *kind in found if kind == ["float32", "forward"]} == wanted
    assert min(found.values()) >= LEAST_REQUESTS, found
    assert {dtype for _, dtype, _ in found} == {"float32", "bfloat16", "float16", "float64"}


def _dtypes(requests):
    return {each.dtype for each in requests}


def test_a_request_of_the_grid_has_its_shapes_and_takes_no_memory():
    pool = torch.randn(200)
    each = asked(shape=(2, 4, 2, 3, 5, 2), gradient=True).request(pool)
    assert [tuple(t.shape) for t in (each.query, each.key, each.value)] == [(2, 4, 3, 2), (2, 2, 5, 2), (2, 2, 5, 2)]
    assert asked(shape=(2, 4, 2, 3, 5, 2)).elements == 48 + 40 + 40
    assert each.key.data_ptr() == pool[48:].data_ptr()
    assert each.wants_gradient()
    assert not asked().request(pool).wants_gradient()
    assert not pool.requires_grad


def test_a_request_of_the_grid_in_words():
    assert asked(gradient=True, mask=Causal(), additive=True).words() == (
        "query (1, 1, 4, 2), key (1, 1, 4, 2), float32, additive, causal, with gradient"
    )


def test_document_lengths_add_up():
    assert _lengths(100, 8, 32) == [8, 16, 32, 8, 16, 20]
