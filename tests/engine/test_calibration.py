"""Rates, their arithmetic and their files: which calibration is used, and what is said of one that cannot be."""

from __future__ import annotations

import json
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
from regard.engine.calibration_file import own_path, read, shipped, write
from regard.kernels.table import TABLE, row
from regard.kernels.table_spend import SPEND_ROWS
from regard.spec import DataError, request

RATES = Rates(fixed=1e-6, flop=2e-12, cell=3e-9, byte=4e-10, step=5e-6, requests=9, median_off=1.1, worst_off=2.0)
BUDGETED = {each.name for each in SPEND_ROWS}  # no request of the grid has a budget
FLOAT32 = ("float32", "forward")


@dataclass
class Counts:
    """What a kernel counts for a request."""

    flops: float = 0.0
    cells: float = 0.0
    bytes: float = 0.0
    steps: float = 0.0


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
    """1 us + 1e6 x 2 ps + 1e3 x 3 ns + 1e4 x 0.4 ns + 2 x 5 us = 1 + 2 + 3 + 4 + 10 us."""
    cost = Counts(flops=1e6, cells=1e3, bytes=1e4, steps=2)
    assert RATES.seconds(cost) == pytest.approx(20e-6)  # type: ignore[arg-type]


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


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "mine.json"
    made = Calibration(this_machine(), {("exact", *FLOAT32): RATES, ("dense", "float64", "gradient"): RATES})
    write(made, path)
    assert read(path) == replace(made, path=path)
    assert [each.name for each in path.parent.iterdir()] == ["mine.json"]
    assert len(path.read_text().splitlines()) == 8  # a row a line


def test_a_calibration_without_rates_can_be_written(tmp_path: Path) -> None:
    write(Calibration(this_machine()), tmp_path / "x.json")
    assert read(tmp_path / "x.json").rates == {}


def spoilt(**changes: object) -> str:
    whole = {
        "version": 1,
        "machine": {"cpu": "x", "cores": 2, "threads": 2, "torch": "2.13", "date": "2026-11-21"},
        "rates": [],
    }
    return json.dumps(whole | changes)


def a_row(**changes: object) -> dict[str, object]:
    figures = {name: getattr(RATES, name) for name in RATES.__dataclass_fields__}
    return {"kernel": "exact", "dtype": "float32", "direction": "forward", **figures, **changes}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "Expecting property name"),
        ("[]", "expected an object with version 1"),
        (spoilt(version=2), "expected an object with version 1, found 2"),
        (spoilt(more=1), "the file: expected version, machine, rates; found version, machine, rates, more"),
        (spoilt(machine=[]), "machine: expected cpu, cores, threads, torch, date; found []"),
        (
            spoilt(machine={"cpu": "x", "cores": 2, "threads": "2", "torch": "2", "date": "d"}),
            "machine threads='2': expected int",
        ),
        (spoilt(rates={}), "rates: expected a list, found {}"),
        (spoilt(rates=[{"kernel": "exact"}]), "row 1 of rates: expected kernel, dtype, direction, fixed"),
        (spoilt(rates=[a_row(), a_row(dtype="half")]), "row 2 of rates: kernel 'exact', dtype 'half'"),
        (spoilt(rates=[a_row(direction="back")]), "and one of forward, gradient"),
        (spoilt(rates=[a_row(flop=-1)]), "row 1 of rates: flop=-1: expected a finite number"),
        (spoilt(rates=[a_row(), a_row()]), "is there twice"),
        (b"\xff\xfe", "can't decode"),
    ],
)
def test_a_file_that_cannot_be_used_says_why_and_what_to_do(text: str | bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError) as found:
        read(path)
    assert said in str(found.value)
    assert str(found.value).startswith(f"{path}: this calibration cannot be used (")
    assert str(found.value).endswith("); delete the file, or type: regard calibrate")


def test_a_folder_in_its_place_and_a_missing_file_say_so(tmp_path: Path) -> None:
    for path, said in ((tmp_path, "Is a directory"), (tmp_path / "none.json", "No such file or directory")):
        with pytest.raises(DataError, match=said):
            read(path)


def test_a_broken_file_of_ones_own_stops_attend_and_is_not_passed_over() -> None:
    own_path().write_text("{")
    q = torch.zeros(1, 1, 3, 7)
    with pytest.raises(DataError, match="delete the file, or type: regard calibrate"):
        regard.plan(q, q, q)
    own_path().unlink()
    assert regard.plan(q, q, q).calibration.path is None


def test_ones_own_calibration_is_used_on_this_machine_only() -> None:
    machine = this_machine()
    assert current() == shipped()
    write(Calibration(machine, {("exact", *FLOAT32): RATES}), own_path())
    assert current() == Calibration(machine, {("exact", *FLOAT32): RATES}, own_path())
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


def test_where_ones_own_calibration_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert own_path() == tmp_path / "calibration.json"
    monkeypatch.delenv("REGARD_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert own_path() == Path("/caches/regard/calibration.json")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert own_path() == Path("/home/me/.cache/regard/calibration.json")


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


def test_the_shipped_calibration_is_of_kernels_that_there_are() -> None:
    names = {each.name for each in TABLE}
    assert {kernel for kernel, _, _ in shipped().rates} <= names


def test_the_shipped_calibration_knows_every_kernel_that_may_be_chosen_on_a_processor() -> None:
    if not shipped().rates:
        pytest.skip("it has no rates yet: type regard calibrate --file src/regard/engine/calibration.json")
    wanted = {each.name for each in TABLE if each.automatic and "cpu" in each.devices} - BUDGETED
    assert {kernel for kernel, *kind in shipped().rates if tuple(kind) == FLOAT32} == wanted


def test_importing_regard_reads_no_calibration() -> None:
    code = "import sys, regard; print('regard.engine.calibration_file' in sys.modules, 'scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"
