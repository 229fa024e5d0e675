"""Calibrations as files: what is written is read, and what is said of a file that cannot be used."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from regard.engine.calibration import Calibration, Rates, this_machine
from regard.engine.calibration_file import own, own_path, read, shipped, shipped_path, write
from regard.kernels.table import TABLE
from regard.kernels.table_spend import SPEND_ROWS
from regard.spec import DataError

RATES = Rates(fixed=1e-6, flop=2e-12, cell=3e-9, byte=4e-10, step=5e-6, requests=9, median_off=1.1, worst_off=2.0)
BUDGETED = {each.name for each in SPEND_ROWS}  # no request of the grid has a budget
FLOAT32 = ("float32", "forward")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    """The user's own folder is an empty one."""
    monkeypatch.setenv("REGARD_CACHE", str(tmp_path))


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
        "version": 2,
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
        ("[]", "expected an object with version 2"),
        (spoilt(version=1), "expected an object with version 2, found 1"),
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


def test_no_file_of_ones_own_and_no_folder_for_it_are_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert own() is None
    (tmp_path / "file").touch()
    monkeypatch.setenv("REGARD_CACHE", str(tmp_path / "file"))
    assert own() is None


def test_where_ones_own_calibration_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert own_path() == tmp_path / "calibration.json"
    monkeypatch.delenv("REGARD_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert own_path() == Path("/caches/regard/calibration.json")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert own_path() == Path("/home/me/.cache/regard/calibration.json")


def test_the_shipped_calibration_is_of_kernels_that_there_are() -> None:
    names = {each.name for each in TABLE}
    assert {kernel for kernel, _, _ in shipped().rates} <= names


def test_the_shipped_calibration_knows_every_kernel_that_may_be_chosen_on_a_processor() -> None:
    if not shipped().rates:
        pytest.skip("it has no rates yet: type regard calibrate --file src/regard/engine/calibration.json")
    wanted = {each.name for each in TABLE if each.automatic and "cpu" in each.devices} - BUDGETED
    assert {kernel for kernel, *kind in shipped().rates if tuple(kind) == FLOAT32} == wanted


def test_the_shipped_file_lies_in_the_package() -> None:
    assert read(shipped_path()) == replace(shipped(), path=shipped_path())
