"""Figures of explanations as tables: every number of the JSON is in its row, and of nothing nothing is made."""

from __future__ import annotations

from typing import Any

from benchmarks.evidence_tables import agreement, faithfulness, planted


def row(method: str, metric: str, value: float, **more: Any) -> dict[str, Any]:
    better = "lower" if metric in ("sufficiency", "deletion") else "higher"
    known = {"way": "mask", "words": "replaced by <mask>", "better": better, "inputs": 3, "low": value - 0.1}
    known |= {"high": value + 0.1, "ahead_low": -1.0, "best": False, "baseline": method == "random"}
    return known | {"method": method, "metric": metric, "value": value} | more


METRICS = ("comprehensiveness", "sufficiency", "deletion", "insertion", "left out")
ROWS = [
    *(row("occlusion", metric, 0.5, best=True, ahead_low=0.2) for metric in METRICS),
    *(row("rollout", metric, 0.25) for metric in METRICS),
    *(row("random", metric, 0.125) for metric in METRICS),
    *(row("occlusion", metric, 0.75, way="zero", words="embedded as zeros") for metric in METRICS),
]
FORGETS = [{"method": "rollout", "layer": "classes", "inputs": 2, "similar": 0.5, "magnitudes": 0.4}]


def test_a_result_of_another_kind_has_no_tables() -> None:
    assert [tables({"cases": []}) for tables in (planted, faithfulness, agreement)] == [[], [], []]


def test_planted() -> None:
    found = {"task": "pair", "model": "bilstm", "cases": 4, "best": "occlusion", "chance": 0.01}
    rows = [found | {"found": {"rollout": 1, "occlusion": 4}}, found | {"found": {"occlusion": 2}, "cases": 12}]
    (lines,) = planted({"planted": rows})
    assert lines[0] == "| task | model | cases | rollout | occlusion | the chosen one | by chance |"
    assert lines[2] == "| pair | bilstm | 4 | 25.0% | 100.0% | occlusion: **100.0%** | 1.0% |"
    assert lines[3] == "| pair | bilstm | 12 | - | 16.7% | occlusion: **16.7%** | 1.0% |"
    assert lines[4] == "| all | | 16 | 25.0% | 37.5% | **37.5%** | 1.0% |"  # of the cases that a method was tried on


def test_faithfulness() -> None:
    subject = {"subject": "sentiment", "what": "words of 3 reviews", "rows": ROWS, "forgets": FORGETS}
    title, first, other, second, forgets = faithfulness({"subjects": [subject]})
    assert title == ["**sentiment** (words of 3 reviews; what is taken away is replaced by &lt;mask&gt;):"]
    assert first[0] == "| | comprehensiveness ↑ | sufficiency ↓ | deletion ↓ | insertion ↑ | left out ↑ |"
    assert first[2].startswith("| **occlusion** (chosen) | **0.500** (0.400 to 0.600) | ")  # ahead of random order
    assert first[3].startswith("| rollout | 0.250 (0.150 to 0.350) | ")
    assert first[4].startswith("| *random* | 0.125 (0.025 to 0.225) | ")
    assert other == ["The same, embedded as zeros:"]
    assert second[2] == "| occlusion | 0.750 (0.650 to 0.850) | 0.750 (0.650 to 0.850) |"
    assert forgets[2] == "| rollout | +0.50 |"


def test_agreement() -> None:
    told = {"package": "captum 1", "what": "weights", "scale": "up to 3", "texts": 12, "apart": 2.5e-7}
    (lines,) = agreement({"agreement": [told, {"package": "ferret", "what": "-", "failed": "no module"}]})
    assert lines[2] == "| captum 1 | weights | up to 3 | 12 | 2.5e-07 |"
    assert "not to be had: no module" in lines[3]
