"""Budgets as lines, bars and a page: the numbers that are drawn, by hand."""

from __future__ import annotations

import re

import pytest
from tests.allocate.small import layer, made_up

from regard.allocate import allocate
from regard.allocate.comparison import Comparison, Ran
from regard.allocate.profiled import Profile
from regard.app.budget_bars import bar, bars, heads
from regard.app.budget_charts import chart, scatter
from regard.app.budget_lines import Line, Spot, best_even, expected, measured
from regard.app.budget_page import Page, html
from regard.app.budgeting import show_comparison
from regard.app.screen import Screen
from regard.spec.budget import Budget

STEEP = layer([[[8.0, 1.0], [9.0, 7.0]]], heads=2)
FLAT = layer([[[2.0, 0.9], [1.0, 0.6]]], heads=2)
LINES = [Line("one", (Spot(0.1, 2.0, 0.5), Spot(0.2, 1.0))), Line("<two>", (Spot(0.1, 4.0), Spot(0.2, -0.5)))]


@pytest.fixture
def found() -> Profile:
    return made_up(steep=STEEP, flat=FLAT)


def test_a_bar_is_as_long_as_its_share_of_the_longest() -> None:
    assert bar(4, 4, 8) == "████████"
    assert bar(1, 4, 8) == "██"
    assert bar(1.25, 4, 8) == "██▌"
    assert bar(9, 4, 8) == "████████"
    assert bar(0.0001, 4, 8) == "▏"
    assert bar(0, 4, 8) == bar(-1, 4, 8) == bar(1, 0, 8) == ""


def test_bars_of_alike_budgets_stand_beside_each_other() -> None:
    told = bars(LINES, "more nats")
    assert [line.split()[0] for line in told] == ["bytes", "<two>", "one", "<two>", "one"]
    assert told[1].endswith("10.0 %           +4.0000  " + "█" * 32)
    assert told[2].endswith("10.0 %  +2.0000 ± 0.5000  " + "█" * 16)
    assert told[3].endswith("20.0 %           -0.5000")


def test_heads_with_and_without_an_allocation(found: Profile) -> None:
    plain = heads(found)
    assert plain[0].split() == ["layer", "head", "breadth", "distance", "first", "latest", "weight"]
    assert len(plain) == 3
    given = heads(found, allocate(found, Budget(fraction=0.3)))
    assert given[1].split()[-4:] == ["WindowSinks", "50.0", "%", "████████"]
    assert given[2].split()[-4:] == ["MinMaxBlocks", "10.0", "%", "█▋"]
    part = allocate(made_up(steep=STEEP), Budget(fraction=0.5))
    assert heads(found, part)[2].split()[-1] == "1.00e+00"  # no budget for it: nothing stands there
    assert len(heads(Profile(found.model, found.policies, found.fractions, 4))) == 1


def test_what_a_profile_lets_expect(found: Profile) -> None:
    lines = {line.name: line.spots for line in expected(found)}
    assert list(lines) == ["allocated", "even, WindowSinks(first=4)", "even, MinMaxBlocks(size=4)"]
    assert [(round(spot.share, 6), spot.cost) for spot in lines["even, WindowSinks(first=4)"]] == [
        (0.1, 10.0),
        (0.5, 1.9),
    ]
    assert lines["allocated"][0].cost == 9.0
    best = best_even(expected(found))
    assert [line.name for line in best] == ["allocated", "even, WindowSinks(first=4)"]
    assert best_even([]) == []


def test_a_budget_below_the_least_has_no_spot() -> None:
    """Both policies read 30 bytes where 10 were asked for."""
    greedy = layer([[[8.0, 1.0], [8.0, 1.0]]], shares=[[[0.3, 0.5], [0.3, 0.5]]])
    lines = {line.name: line.spots for line in expected(made_up(greedy=greedy))}
    assert [spot.share for spot in lines["allocated"]] == [0.5]


def test_what_was_measured() -> None:
    runs = (
        Ran("a, 20 %", 0.2, increase=1.0, increase_error=0.1),
        Ran("a, 10 %", 0.1, increase=2.0),
        Ran("b", 0.1, off=0.3),
        Ran("c", 0.1),
    )
    made = Comparison("M", 1, 9, Ran("exact"), runs)
    named = [("a", "a, 20 %"), ("a", "a, 10 %"), ("b", "b"), ("c", "c")]
    assert measured(made, named) == [
        Line("a", (Spot(0.1, 2.0), Spot(0.2, 1.0, 0.1))),
        Line("b", (Spot(0.1, 0.3),)),
    ]


def test_layers_that_had_another_policy_or_none_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    reasons = {"layers.0": "too little", "layers.1": "too little"}
    runs = (Ran("a", 0.1, 2.5, 0.5, plain=reasons, left={"head": "dropout"}),)
    show_comparison(Screen(), Comparison("M", 1, 9, Ran("exact", loss=2.0), runs), [])
    said = capsys.readouterr().out.splitlines()
    assert "a: head ran exact: dropout" in said
    assert said[-1] == "a: layers.0 and 1 more was spent by window + sinks: too little"


def places(svg: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r'<circle[^>]* cx="([\d.]+)" cy="([\d.]+)"', svg)]


def test_a_chart_puts_more_cost_higher_and_more_bytes_further_right() -> None:
    drawn = chart(LINES, "more nats")
    (x1, y1), (x2, y2), (x3, y3), (x4, y4) = places(drawn)
    assert x1 == x3 < x2 == x4
    assert y3 < y1 < y2 < y4
    assert drawn.count("<polyline") == 2
    assert drawn.count('class="bar') == 1
    assert "&lt;two&gt;" in drawn
    assert "<two>" not in drawn


def test_heads_are_drawn_by_breadth_and_distance(found: Profile) -> None:
    assert len(places(scatter(found, None))) == 4
    with_sizes = scatter(found, allocate(found, Budget(fraction=0.3)))
    assert {float(r) for r in re.findall(r' r="([\d.]+)"', with_sizes)} == {4.7, 7.4}  # 2.5 + 7 sqrt(.1), sqrt(.5)
    assert places(scatter(Profile(found.model, found.policies, found.fractions, 4), None)) == []


def test_a_page_with_everything_and_one_with_nothing(found: Profile) -> None:
    made = allocate(found, Budget(fraction=0.3))
    ran = Ran("x", 0.1, 2.5, 0.5, 0.01, None, {"steep": 0.2}, 0.02, None)
    seen = Comparison("M", 1, 20, Ran("exact", loss=2.0), (ran,))
    whole = html(Page("a <title>", ("a note",), "more nats", tuple(LINES), seen, found, made))
    for part in ("a &lt;title&gt;", "a note", "Budget against cost", "Measured", "0.2000", "Breadth and depth", "<svg"):
        assert part in whole
    assert "<title>" not in whole.split("<body>")[1].replace("<title>", "", whole.count("<circle"))
    assert "http" not in whole.replace("http-equiv", "")
    empty = html(Page("nothing"))
    assert "<svg" not in empty
    assert "<table" not in empty
    assert "<h2>" not in html(Page("x", comparison=Comparison("M", 1, 2, Ran("exact"), ()))).replace("<h2>Measured", "")
    gone = allocate(made_up(steep=STEEP), Budget(fraction=0.3))
    assert "<td>exact</td>" in html(Page("x", profile=found, allocation=gone))
