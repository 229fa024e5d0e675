"""Rates and their arithmetic; which calibration is used, and what stands in for it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

import regard
from regard.engine import calibration as module
from regard.engine import calibration_file
from regard.engine.calibration import (
    Calibration,
    Machine,
    Rates,
    current,
    forget,
    kind_of,
    rates_of_table,
    this_machine,
)
from regard.engine.calibration_file import own, own_path, shipped, write
from regard.kernels.table import row
from regard.spec import DataError, request

RATES = Rates(
    fixed=1e-6, flop=2e-12, cell=3e-9, byte=4e-10, step=5e-6, bias=7e-9, requests=9, median_off=1.1, worst_off=2.0
)
FLOAT32 = ("float32", "forward")


@dataclass
class Counts:
    """What a kernel counts for a request."""

    flops: float = 0.0
    cells: float = 0.0
    bytes: float = 0.0
    steps: float = 0.0
    biased: float = 0.0


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    """The user's own folder is an empty one, and nothing read before is remembered."""
    monkeypatch.setenv("REGARD_CACHE", str(tmp_path))
    forget()
    yield
    monkeypatch.undo()
    forget()


def exact() -> object:
    found = row("exact")
    assert found is not None
    return found


def test_seconds_are_the_sum_of_what_is_counted() -> None:
    """1 us + 1e6 x 2 ps + 1e3 x 3 ns + 1e4 x 0.4 ns + 2 x 5 us + 1e3 x 7 ns = 1 + 2 + 3 + 4 + 10 + 7 us."""
    cost = Counts(flops=1e6, cells=1e3, bytes=1e4, steps=2, biased=1e3)
    assert RATES.seconds(cost) == pytest.approx(27e-6)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [("flop", -1e-12), ("fixed", float("nan")), ("step", float("inf")), ("byte", True), ("cell", "1")],
)
def test_a_rate_is_a_finite_number_that_is_not_below_0(name: str, value: object) -> None:
    with pytest.raises(DataError, match=f"^{name}=.*: expected a finite number, at least 0$"):
        replace(RATES, **{name: value})


def test_nothing_is_off_by_less_than_1() -> None:
    with pytest.raises(DataError, match=r"^median_off=0.9: expected a finite number, at least 1$"):
        replace(RATES, median_off=0.9)


def test_a_kernel_that_is_newer_than_the_calibration_goes_by_the_table() -> None:
    known = Calibration(this_machine(), {("exact", *FLOAT32): RATES})
    cost = Counts(flops=8e10, bytes=1e10)
    assert known.seconds(exact(), cost, FLOAT32) == pytest.approx(1e-6 + 0.16 + 4)
    new = replace(exact(), name="new", flops_per_s=8e10, fixed_s=0.5)
    assert not known.knows(new, FLOAT32)
    assert known.seconds(new, cost, FLOAT32) == pytest.approx(0.5 + 1 + 1)
    assert rates_of_table(new) == Rates(fixed=0.5, flop=1 / 8e10, cell=0, byte=1e-10, step=0)


def test_each_dtype_and_direction_has_its_own_rates_and_float16_may_borrow() -> None:
    other = replace(RATES, fixed=7.0)
    known = Calibration(this_machine(), {("exact", "bfloat16", "forward"): RATES})
    assert [known.knows(exact(), (name, "forward")) for name in ("float32", "bfloat16", "float16", "float64")] == [
        *(False, True, True, False)
    ]
    assert not known.knows(exact(), ("float16", "gradient"))
    both = Calibration(this_machine(), {**known.rates, ("exact", "float16", "forward"): other})
    assert both.seconds(exact(), Counts(), ("float16", "forward")) == 7.0
    assert both.seconds(exact(), Counts(), ("bfloat16", "forward")) == 1e-6


def test_the_kind_of_a_request() -> None:
    q = torch.zeros(1, 1, 3, 4)
    assert kind_of(request(q, q, q)) == ("float32", "forward")
    learning = q.double().requires_grad_()
    assert kind_of(request(learning, learning, learning)) == ("float64", "gradient")
    with torch.no_grad():
        assert kind_of(request(learning, learning, learning)) == ("float64", "forward")
    half = q.bfloat16()
    assert kind_of(request(half, half, half)) == ("bfloat16", "forward")


def test_no_calibration_is_of_another_device() -> None:
    q = torch.zeros(1, 1, 3, 4, device="meta")
    assert kind_of(request(q, q, q)) is None
    assert not Calibration(this_machine(), {("exact", *FLOAT32): RATES}).knows(exact(), None)


def test_a_calibration_keeps_rates_of_its_own() -> None:
    given = {("exact", *FLOAT32): RATES}
    known = Calibration(this_machine(), given)
    given.clear()
    assert len(known.rates) == 1


def test_compiled_code_goes_by_what_was_read_before_and_touches_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    before = current()
    with monkeypatch.context() as compiling:
        compiling.setattr(calibration_file, "own_path", lambda: pytest.fail("looked for a file"))
        compiling.setattr(torch.compiler, "is_compiling", lambda: True)
        assert current() is before
        forget()
        assert current().rates == {}
    assert current() == before


def test_a_broken_file_of_ones_own_is_told_once_and_stops_nothing() -> None:
    own_path().write_text("{")
    q = torch.zeros(1, 1, 3, 7)
    with pytest.raises(DataError, match="delete the file, or type: regard calibrate"):
        own()
    with pytest.warns(UserWarning, match="this calibration cannot be used") as told:
        assert regard.plan(q, q, q).calibration == shipped()
    assert [str(each.message) for each in told] == [
        f"{own_path()}: this calibration cannot be used (Expecting property name enclosed in double quotes: line 1 "
        "column 2 (char 1)); delete the file, or type: regard calibrate. Until then the calibration that ships with "
        "regard is used"
    ]
    module._READ.clear()  # as with another number of threads: the file is looked at again, and nothing more is said
    regard.attend(q, q, q)
    assert current() == shipped()


def test_where_ones_own_has_no_row_the_shipped_one_stands_in() -> None:
    write(
        Calibration(this_machine(), {("exact", *FLOAT32): RATES, ("exact", "bfloat16", "forward"): RATES}), own_path()
    )
    known, cost = current(), Counts(flops=1e9)
    blocks, newer = row("blocks"), replace(exact(), name="newer")
    assert known.seconds(exact(), cost, FLOAT32) == RATES.seconds(cost)
    assert known.seconds(exact(), cost, ("float16", "forward")) == RATES.seconds(cost)  # borrowed from this machine
    assert known.seconds(blocks, cost, FLOAT32) == shipped().seconds(blocks, cost, FLOAT32)
    assert known.seconds(newer, cost, FLOAT32) == rates_of_table(newer).seconds(cost)
    assert [known.knows(each, FLOAT32) for each in (exact(), blocks, newer)] == [True, True, False]
    assert [known.source(each, FLOAT32) for each in (exact(), blocks, newer)] == [
        f"your calibration ({this_machine().words()})",
        shipped().words(),
        "the kernel table's rough constants",
    ]
    assert known.source(exact(), None) == "the kernel table's rough constants"


def test_a_plan_says_whose_times_it_goes_by() -> None:
    write(Calibration(this_machine(), {("exact", *FLOAT32): RATES}), own_path())
    q = torch.zeros(1, 1, 3, 7)
    for kernel, source in (("exact", current()), ("blocks", shipped())):
        assert f"times by    {source.words()}" in str(regard.plan(q, q, q, kernel=kernel)).splitlines()


def test_ones_own_calibration_is_used_on_this_machine_only() -> None:
    machine = this_machine()
    assert current() == shipped()
    write(Calibration(machine, {("exact", *FLOAT32): RATES}), own_path())
    assert current() == Calibration(machine, {("exact", *FLOAT32): RATES}, own_path(), behind=shipped())
    for other in (replace(machine, cpu="another"), replace(machine, threads=machine.threads + 1)):
        write(Calibration(other, {("exact", *FLOAT32): RATES}), own_path())
        assert current() == shipped()


def test_the_number_of_threads_is_looked_at_each_time() -> None:
    threads = torch.get_num_threads()
    write(Calibration(replace(this_machine(), threads=threads + 1), {}), own_path())
    assert current().path is None
    try:
        torch.set_num_threads(threads + 1)
        assert current().path == own_path()
    finally:
        torch.set_num_threads(threads)
    assert current().path is None


def test_a_file_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found = current()
    monkeypatch.setattr(calibration_file, "own_path", lambda: pytest.fail("read again"))
    assert current() is found


def test_words_say_whose_and_of_what(tmp_path: Path) -> None:
    machine = Machine(cpu="Abacus", cores=2, threads=1, torch="2.13", date="2026-11-21")
    assert Calibration(machine).words() == (
        "the calibration that ships with regard (Abacus with 1 thread, torch 2.13, 2026-11-21)"
    )
    assert Calibration(replace(machine, threads=2), path=tmp_path).words() == (
        "your calibration (Abacus with 2 threads, torch 2.13, 2026-11-21)"
    )


def test_the_processors_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = tmp_path / "cpuinfo"
    listing.write_text("processor\t: 0\nmodel name\t: Abacus: 9000\nmodel name\t: other\n")
    assert module._linux_name(listing) == "Abacus: 9000"
    assert module._linux_name(tmp_path / "none") == ""
    module.cpu_name.cache_clear()
    monkeypatch.setattr(module, "_linux_name", lambda _: "")
    monkeypatch.setattr(module.platform, "processor", lambda: "")
    monkeypatch.setattr(module.platform, "machine", lambda: "slide rule")
    assert module.cpu_name() == f"slide rule ({torch.backends.cpu.get_cpu_capability()})"
    module.cpu_name.cache_clear()


def test_importing_regard_reads_no_calibration() -> None:
    code = "import sys, regard; print('regard.engine.calibration_file' in sys.modules, 'scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"
