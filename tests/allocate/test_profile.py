"""`profile`: what is measured on several samples, and going on where a stopped one was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.allocate.small import Looker, llama, numbers, text
from torch import nn

from regard.allocate import Profile, allocate, profile
from regard.allocate import weighing as module_weighing
from regard.allocate.profiled import POINTS, SIGHTS
from regard.allocate.weighing import NATS, OUTPUT
from regard.spec import DataError, MinMaxBlocks, RunError, SpecError, WindowSinks
from regard.spec.budget import Budget

POLICIES = (WindowSinks(), MinMaxBlocks(4))
ASKED: dict[str, Any] = {"policies": POLICIES, "fractions": (0.2, 0.5), "queries": 4}
PATHS = ["model.layers.0.self_attn", "model.layers.1.self_attn"]


def test_a_decoder_on_two_texts() -> None:
    model = llama()
    found = profile(model, [text(48), text(40, seed=1)], **ASKED)
    assert found.unit == NATS
    assert found.layers is not None
    assert list(found.layers) == PATHS
    assert len(found.samples) == len(set(found.samples)) == 2
    for layer in found.layers.values():
        assert (layer.heads, layer.kv_heads) == (4, 2)
        assert all(each.count == 2 for each in layer.figures.values())
        assert all(layer[name].shape == (2, 2, 2) for name in POINTS)
        assert all(layer[name].shape == (4,) for name in SIGHTS)
        assert all(2 * 32 <= full <= 48 * 32 for full in layer["full"].tolist())
        assert bool((layer["cost"] > 0).all())
        assert bool((layer["share"] <= torch.tensor([0.2, 0.5]) + 0.05).all())
        assert float(layer["error"][..., 1].mean()) < float(layer["error"][..., 0].mean())
        assert bool((layer["weight"] > 0).all())
    assert not found.kept
    assert all(part.grad is None for part in model.parameters())


def test_a_plain_model_whose_answer_is_numbers() -> None:
    found = profile(Looker(), [numbers(30), {"x": numbers(30, seed=1)}], **ASKED)
    assert found.unit == OUTPUT
    assert found.layers is not None
    assert list(found.layers) == ["Looker"]
    made = allocate(found, Budget(fraction=0.3))
    assert made.cost is not None
    assert 0 < made.cost < 1


def test_plain_window_and_sinks_is_always_among_the_choices() -> None:
    found = profile(Looker(), [numbers(30)], **{**ASKED, "policies": (MinMaxBlocks(4),)})
    assert found.policies == POLICIES


def test_two_samples_at_once_are_one_after_the_other(tmp_path: Path) -> None:
    """What is written after the first is what a profile of it alone writes, and the second continues it."""
    model, samples = llama(), [text(40), text(40, seed=1)]
    whole = profile(model, samples, path=tmp_path / "whole.json", **ASKED)
    profile(model, samples[:1], path=tmp_path / "parts.json", **ASKED)
    parts = profile(model, samples, path=tmp_path / "parts.json", **ASKED)
    assert (tmp_path / "whole.json").read_text() == (tmp_path / "parts.json").read_text()
    assert parts.samples == whole.samples
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts.json", "whole.json"]


def test_a_stopped_profile_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, samples, path = llama(), [text(40), text(40, seed=1), text(40, seed=2)], tmp_path / "p.json"
    whole = profile(model, samples, **ASKED)
    told: list[tuple[int, str]] = []

    def stop(done: int, words: str) -> None:
        told.append((done, words))
        if words == f"sample 2: {PATHS[1]}":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        profile(model, samples, path=path, listen=stop, **ASKED)
    assert told[:3] == [(0, "sample 1"), (0, f"sample 1: {PATHS[0]}"), (0, f"sample 1: {PATHS[1]}")]
    assert len(Profile.load(path).samples) == 1
    told.clear()
    found = profile(model, iter(samples), path=path, listen=lambda *one: told.append(one), **ASKED)
    assert told[0] == (1, "sample 2")
    assert told[-1] == (3, "done")
    assert found.layers is not None
    assert whole.layers is not None
    for name in PATHS:
        for figure in POINTS:
            assert torch.equal(found.layers[name][figure], whole.layers[name][figure])
    told.clear()
    profile(model, samples, path=path, listen=lambda *one: told.append(one), **ASKED)
    assert told == [(3, "done")]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"queries": 8}, "other queries: 4"),
        ({"fractions": (0.2,)}, "other fractions"),
        ({"policies": (WindowSinks(2),)}, "other policies"),
    ],
)
def test_a_file_with_other_settings_is_not_gone_on_with(tmp_path: Path, other: Any, said: str) -> None:
    path, model = tmp_path / "p.json", Looker()
    profile(model, [numbers(30)], path=path, **ASKED)
    with pytest.raises(DataError, match=said):
        profile(model, [numbers(30)], path=path, **{**ASKED, **other})


def test_nor_is_one_of_another_model_or_of_other_samples(tmp_path: Path) -> None:
    path, model = tmp_path / "p.json", Looker()
    profile(model, [numbers(30)], path=path, **ASKED)
    with pytest.raises(DataError, match="its sample 1 is not the one given now"):
        profile(model, [numbers(30, seed=1)], path=path, **ASKED)
    with torch.no_grad():
        model.out.bias += 1
    with pytest.raises(DataError, match=r"profile of another model \(a Looker\)"):
        profile(model, [numbers(30)], path=path, **ASKED)


def test_what_cannot_be_profiled() -> None:
    with pytest.raises(SpecError, match="there are no samples"):
        profile(Looker().eval(), [], **ASKED)
    with pytest.raises(SpecError, match=r"in training mode: call model.eval\(\)"):
        profile(Looker().train(), [numbers(30)], **ASKED)
    with pytest.raises(SpecError, match=r"there is no head to measure .no attention was seen"):
        profile(nn.Linear(8, 8).eval(), [numbers(30)], **ASKED)
    with pytest.raises(SpecError, match="expected what the model takes"):
        profile(Looker().eval(), ["text"], **ASKED)
    with pytest.raises(SpecError, match=r"is no torch.nn.Module"):
        profile("model", [numbers(30)], **ASKED)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="a sample has 1 token: expected at least 2"):
        profile(llama(), [text(9)[:, :1]], **ASKED)
    assert profile(llama(), [text(9)[:, :2]], **ASKED).layers


def test_figures_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    broken = numbers(30)
    broken[0, 3] = torch.nan
    with pytest.raises(RunError, match="sample 2: the figures of Looker are not finite"):
        profile(Looker().eval(), [numbers(30), broken], path=tmp_path / "p.json", **ASKED)
    assert len(Profile.load(tmp_path / "p.json").samples) == 1


class Asking(nn.Module):
    """A layer that is asked for its weights, and one that is not."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.looker = nn.MultiheadAttention(8, 2, batch_first=True), Looker()

    def forward(self, x: Any) -> Any:
        return self.looker(x + self.asked(x, x, x)[0])


def test_layers_that_cannot_be_answered_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = profile(Asking().eval(), [numbers(30)], **ASKED)
    assert found.layers is not None
    assert list(found.layers) == ["looker"]
    assert found.kept is not None
    assert "need_weights" in found.kept["asked"]
    monkeypatch.setattr(module_weighing, "unbudgeted", lambda request: "for no reason")
    with pytest.raises(SpecError, match=r"no head to measure .*looker: for no reason"):
        profile(Asking().eval(), [numbers(30)], **ASKED)


def test_the_file_is_readable(tmp_path: Path) -> None:
    profile(Looker().eval(), [numbers(30)], path=tmp_path / "p.json", **ASKED)
    laid = json.loads((tmp_path / "p.json").read_text())
    assert laid["format"] == "regard profile 2"
    assert laid["policies"][1] == {"name": "MinMaxBlocks", "size": 4}
    assert len(laid["layers"]["Looker"]["square"]["mean"]) == 2
