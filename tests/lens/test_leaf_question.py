import pytest
import torch

from regard.lens.leaf_question import LeafInput, leaf_question
from regard.lens.units import Units
from regard.spec.errors import ShapeError, SpecError

LEAF = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]])  # (1, 3 steps, 2 channels)


def given(**more):
    fields = {
        "leaf": LEAF,
        "cells": torch.tensor([0, 1, -1])[:, None],
        "units": Units(("first", "second"), "step"),
        "target": "low",
        "score": lambda leaf: -leaf.sum((1, 2)),
        "fills": {"zero": ("made 0", torch.zeros_like(LEAF)), "mean": ("made 2", torch.full_like(LEAF, 2.0))},
    }
    return LeafInput(**fields | more)


def test_what_is_taken_away_is_filled_and_the_rest_stays():
    question = leaf_question(given())
    keep = torch.tensor([[True, True], [False, True], [False, False]])
    assert question.scores(keep, "zero").tolist() == [-21.0, -18.0, -11.0]
    assert question.scores(keep, "mean").tolist() == [-21.0, -22.0, -19.0]
    assert question.default == "zero"


def test_gradients_by_unit():
    ready = leaf_question(given()).gradients
    assert ready.to_units(ready.leaf).tolist() == [3.0, 7.0]
    assert ready.baseline[0].tolist() == [[0.0, 0.0], [0.0, 0.0], [5.0, 6.0]]
    assert ready.signed
    assert not leaf_question(given(gradient=lambda leaf: leaf.sum((1, 2)))).gradients.signed


def test_what_does_not_fit_is_refused():
    with pytest.raises(SpecError, match="a way to take"):
        given(fills={})
    with pytest.raises(ShapeError, match="cells"):
        given(cells=torch.tensor([0, 1, 0, 1]))
    with pytest.raises(ShapeError, match="int64"):
        given(cells=torch.zeros(3, 1))
