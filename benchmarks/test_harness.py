"""The gate, the rounds and the tables must be able to fail. Run with `python -m pytest benchmarks`."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch

from benchmarks import memory, truth, write_tables
from benchmarks.harness import Case, GateError, Goal, Report, Rounds, gate, relative_error, run, summary, take_turns

ONES = torch.ones(3, 5)


def case(**peers: torch.Tensor) -> Case:
    made = {name: (lambda given=given: (given,)) for name, given in peers.items()}
    return Case(name="ones", peers=made, against=next(iter(made)), truth=lambda: (ONES.double(),), tolerance=1e-5)


def test_the_gate_lets_through_what_is_right() -> None:
    errors = gate(case(a=ONES, b=ONES + 1e-6))
    assert errors["a"] == 0
    assert errors["b"] == pytest.approx(1e-6, rel=0.1)


@pytest.mark.parametrize("wrong", [ONES + 1e-3, ONES * torch.nan, ONES * torch.inf, ONES[:2]])
def test_the_gate_stops_what_is_wrong_and_nothing_is_timed(wrong: torch.Tensor) -> None:
    with pytest.raises(GateError):
        gate(case(a=ONES, b=wrong))
    found = run(case(a=ONES, b=wrong), Rounds(3, 1))
    assert "failed" in found
    assert "peers" not in found


def test_the_gate_wants_every_result() -> None:
    with pytest.raises(GateError, match="1 results, but the truth has 2"):
        relative_error((ONES,), (ONES.double(), ONES.double()))


def test_peers_take_turns_and_change_places() -> None:
    seen: list[str] = []
    peers = {name: lambda name=name: (seen.append(name), (ONES,))[1] for name in "ab"}
    taken = take_turns(Case(name="x", peers=peers, against="a", truth=lambda: (ONES,), tolerance=1), Rounds(3, 1))
    assert "".join(seen) == "abbaabba"
    assert {name: len(seconds) for name, seconds in taken.items()} == {"a": 3, "b": 3}


def test_a_ratio_is_taken_within_a_round() -> None:
    found = summary({"a": [1.0, 2.0, 10.0], "b": [2.0, 1.0, 20.0]}, "a")
    assert found["b"]["ratio"] == 2.0
    assert found["b"]["median_s"] == 2.0
    assert found["a"]["ratio"] == 1.0


def test_the_measure_must_be_a_peer() -> None:
    with pytest.raises(ValueError, match="against='c' is none of a"):
        Case(name="x", peers={"a": lambda: (ONES,)}, against="c", truth=lambda: (ONES,), tolerance=1)


def test_a_goal_of_a_failed_case_is_missed() -> None:
    report = Report("x", cases=[{"name": "ones", "failed": "off"}])
    assert math.isnan(report.ratio("ones", "a"))
    missed = Goal("fast", report.ratio("ones", "a"), 1.0).as_json()
    assert missed["measured"] is None
    assert missed["met"] is False
    assert Goal("fast", 1.0, 1.0).as_json()["met"]


PEAK = """
import torch
from benchmarks import memory

def call():
    peak = torch.ones(8 * memory.MIB)
    return (peak[: 2 * memory.MIB].clone(),)

print(*memory.extra(call), sep="|")
"""


def test_memory_sees_a_peak_that_is_gone_when_the_call_ends() -> None:
    """In a process of its own: in this one, memory that an earlier test gave back would be taken again, unseen."""
    done = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True)
    peak, results, how = done.stdout.strip().split("|")
    assert int(results) == 8 * memory.MIB
    if how.startswith("VmHWM"):
        assert 40 * memory.MIB <= int(peak) <= 48 * memory.MIB


def test_truth_by_hand() -> None:
    query, key, value = (torch.tensor(x, dtype=torch.float64)[None, None] for x in ([[0.5]], [[1], [1]], [[1], [2]]))
    assert truth.attention(query, key, value).item() == 1.5
    assert truth.attention(query, key, value, allowed=torch.tensor([[False, True]])).item() == 2
    assert truth.attention(query, key, value, allowed=torch.tensor([[False, False]])).item() == 0
    assert truth.attention(query, key, value, bias=torch.tensor([[0.0, math.log(3)]])).item() == pytest.approx(1.75)
    vector = torch.tensor([2.0], dtype=torch.float64)
    assert truth.additive(vector)(query[0, 0], key[0, 0]).tolist() == [[2 * math.tanh(1.5)] * 2]


RESULT = {
    "date": "2026-01-02",
    "rounds": 21,
    "warmup": 3,
    "versions": {"torch": "2.13.0"},
    "machine": {"cpu": "some CPU", "cores": 2, "threads": 2, "load_before": 0.04},
    "goals": [
        {"text": "quick", "measured": 1.234, "limit": 1.03, "unit": "", "met": False},
        {"text": "lost", "measured": None, "limit": 1, "unit": "", "met": False},
    ],
    "cases": [
        {"name": "one", "against": "b", "peers": {
            "a": {"median_s": 0.0123, "low_s": 0.012, "high_s": 0.013, "ratio": 0.5, "error": 2e-7},
            "b": {"median_s": 2.5e-05, "low_s": 2.4e-05, "high_s": 2.6e-05, "ratio": 1.0, "error": 0.0},
        }},
        {"name": "two", "against": "b", "failed": "a is off"},
    ],
    "memory": [{"name": "big", "peer": "a", "extra_bytes": 18_700_000}, {"name": "big", "peer": "b", "failed": "no"}],
}  # fmt: skip
PAGE = """top
<!-- figures: x -->
old
<!-- end of figures: x -->
middle
<!-- figures: y -->
<!-- end of figures: y -->
"""


def test_tables_replace_what_stands_between_their_markers() -> None:
    page = write_tables.filled(PAGE, {"x": RESULT})
    assert page.startswith(
        "top\n<!-- figures: x -->\n\nMeasured 2026-01-02 on some CPU (2 cores, 2 threads, load 0.0 before"
    )
    assert "| quick | 1.03 | 1.23 | **missed** |" in page
    assert "| lost | 1 | - | **missed** |" in page
    assert "| one | a | 12.3 ms | 12 ms to 13 ms | 0.5 | 2e-07 |" in page
    assert "| one | b | 25 µs | 24 µs to 26 µs | 1 (the measure) | 0e+00 |" in page
    assert "| two | | not timed: a is off | | | |" in page
    assert "| big | a | 18.7 MB |" in page
    assert "| big | b | failed: no |" in page
    assert "Not measured yet" in page
    assert "old" not in page
    assert "middle" in page
    assert write_tables.filled(page, {"x": RESULT}) == page


def test_a_result_needs_a_place() -> None:
    with pytest.raises(ValueError, match=r"z\.json has no place: add <!-- figures: z -->"):
        write_tables.filled(PAGE, {"z": RESULT})


def test_check_fails_when_page_and_json_differ(tmp_path, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(write_tables, "ROOT", tmp_path)
    monkeypatch.setattr(write_tables, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(write_tables, "RESULTS", tmp_path)
    monkeypatch.setattr(write_tables, "TRAINING", tmp_path / "results.md")
    monkeypatch.setattr(write_tables, "EXPLAINING", tmp_path / "explain.md")
    (tmp_path / "page.md").write_text(PAGE)
    (tmp_path / "results.md").write_text("no figures\n")
    (tmp_path / "explain.md").write_text("no figures\n")
    monkeypatch.setattr("sys.argv", ["write_tables.py", "--check"])
    assert write_tables.main() == 1
    assert "page.md is not what benchmarks/results says" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["write_tables.py"])
    assert write_tables.main() == 0
    monkeypatch.setattr("sys.argv", ["write_tables.py", "--check"])
    assert write_tables.main() == 0
