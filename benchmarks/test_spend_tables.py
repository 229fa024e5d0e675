"""Figures of budgets as tables: every number of the JSON is in its row, and nothing is made of a result without any."""

from __future__ import annotations

from benchmarks.spend_tables import allocation, eviction, losses, pruning, spending

NOTHING = {"cases": [{"name": "a", "peers": {}}]}


def test_a_result_of_another_kind_has_no_tables() -> None:
    assert [tables(NOTHING) for tables in (spending, losses, allocation, eviction, pruning)] == [[], [], [], [], []]


def test_allocation() -> None:
    run = {"name": "allocated 10%", "share": 0.0991, "increase": 0.0123, "increase_error": 0.004}
    found = {"samples": 4, "tokens": 4096, "reported": "emma", "exact": {"loss": 3.25}, "runs": [run]}
    (lines,) = allocation({"allocation": found | {"expected": {"allocated 10%": 0.011}}})
    assert lines[0].startswith("| 4 pieces of 1,024 scored tokens of emma, exact 3.2500 nats a token |")
    assert lines[2] == "| allocated 10% | 9.9% | +0.0123 ± 0.0040 | +0.0110 |"
    (lines,) = allocation({"allocation": found | {"expected": {}}})
    assert lines[2].endswith("| - |")


def test_eviction() -> None:
    exact = {"name": "everything kept", "loss": 3.0, "more": 0.0, "error": None, "of_full": None}
    quarter = {"name": "25%, received", "loss": 3.03, "more": 0.03, "error": 0.01, "of_full": 0.284}
    (lines,) = eviction({"cases": [exact, quarter]})
    assert lines[2:] == [
        "| everything kept | 3.0000 | +0.0000 | - |",
        "| 25%, received | 3.0300 | +0.0300 ± 0.0100 | 0.284 |",
    ]


def test_pruning() -> None:
    score = {"value": 0.8939, "low": 0.885, "high": 0.902}
    gain = {"gain_value": -0.0011, "gain_low": -0.004, "gain_high": 0.002}
    (lines,) = pruning({"accuracy": [{"way": "pruned", "seed": 1, "processed": 0.501} | score | gain]})
    assert lines[2] == "| pruned | 1 | 50.1% | 0.8939 (0.885 to 0.902) | -0.11 points (-0.40 to +0.20) |"


def test_spending_tells_layers_one_by_one_where_they_are_few() -> None:
    row = {
        "model": "m",
        "length": 8192,
        "layers": [5, 11],
        "share": 0.1,
        "title": "focus",
        "errors": [0.031, 0.062],
        "fixed": "Focus()",
        "fixed_errors": [0.04, None],
    }
    many = row | {"model": "n", "layers": list(range(6)), "errors": [0.1] * 5 + [0.4], "fixed_errors": [0.2] * 6}
    tables = spending({"spending": {"rows": [row, many], "reported": "emma", "chosen_on": "pride"}})
    assert tables[0] == ["m, 8,192 tokens of emma, layers 5 / 11; settings of pride:"]
    assert tables[1][2] == "| focus | 0.031 / 0.062 | not to be had, `Focus()` |"
    assert tables[3][2] == "| focus | 0.150 (0.400) | 0.200 (0.200), `Focus()` |"
