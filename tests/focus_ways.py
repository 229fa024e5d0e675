"""`Focus` by one way alone (kernels/focus_way.py), and by two of them side by side."""

from __future__ import annotations

import importlib
import importlib.util
import os
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from tests.optional_packages import package
from torch import Tensor

from regard.kernels import focus_look, focus_read, focus_way
from regard.kernels.focus_look import Look
from regard.kernels.focus_pick import Picked

OFF = 1e-5  # of the largest value, and of a sum of weights: what the order of sums may do


def needed() -> None:
    """At the head of a module whose tests need numba: they are skipped loudly without it, failed in CI."""
    if importlib.util.find_spec("numba") is None:
        missing = "numba is not installed; type: pip install 'regard[fast]'"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing, allow_module_level=True)


def only(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No other way is taken; skipped loudly where that needs numba and there is none."""
    if name == "numba":
        package("numba", "regard[fast]")
    monkeypatch.setattr(focus_way, "WAYS", tuple(each for each in focus_way.WAYS if each.name == name))


@dataclass(frozen=True)
class Made:
    """picks, again: of each lane and row, the keys that are read one by one, and those of them read as they are."""

    output: Tensor  # (lanes, rows, groups, e)
    lse: Tensor  # (lanes, rows, groups)
    picks: list[set[int]]
    again: list[set[int]]


def by_torch(look: Look) -> tuple[Made, Tensor, Tensor]:
    """What torch's operations make of it; and the shares by which each of the two choices is made (lanes, rows, n)."""
    seen: list[tuple[Tensor, Picked]] = []
    best: list[tuple[Tensor, Tensor]] = []
    pick, choose = focus_look.picked, focus_read._best

    def picked(weights: Tensor, *rest: Any) -> Picked:
        seen.append((shared(weights), pick(weights, *rest)))
        return seen[-1][1]

    def chosen(scores: Tensor, found: Picked, *rest: Any) -> Tensor:
        shares = torch.zeros(*scores.shape[:2], look.sketch.length)
        top = scores.amax(-1, keepdim=True).clamp_min(-1e30) if scores.shape[-1] else 0
        shares.scatter_(-1, found.keys, shared(torch.exp2(scores - top)))
        best.append((shares, choose(scores, found, *rest)))
        return best[-1][1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(focus_look, "picked", picked)
        patch.setattr(focus_read, "_best", chosen)
        output, lse = focus_look.looked(look)
    found, again = seen[0][1], best[0][1]
    valid = found.valid.expand(found.keys.shape)
    picks = sets(found.keys, valid)
    as_it_is = picks if look.sketch.policy.bits == 16 else sets(found.keys.gather(-1, again), valid.gather(-1, again))
    return Made(output, lse, picks, as_it_is), seen[0][0], best[0][0]


def shared(weights: Tensor) -> Tensor:
    """(lanes, rows, keys): the heads' shares added up."""
    return (weights / weights.sum(-1, keepdim=True).clamp_min(1e-30)).sum(2)


def sets(keys: Tensor, valid: Tensor) -> list[set[int]]:
    rows = zip(keys.flatten(0, 1), valid.flatten(0, 1), strict=True)
    return [set(some[counted].tolist()) for some, counted in rows]


def by_loops(look: Look, compiled: ModuleType | None = None) -> Made:
    """What `regard.kernels.compiled.look` makes of it, or another copy of that."""
    compiled = compiled or importlib.import_module("regard.kernels.compiled.look")
    seen: list[Any] = []
    original = compiled._made
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "_made", lambda *args: seen.append(original(*args)) or seen[-1])
        output, lse = compiled.looked(look)
    _, _, read, many, best, count = (each.numpy() for each in seen[0])
    picks, again = [], []
    for lane, row in np.ndindex(many.shape):
        keys = read[lane, row, : many[lane, row]]
        assert np.all(np.diff(keys) > 0), "picked keys are not in order, or not each once"
        picks.append(set(keys.tolist()))
        again.append(set(keys[best[lane, row, : count[lane, row]]].tolist()))
    return Made(output, lse, picks, again)


def check(look: Look, compiled: ModuleType | None = None) -> bool:
    """Raise AssertionError unless both ways read keys of the same shares, and give the same where they read the same.
    Gives whether all reads were."""
    loops, (torch_, ranks, shares) = by_loops(look, compiled), by_torch(look)
    parts = loops.picks, torch_.picks, loops.again, torch_.again, ranks.flatten(0, 1), shares.flatten(0, 1)
    same = [agree(*each) for each in zip(*parts, strict=True)]
    some = torch.tensor(same).view(loops.lse.shape[:2])
    close("output", loops.output[some], torch_.output[some], float(look.value.abs().max()))
    close("lse", loops.lse[some], torch_.lse[some], 1.0)
    return all(same)


def agree(
    picks: set[int], want: set[int], again: set[int], want_again: set[int], ranks: Tensor, shares: Tensor
) -> bool:
    """Whether the same is read; AssertionError where that is not for want of a difference."""
    for name, one, other, each in (("picked", picks, want, ranks), ("read again", again, want_again, shares)):
        assert len(one) == len(other), f"{len(one)} keys are {name}, expected {len(other)}"
        apart = each[sorted(one ^ other)]
        if len(apart):
            assert float(apart.max() - apart.min()) <= OFF * float(apart.max()) + 1e-30, f"other keys are {name}"
            return False
    return True


def close(name: str, got: Tensor, want: Tensor, size: float) -> None:
    for odd in (torch.isnan, torch.isposinf, torch.isneginf):
        assert torch.equal(odd(got), odd(want)), f"{name}: NaN or infinity in other places"
    finite = torch.isfinite(want)
    off = (got - want)[finite].abs()
    worst = float(off.max()) if off.numel() else 0.0
    assert worst <= OFF * size, f"{name}: off by {worst:.3g}, allowed {OFF * size:.3g}"
