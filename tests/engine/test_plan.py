"""The planner: what it chooses for named requests, what it says about the rest, and what it refuses.

Large inputs are one number expanded: nothing of their size is allocated, for a plan runs nothing.
"""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from torch import Tensor

import regard
from regard.engine import plan as planner
from regard.engine.calibration import Calibration, Machine, Rates
from regard.engine.calibration_file import shipped
from regard.kernels.table import GENERAL, SQUARE_LIMIT, TABLE
from regard.spec import (
    Additive,
    ALiBi,
    Causal,
    KernelError,
    MaskError,
    Padding,
    RelativeBias,
    ScaledDot,
    ShapeError,
    SinkLogits,
    Window,
    request,
)

LONG = (1, 8, 8192, 64)
FLOAT32 = ("float32", "forward")


@pytest.fixture(autouse=True)
def _shipped(monkeypatch):
    """Whoever has calibrated this machine still sees the choices of the calibration that ships with regard."""
    monkeypatch.setattr(planner, "current", shipped)


def made_up(**seconds: float) -> Calibration:
    """A calibration by which a call of each of these kernels takes so long, whatever it does."""
    rates = {(name, *FLOAT32): Rates(fixed=fixed, flop=0, cell=0, byte=0, step=0) for name, fixed in seconds.items()}
    return Calibration(Machine(cpu="Abacus", cores=2, threads=2, torch="2.13", date="2026-11-21"), rates)


def big(*shape: int, dtype: torch.dtype = torch.float32, grad: bool = False) -> Tensor:
    return torch.zeros(1, dtype=dtype, requires_grad=grad).expand(shape)


def chosen(shape: tuple[int, ...] = LONG, **more: object) -> str:
    grad = bool(more.pop("grad", False))
    return regard.plan(*(big(*shape, grad=grad) for _ in range(3)), **more).kernel  # type: ignore[arg-type]


def test_chosen_kernels_of_named_requests() -> None:
    """Where more than one name is given, the calibration decides between them: both compute only what is needed."""
    vector = torch.ones(64)
    whole, skipping = ("exact", "blocks", "streaming"), ("blocks", "streaming")
    assert chosen() in whole
    assert chosen(mask=Causal()) in whole
    assert chosen(mask=Window(10_000, 10_000)) in whole  # a mask that forbids nothing
    assert chosen(mask=Window(255, 0)) in skipping
    assert chosen(mask=Padding(torch.tensor([8000]))) in skipping  # as an array it would be over the limit
    assert chosen(bias=ALiBi.for_heads(8)) in skipping
    assert chosen(bias=SinkLogits(torch.zeros(8))) in skipping
    assert chosen(score=ScaledDot(softcap=50.0)) == "streaming"
    assert chosen(dropout=0.1) == "streaming"
    assert chosen(score=Additive(vector)) == "additive"
    assert chosen(score=Additive(vector), grad=True) == "additive"
    assert chosen((1, 1, 3, 4)) == "exact"
    assert chosen((1, 1, 0, 4)) != "exact"


def test_a_bias_that_learns_needs_a_kernel_that_can_teach_it() -> None:
    table = torch.zeros(8, 9)
    bias = RelativeBias(table)
    learned = RelativeBias(table.clone().requires_grad_())
    shape = (1, 8, 64, 64)
    assert "exact" not in refused(shape, bias=bias)
    assert refused(shape, bias=learned)["exact"] == "has no gradient for a bias"
    with torch.no_grad():
        assert "exact" not in refused(shape, bias=learned)


def refused(shape: tuple[int, ...], **more: object) -> dict[str, str]:
    """The rows that a plan rejects for a reason, and the reason."""
    plan = regard.plan(*(big(*shape) for _ in range(3)), **more)  # type: ignore[arg-type]
    return {other.row.name: "; ".join(other.reasons) for other in plan.others if other.reasons}


def test_every_reason_to_refuse() -> None:
    soft, tiny = ScaledDot(softcap=2.0), (1, 1, 3, 4)
    general = {name: why for name, why in refused(tiny).items() if name in {row.name for row in GENERAL}}
    assert general == {"additive": "does not know the score ScaledDot", "reference": "only when asked for"}
    assert refused(tiny)["flex"] == "does not run on cpu"
    assert refused(tiny)["dilated"] == "is made for one Dilated mask, alone or with & Causal() and & Window(...)"
    assert refused(tiny, score=soft)["exact"] == "has no softcap or activation inside the scores"
    assert refused(tiny, bias=SinkLogits(torch.zeros(1)))["exact"] == "has no sink logits"
    assert refused(tiny, dropout=0.5)["exact"] == "has no dropout in linear memory"
    assert refused(tiny, dropout=0.5)["reference"] == "has no dropout in linear memory; only when asked for"
    assert refused((1, 1, 0, 4))["exact"] == "takes no length of 0"
    over = "needs 320 MiB of query x key arrays, over the limit of 64 MiB (force it to run it all the same)"
    assert refused(LONG, mask=Window(255, 0))["exact"] == over
    learning = regard.plan(*(big(*tiny, grad=True) for _ in range(3)))
    assert {o.row.name: o.reasons for o in learning.others}["reference"] == ("has no gradient", "only when asked for")


def test_a_row_may_refuse_a_dtype_or_a_device(monkeypatch: pytest.MonkeyPatch) -> None:

    narrow = tuple(replace(row, dtypes=(torch.float32,)) for row in TABLE)
    monkeypatch.setattr(planner, "TABLE", narrow)
    asked = request(*(big(1, 1, 3, 4, dtype=torch.float64) for _ in range(3)))
    assert planner.reasons(narrow[0], asked) == ("does not take torch.float64",)
    with pytest.raises(KernelError, match=r"no kernel can do this .*float64"):
        planner.plan(asked)


def test_a_row_that_is_not_automatic_is_never_chosen_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    cheap = tuple(replace(row, fixed_s=0.0 if row.name == "reference" else row.fixed_s) for row in TABLE)
    monkeypatch.setattr(planner, "TABLE", cheap)
    asked = request(*(big(1, 1, 3, 4) for _ in range(3)))
    assert planner.plan(asked).kernel != "reference"
    assert planner.plan(asked, "reference").kernel == "reference"


def test_where_no_kernel_can_each_says_why() -> None:
    q = torch.zeros(1, 1, 3, 4, device="meta")
    with pytest.raises(KernelError) as found:
        regard.plan(q, q, q)
    lines = str(found.value).splitlines()
    assert lines[0].startswith("no kernel can do this (query (1, 1, 3, 4)")
    assert [line.split(":")[0].strip() for line in lines[1:]] == [row.name for row in TABLE]
    assert all("does not run on meta" in line for line in lines[1:])


def test_n_by_n_over_64_mib_is_refused_unless_forced() -> None:
    """dense keeps 5 arrays of 4 bytes a score: 1,831 x 1,831 x 20 B is the last square under 64 MiB."""
    assert SQUARE_LIMIT == 64 * 2**20
    for length, over in ((1831, False), (1832, True)):
        shape = (1, 1, length, 4)
        assert (20 * length**2 > SQUARE_LIMIT) == over
        assert ("dense" in refused(shape, score=ScaledDot(softcap=2.0))) == over
        plan = regard.plan(*(big(*shape) for _ in range(3)), kernel="dense")
        assert (plan.kernel, plan.forced) == ("dense", True)
    forced = regard.plan(*(big(*LONG) for _ in range(3)), mask=Window(255, 0), kernel="exact")
    assert forced.kernel == "exact"
    assert forced.chosen.cost.square_bytes == 320 * 2**20


def test_a_plan_refuses_what_attend_would_refuse() -> None:
    q = big(1, 2, 5, 4)
    with pytest.raises(ShapeError):
        regard.plan(q, big(1, 3, 5, 4), q)
    with pytest.raises(MaskError):
        regard.plan(q, q, q, mask=torch.ones(5, 5, dtype=torch.int64))


def test_the_printed_plan() -> None:
    """It names the kernel, why, the operations, the bytes, the peak, and each other row with its reason."""
    mask = Window(255, 0)
    plan = regard.plan(*(big(*LONG) for _ in range(3)), mask=mask, bias=ALiBi.for_heads(8))
    lines = str(plan).splitlines()
    assert lines[0] == (
        "asked       query (1, 8, 8192, 64), key (1, 8, 8192, 64), value (1, 8, 8192, 64), float32, "
        "ScaledDot(scale=None, softcap=None), mask: window of 255 before and 0 after, ALiBi(slopes=<float32 (8,)>)"
    )
    assert lines[1] == f"kernel      {plan.kernel}: {plan.chosen.row.about}"
    assert re.fullmatch(r"why         the cheapest that fits, about \S+ m?s", lines[2])
    assert re.fullmatch(r"times by    the (kernel table's rough constants|calibration that ships .*)", lines[3])
    assert re.fullmatch(r"operations  \S+ GFLOP", lines[4])
    assert re.fullmatch(r"memory      \S+ [GM]iB read and written, \S+ [KM]iB peak extra", lines[5])
    assert [line.split(":")[0] for line in lines[6:]] == [f"not {row.name}" for row in TABLE if row.name != plan.kernel]
    assert all(re.fullmatch(r"not [\w-]+: +\S.*", line) for line in lines[6:])


def test_the_printed_plan_of_a_forced_kernel() -> None:
    lines = str(regard.plan(*(big(1, 2, 5, 4) for _ in range(3)), dropout=0.1, kernel="dense")).splitlines()
    assert lines[0].endswith("dropout 0.1")
    assert lines[2].startswith("why         forced by kernel='dense', about ")
    assert lines[5].endswith("query x key arrays")
    slow = str(regard.plan(*(big(*LONG) for _ in range(3)), mask=Window(255, 0), kernel="dense"))
    assert "not streaming:   cheaper, had none been forced: about " in slow
    grads = (big(1, 2, 5, 4, grad=True) for _ in range(3))
    assert str(regard.plan(*grads)).splitlines()[0].endswith("with gradient")


def test_numbers_are_short_at_every_size() -> None:
    assert [planner._short(n) for n in (0.0, 999.0, 1e3, 2.5e6, 1e9, 1e12, 1e15, 1e18)] == [
        "0 ", "999 ", "1 k", "2.5 M", "1 G", "1 T", "1 P", "1e+03 P",
    ]  # fmt: skip
    assert [planner._bytes(n) for n in (512.0, 2048.0, 3 * 2.0**20, 2.0**30, 2.0**40)] == [
        "512 B", "2 KiB", "3 MiB", "1 GiB", "1 TiB",
    ]  # fmt: skip
    assert [planner._time(s) for s in (0.00123, 0.5, 2.0)] == ["1.23 ms", "500 ms", "2 s"]


def test_a_plan_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million keys, each row's kernel replaced by one that fails."""

    def fail(_: object) -> None:
        raise AssertionError("a plan ran a kernel")

    monkeypatch.setattr(planner, "TABLE", tuple(replace(row, run=fail) for row in TABLE))
    plan = regard.plan(*(big(1, 1, 1_000_000, 64) for _ in range(3)), mask=Causal(), kernel="streaming")
    # 1,953 strips of 512 queries on the keys up to their last, and 64 queries on all
    cells = 512 * 512 * 1953 * 1954 // 2 + 64 * 1_000_000
    assert plan.chosen.cost.flops == 2.0 * 128 * cells
    assert "128 TFLOP" in str(plan)


def test_a_made_up_calibration_makes_the_planner_choose_another_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    for cheapest in ("exact", "streaming", "dense"):
        seconds = {"exact": 2.0, "streaming": 2.0, "dense": 2.0, "reference": 0.0} | {cheapest: 1.0}
        known = made_up(**seconds, **{row.name: 3.0 for row in TABLE if row.name not in seconds})
        monkeypatch.setattr(planner, "current", lambda known=known: known)
        plan = regard.plan(*(big(1, 1, 3, 4) for _ in range(3)))
        assert (plan.kernel, plan.chosen.seconds, plan.calibrated) == (cheapest, 1.0, True)
        assert planner.choose(request(*(big(1, 1, 3, 4) for _ in range(3)))).name == cheapest
        lines = str(plan).splitlines()
        assert lines[2:4] == [
            "why         the cheapest that fits, about 1 s",
            "times by    the calibration that ships with regard (Abacus with 2 threads, torch 2.13, 2026-11-21)",
        ]


def test_a_plan_without_rates_for_its_kernel_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner, "current", lambda: made_up(dense=1.0))
    plan = regard.plan(*(big(1, 1, 3, 4) for _ in range(3)), kernel="exact")
    assert not plan.calibrated
    assert str(plan).splitlines()[3] == "times by    the kernel table's rough constants"


def test_choosing_is_planning_without_the_words() -> None:
    for shape in ((1, 1, 3, 4), (1, 1, 0, 4), (2, 8, 300, 64), LONG):
        for more in (
            {},
            {"mask": Causal()},
            {"mask": Window(7, 0)},
            {"dropout": 0.5},
            {"score": ScaledDot(softcap=2.0)},
        ):
            asked = request(*(big(*shape) for _ in range(3)), **more)  # type: ignore[arg-type]
            for kernel in (None, "dense"):
                assert planner.choose(asked, kernel) is planner.plan(asked, kernel).chosen.row


def test_choosing_costs_only_what_can_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise AssertionError("costed")

    spoilt = tuple(replace(row, cost=fail) if row.name in ("additive", "reference") else row for row in TABLE)
    monkeypatch.setattr(planner, "TABLE", spoilt)
    asked = request(*(big(1, 1, 3, 4) for _ in range(3)))
    assert planner.choose(asked).name in ("exact", "dense")


def test_choosing_fails_as_planning_does() -> None:
    q = torch.zeros(1, 1, 3, 4, device="meta")
    with pytest.raises(KernelError, match="no kernel can do this"):
        planner.choose(request(q, q, q))


def test_no_calibration_chooses_a_kernel_over_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner, "current", lambda: made_up(**{row.name: 1.0 for row in TABLE} | {"dense": 1e-9}))
    for length, over in ((1831, False), (1832, True)):
        asked = request(*(big(1, 1, length, 4) for _ in range(3)), score=ScaledDot(softcap=2.0))
        assert (planner.choose(asked).name != "dense") == over
        assert (planner.plan(asked).kernel != "dense") == over
