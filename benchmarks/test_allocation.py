"""Goals of the allocation benchmark: the least of the even ways is what counts, and a worse one is missed."""

from __future__ import annotations

import pytest
from tests.allocate.small import layer, made_up

from benchmarks.allocation import compared, evenly, goals
from regard.allocate import Comparison
from regard.allocate.comparison import Ran
from regard.app.reading_text import Reader
from regard.spec import Focus, MinMaxBlocks, WindowSinks


def seen(allocated: float) -> Comparison:
    runs = (
        Ran("allocated 10%", increase=allocated),
        Ran("even 10% a", increase=0.4),
        Ran("even 10% b", increase=0.2),
        Ran("even 20% a", increase=0.01),
    )
    return Comparison("M", 1, 9, Ran("exact"), runs)


@pytest.mark.parametrize(("allocated", "ratio", "met"), [(0.1, 0.5, True), (0.3, 1.5, False)])
def test_the_least_of_the_even_ways_counts(allocated: float, ratio: float, met: bool) -> None:
    (goal,) = goals(seen(allocated), (0.1,))
    assert goal.measured == pytest.approx(ratio)
    assert goal.as_json()["met"] is met


def test_evenly_by_plain_by_default_and_by_the_best_on_the_profile() -> None:
    """MinMaxBlocks costs least at both fractions."""
    found = made_up(a=layer([[[8.0, 1.0], [2.0, 0.5]]]))
    assert evenly(found, 0.1) == [WindowSinks(), Focus(), MinMaxBlocks(4)]


def test_every_way_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    import benchmarks.allocation as module

    asked = {}

    def compare(model: object, ways: dict[str, object], pieces: object, *, prompt: int, listen: object) -> str:
        asked.update(ways, prompt=prompt)
        return "seen"

    monkeypatch.setattr(module, "compare", compare)
    import torch

    read = Reader("m", torch.nn.Linear(1, 1), (torch.zeros(1, 100),))
    assert compared(made_up(a=layer([[[8.0, 1.0], [2.0, 0.5]]])), read, (0.1,), 30) == "seen"
    assert asked.pop("prompt") == 70
    assert [name.split(" ")[0] for name in asked] == ["allocated", "even", "even", "even"]
