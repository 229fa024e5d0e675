"""From a profile's texts to sketches in use: what is learnt, added up, handed on, and started from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf
from tests.allocate.small import Looker, llama, numbers, text
from torch import Tensor, nn

import regard
from regard.allocate import Allocation, Profile, allocate, compare, even, profile
from regard.allocate import spending as module_spending
from regard.kernels.policies import spend
from regard.spec import DataError, Focus, HeavyHitters, ObservedWindow, SpecError, WindowSinks
from regard.spec.budget import Budget

FOCUS = Focus(grain=4, sketch=1.0, exact=2, first=1)
COARSE = Focus(grain=8, sketch=0.5, exact=2, first=1, bits=4)
ASKED: dict[str, Any] = {"policies": (FOCUS, COARSE), "fractions": (0.4, 0.7), "queries": 4}
PATHS = ["model.layers.0.self_attn", "model.layers.1.self_attn"]
HALF = Budget(fraction=0.5, policy=FOCUS)


def sketches(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Those that calls on a budget are given, as they come."""
    seen: list[Any] = []

    def spied(request: Any, budget: Budget, sketch: Any = None) -> Any:
        seen.append(sketch)
        return spend(request, budget, sketch)

    monkeypatch.setattr(module_spending, "spend", spied)
    return seen


def test_a_profile_learns_from_every_prompt(tmp_path: Path) -> None:
    """Prompts are all but the last 128 tokens: 40 and 32, of which the first block of 4 teaches nothing."""
    found = profile(llama(), [text(168), text(160, seed=1)], path=tmp_path / "p.json", **ASKED)
    lessons = found.lessons()
    assert list(lessons) == PATHS
    for each in lessons.values():
        assert each.asked.count == 2 * (40 + 32)
        assert {grain: one.keys.count for grain, one in each.grains.items()} == {4: 36 + 28, 8: 32 + 24}
    back = Profile.load(tmp_path / "p.json").lessons()
    for path, each in lessons.items():
        assert torch.equal(back[path].asked.total, each.asked.total)
        assert torch.equal(back[path].grains[4].code_votes, each.grains[4].code_votes)


def test_a_short_text_teaches_with_its_end_and_a_plain_model_with_all_of_its_input() -> None:
    found = profile(llama(), [text(48)], **ASKED).lessons()
    assert [each.asked.count for each in found.values()] == [2 * 47] * 2
    (plain,) = profile(Looker(), [numbers(30), numbers(20, seed=1)], **ASKED).lessons().values()
    assert plain.asked.count == 50
    assert profile(Looker(), [numbers(30)], **{**ASKED, "policies": (WindowSinks(),)}).lessons() == {}


def test_a_layer_that_is_called_twice_learns_from_both_calls() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.looker = Looker()

        def forward(self, x: Tensor) -> Tensor:
            return self.looker(self.looker(x))

    (lessons,) = profile(Twice().eval(), [numbers(30)], **ASKED).lessons().values()
    assert lessons.asked.count == 2 * 30


def test_samples_at_once_teach_what_they_do_one_after_the_other(tmp_path: Path) -> None:
    model, samples = llama(), [text(160), text(150, seed=1)]
    profile(model, samples, path=tmp_path / "whole.json", **ASKED)
    profile(model, samples[:1], path=tmp_path / "parts.json", **ASKED)
    profile(model, samples, path=tmp_path / "parts.json", **ASKED)
    assert (tmp_path / "whole.json").read_text() == (tmp_path / "parts.json").read_text()


def test_an_allocation_brings_what_its_budgets_use() -> None:
    found = profile(llama(), [text(160)], **ASKED)
    made = even(found, HALF)
    assert {path: len(heads) for path, heads in made.bases.items()} == dict.fromkeys(PATHS, 2)
    basis = made.basis(PATHS[0], range(2))
    assert basis is not None
    assert (basis.heads, basis.rank, basis.bits) == (2, 2, 8)
    assert even(found, Budget(fraction=0.5, policy=WindowSinks())).bases == {}
    assert even(found, Budget(fraction=0.5, policy=Focus(grain=16))).bases == {}
    assert even(found, Budget(fraction=1.0, policy=FOCUS)).bases == {}
    split = allocate(found, Budget(fraction=0.5))
    for path, budgets in split.layers.items():
        for head, budget in enumerate(budgets):
            known = split.bases.get(path, (None, None))[head]
            assert (known is not None) == (isinstance(budget.policy, Focus) and budget.fraction != 1)


def test_use_starts_from_them_and_learns_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With a prompt, with a short one, and where no prompt was seen at all."""
    model = llama()
    even(profile(model, [text(160)], **ASKED), HALF).save(tmp_path / "a.json")
    made = Allocation.load(tmp_path / "a.json")
    own = made.basis(PATHS[0], range(2))
    assert own is not None
    monkeypatch.setattr("regard.kernels.sketch_basis.learnt", None)
    for length in (40, 6):
        seen = sketches(monkeypatch)
        with torch.no_grad(), regard.use(model, made) as used:
            model.generate(text(length), max_new_tokens=40, do_sample=False, pad_token_id=0)
        made_here = {id(each): each for each in seen if each is not None}
        assert len(made_here) == 2  # one a layer
        assert torch.equal(next(iter(made_here.values())).basis.key, own.key)
        assert used.spending is not None
        assert used.spending.share() < 0.6  # type: ignore[operator]
    with torch.no_grad():
        cache = model(text(60), use_cache=True).past_key_values
        seen = sketches(monkeypatch)
        with regard.use(model, made) as used:
            model(text(1), past_key_values=cache, use_cache=True)
    assert not used.spending.plain  # type: ignore[union-attr]
    for path, each in zip(PATHS, seen, strict=True):
        assert torch.equal(each.basis.key, made.basis(path, range(2)).key)  # type: ignore[union-attr]


def test_a_profile_of_the_first_version_still_allocates(tmp_path: Path) -> None:
    """Its allocations bring no bases; further samples teach some."""
    model, path = llama(), tmp_path / "p.json"
    profile(model, [text(160)], path=path, **ASKED)
    laid = json.loads(path.read_text())
    del laid["lessons"]
    path.write_text(json.dumps(laid | {"format": "regard profile 1"}))
    assert even(Profile.load(path), HALF).bases == {}
    more = profile(model, [text(160), text(150, seed=1)], path=path, **ASKED)
    assert more.lessons()[PATHS[0]].asked.count == 2 * 22
    assert json.loads(path.read_text())["format"] == "regard profile 2"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda laid: laid.update(lessons=[]), "expected under lessons an object, its names among those of layers"),
        (lambda laid: laid["lessons"].update(x={}), "its names among those of layers"),
        (lambda laid: laid["lessons"][PATHS[0]].update(heads=1), r"lessons of model.layers.0.self_attn, moment: found"),
        (lambda laid: laid["lessons"].update({PATHS[0]: 3}), "expected the entries heads"),
    ],
)
def test_profiles_with_broken_lessons_are_refused(tmp_path: Path, change: Any, said: str) -> None:
    path = tmp_path / "p.json"
    profile(llama(), [text(40)], path=path, **ASKED)
    laid = json.loads(path.read_text())
    change(laid)
    path.write_text(json.dumps(laid))
    with pytest.raises(DataError, match=said):
        Profile.load(path)


def test_lessons_of_other_heads_than_the_figures_are_refused(tmp_path: Path) -> None:
    one, two = tmp_path / "1.json", tmp_path / "2.json"
    profile(llama(), [text(40)], path=two, **ASKED)
    profile(llama(num_key_value_heads=1), [text(40)], path=one, **ASKED)
    laid = json.loads(two.read_text())
    laid["lessons"] = json.loads(one.read_text())["lessons"]
    two.write_text(json.dumps(laid))
    with pytest.raises(DataError, match="its lessons are of 1 key heads, its figures of 2"):
        Profile.load(two)


@pytest.mark.parametrize("policy", [HeavyHitters(), ObservedWindow()])
def test_policies_that_watch_earlier_queries_are_not_profiled(policy: Any) -> None:
    with pytest.raises(SpecError, match=f"{type(policy).__name__} goes by what earlier queries looked at"):
        profile(Looker(), [numbers(30)], policies=(policy,))


def test_compare_lets_a_policy_learn_from_the_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The prompt's own queries, however short it is: the basis is not that of keys alone."""
    seen, model = sketches(monkeypatch), llama()
    compare(model, Budget(fraction=0.6, policy=FOCUS), [text(60)], prompt=40)
    assert {id(each) for each in seen if each is not None}
    for each in seen:
        first = each.basis.query
        assert not torch.allclose(first.mT @ first, torch.diag_embed((first * first).sum(1)), atol=1e-3)  # of M, not 1


# --- layers with a window


def gemma() -> Any:
    """Two layers with a window of 8 and one without."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2}
    sizes |= {"intermediate_size": 48, "vocab_size": 30, "head_dim": 8, "max_position_embeddings": 256}
    kinds = ["sliding_attention", "sliding_attention", "full_attention"]
    config = hf.Gemma3TextConfig(**sizes, sliding_window=8, layer_types=kinds)
    return hf.Gemma3ForCausalLM(config).eval()


WINDOWS = ["model.layers.0.self_attn", "model.layers.1.self_attn"]


def test_one_budget_for_all_leaves_small_windows_exact_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    model, budget = gemma(), Budget(fraction=0.25, policy=WindowSinks())
    with torch.no_grad(), regard.use(model, budget) as used:
        model.generate(text(40), max_new_tokens=5, do_sample=False, pad_token_id=0)
    assert used.spending is not None
    assert sorted(used.spending.left) == WINDOWS
    for path in WINDOWS:
        assert used.spending.read[path] == used.spending.full[path] > 0
    whole = "model.layers.2.self_attn"
    assert used.spending.read[whole] == pytest.approx(0.25 * used.spending.full[whole], rel=0.1)
    told = (
        "exact   model.layers.*.self_attn: its window of 8 keys is small: one budget for all leaves such layers exact"
    )
    assert told in str(used)
    monkeypatch.setattr(module_spending, "SMALL", 7)
    with torch.no_grad(), regard.use(model, budget) as used:
        model.generate(text(40), max_new_tokens=5, do_sample=False, pad_token_id=0)
    assert not used.spending.left  # type: ignore[union-attr]


def test_an_allocation_is_followed_there_too() -> None:
    model = gemma()
    made = even(profile(model, [text(60)], **ASKED), Budget(fraction=0.5, policy=WindowSinks()))
    with torch.no_grad(), regard.use(model, made) as used:
        model.generate(text(40), max_new_tokens=5, do_sample=False, pad_token_id=0)
    assert not used.spending.left  # type: ignore[union-attr]
    assert used.spending.share() == pytest.approx(0.5, abs=0.1)  # type: ignore[union-attr]


def test_where_keys_move_focus_is_measured_as_it_is_used() -> None:
    """Window + sinks in its place, and nothing is learnt there; the layer that sees the whole text teaches."""
    found = profile(gemma(), [text(150)], **ASKED)
    assert list(found.lessons()) == ["model.layers.2.self_attn"]
    assert found.layers is not None
    for path in WINDOWS:
        error = found.layers[path]["error"]
        assert torch.equal(error[:, 0], error[:, 1])
        assert torch.equal(error[:, 0], error[:, 2])
    error = found.layers["model.layers.2.self_attn"]["error"]
    assert not torch.equal(error[:, 0], error[:, 1])
