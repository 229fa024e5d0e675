"""`regard calibrate`: what it prints and writes, and what is left when it is stopped. Requests are tiny: no figure of
theirs means anything."""

import json
import re

import pytest
import torch

from regard.app.commands import calibrate as module
from regard.engine import calibration_grid, calibration_run
from regard.engine.calibration import Calibration, Rates, forget, this_machine
from regard.engine.calibration_file import own_path, read, shipped, shipped_path, write
from regard.engine.calibration_fit import LEAST_REQUESTS, Choice
from regard.engine.calibration_grid import Asked
from regard.engine.calibration_run import Measured

RATES = Rates(
    fixed=5e-6, flop=1e-11, cell=0.0, byte=1e-9, step=2e-6, bias=5e-10, requests=9, median_off=1.125, worst_off=2.5
)


def tiny(length, **more):
    given = {"shape": (1, 1, 1, length, length, 2), "mask": None, "dtype": torch.float32, "gradient": False}
    return Asked(**(given | more))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The folder of the user's own calibration: an empty one. The grid is a few tiny requests."""
    monkeypatch.setenv("REGARD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(calibration_grid, "grid", lambda: [tiny(length) for length in range(1, 1 + LEAST_REQUESTS)])
    monkeypatch.setattr(calibration_run, "MOST_ROUNDS", 3)
    forget()
    yield tmp_path / "cache"
    monkeypatch.undo()
    forget()


def cut_short(monkeypatch, left_out, needed):
    """Measuring is as it is, but says that so many times were left out."""
    real = calibration_run.measure
    monkeypatch.setattr(calibration_run, "measure", lambda *given: Measured(real(*given).timed, left_out, needed))


def test_it_measures_prints_and_writes(regard, folder):
    code, out, err = regard("calibrate", "--seconds", "30")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"measuring {this_machine().words()}"
    assert lines[1].split() == ["kernel", "dtype", "direction", "requests", "median", "off", "worst", "off"]
    found = read(folder / "calibration.json")
    assert [path.name for path in folder.iterdir()] == ["calibration.json"]
    assert found.machine == this_machine()
    for (kernel, dtype, direction), rates in found.rates.items():
        shown = rf"{kernel} +{dtype} +{direction} +{LEAST_REQUESTS} +{rates.median_off:.2f} x +{rates.worst_off:.2f} x"
        assert re.search(rf"^{shown}$", out, re.MULTILINE), shown
    assert ("exact", "float32", "forward") in found.rates
    assert f"of {LEAST_REQUESTS} requests" in out
    assert lines[-1] == f"written to {own_path()}: the planner reads it on {this_machine().processor()}"


def test_the_planner_then_uses_it(regard):
    regard("calibrate", "--seconds", "30")
    out = regard("plan", "--query", "1,1,4,2")[1]
    assert f"times by    your calibration ({this_machine().words()})" in out


def test_it_writes_another_file_where_asked(regard, folder, tmp_path):
    path = tmp_path / "shipped.json"
    code, out, _ = regard("calibrate", "--seconds", "30", "--file", path)
    assert (code, out.splitlines()[-1]) == (0, f"written to {path}")
    assert read(path).rates
    assert not folder.exists()


def test_ctrl_c_keeps_the_old_calibration(regard, folder, monkeypatch):
    write(Calibration(this_machine(), {}), own_path())
    before = own_path().read_bytes()

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(calibration_run, "measure", stopped)
    code, _, err = regard("calibrate")
    assert (code, err) == (130, "stopped: type the same command to begin again\n")
    assert own_path().read_bytes() == before
    assert len(list(folder.iterdir())) == 1


def test_a_time_that_cannot_do_is_refused_before_anything_is_measured(regard, monkeypatch, one_line):
    monkeypatch.setattr(calibration_run, "measure", lambda *_: pytest.fail("measured"))
    code, _, err = regard("calibrate", "--seconds", "29")
    assert code == 2
    assert "--seconds" in one_line(err)
    assert "30" in one_line(err)


def test_too_few_requests_are_said_and_nothing_is_written(regard, folder, monkeypatch, one_line):
    monkeypatch.setattr(calibration_run, "measure", lambda *_: Measured([], 0, 0.0))
    code, _, err = regard("calibrate", "--seconds", "30")
    assert code == 1
    assert f"in 30 s no kernel ran {LEAST_REQUESTS} requests; nothing was written; type: regard" in one_line(err)
    assert one_line(err).endswith("regard calibrate --seconds 40")  # a fifth more, in tens
    assert not folder.exists()


@pytest.mark.parametrize("to_file", [False, True])
def test_where_more_than_a_quarter_was_left_out_the_old_calibration_stays(
    to_file, regard, monkeypatch, tmp_path, one_line
):
    path = tmp_path / "asked.json" if to_file else own_path()
    write(Calibration(this_machine(), {}), path)
    before = path.read_bytes()
    cut_short(monkeypatch, 100, 111.0)
    code, _, err = regard("calibrate", "--seconds", "30", *(["--file", path] if to_file else []))
    assert code == 1
    assert re.search(
        r"in 30 s 100 of 1\d\d times were left out, the longest: rates fitted to the rest would mislead; nothing was "
        r"written; type: regard calibrate --seconds 120$",
        one_line(err),
    )
    assert path.read_bytes() == before


def test_where_few_were_left_out_that_is_said(regard, folder, monkeypatch):
    cut_short(monkeypatch, 1, 45.0)
    out = regard("calibrate", "--seconds", "30")[1]
    assert re.search(r"^1 of \d+ times were left out, the longest; for all of them: --seconds 50$", out, re.MULTILINE)
    assert read(folder / "calibration.json").rates


def test_show_prints_speeds_and_errors(regard):
    write(Calibration(this_machine(), {("exact", "float32", "forward"): RATES}), own_path())
    code, out, err = regard("calibrate", "--show")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"your calibration ({this_machine().words()})"
    assert lines[1] == f"read from {own_path()}"
    assert lines[2] == f"where it has no row: {shipped().words()}"
    # 5 us a call, 2 us a step, 1e-11 s an operation, nothing a score, 1e-9 s a byte, 5e-10 s a bias
    shown = lines[4].split()
    assert shown == ["exact", "float32", "forward", "5", "2", "100", "-", "1", "2", "9", "1.12", "x", "2.50", "x"]
    assert lines[5].startswith("off: ")


def test_nothing_stands_in_for_one_that_has_every_row(regard):
    write(Calibration(this_machine(), dict.fromkeys(shipped().rates, RATES)), own_path())
    assert "where it has no row" not in regard("calibrate", "--show")[1]


def test_show_of_a_file(regard, tmp_path):
    path = tmp_path / "other.json"
    write(Calibration(this_machine(), {("dense", "float64", "gradient"): RATES}), path)
    out = regard("calibrate", "--show", "--file", path)[1]
    assert out.splitlines()[1] == f"read from {path}"
    assert "dense" in out


def test_show_of_the_shipped_one_and_of_a_file_that_is_not_used(regard):
    first = regard("calibrate", "--show")[1].splitlines()
    assert first[:2] == [shipped().words(), f"read from {shipped_path()}"]
    machine = this_machine()
    other = Calibration(type(machine)(cpu="Abacus", cores=1, threads=1, torch="2.13", date="2026-11-21"))
    write(other, own_path())
    said = regard("calibrate", "--show")[1].splitlines()
    mine = f"not {own_path()}: it is of Abacus with 1 thread, this is {machine.processor()}"
    assert said[:3] == [*first[:2], mine]


def test_show_of_one_without_rates(regard, tmp_path):
    path = tmp_path / "empty.json"
    write(Calibration(this_machine()), path)
    out = regard("calibrate", "--show", "--file", path)[1]
    assert "it has no rates: the planner goes by those that ship with regard" in out


def test_a_broken_file_is_one_line_that_says_what_to_do(regard, folder, one_line):
    folder.mkdir()
    own_path().write_text(json.dumps({"version": 1}))
    code, out, err = regard("calibrate", "--show")
    assert (code, out) == (1, "")
    assert "delete the file, or type: regard calibrate" in one_line(err)
    with pytest.warns(UserWarning, match="delete the file, or type: regard calibrate"):
        code, out, _ = regard("plan", "--query", "1,1,4,2")
    assert code == 0
    assert "times by    the calibration that ships with regard" in out
    assert regard("calibrate", "--seconds", "30")[0] == 0  # which replaces it
    assert read(own_path()).rates


def test_how_well_the_planner_chooses():
    good, bad = Choice(tiny(1), "exact", "exact", 1.0), Choice(tiny(2), "exact", "dense", 1.5)
    assert module._chosen([]) == []
    assert module._chosen([good]) == ["the planner's choice is within 10% of the fastest kernel on 1 of 1 requests"]
    assert module._chosen([good, bad]) == [
        "the planner's choice is within 10% of the fastest kernel on 1 of 2 requests",
        "worst: exact takes 1.50 x dense's time for query (1, 1, 2, 2), key (1, 1, 2, 2), float32",
    ]
