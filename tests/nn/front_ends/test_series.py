"""Series to tokens: what each patch holds, entry by entry; covariates, missing values, lengths and horizons."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from regard.nn.front_ends import SeriesFrontEnd
from regard.spec import DataError, Learned, ShapeError, SpecError


def seen(front_end: SeriesFrontEnd, values: Tensor, **more: Tensor) -> Tensor:
    """(batch, len, entries, patch): what goes into the linear layer."""
    kept: list[Tensor] = []
    hook = front_end.project.register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0]))
    front_end(values, **more)
    hook.remove()
    return kept[0].unflatten(-1, (-1, front_end.patch))


def test_a_patch_holds_scaled_values_and_where_they_are_observed() -> None:
    values = torch.tensor([[[1.0], [3.0], [1.0], [3.0], [3.0]]])  # mean 2.2
    front_end = SeriesFrontEnd(4, patch=3)
    first, second = seen(front_end, values)[0]
    deviation = math.sqrt((2 * 1.2**2 + 3 * 0.8**2) / 5)
    assert first[0].tolist() == pytest.approx([-1.2 / deviation, 0.8 / deviation, -1.2 / deviation])
    assert first[1].tolist() == [1, 1, 1]
    assert second[0].tolist() == pytest.approx([0.8 / deviation, 0.8 / deviation, 0])
    assert second[1].tolist() == [1, 1, 0]  # the last patch reaches one step beyond the end


def test_missing_values_are_0_and_marked_whatever_stood_there() -> None:
    values = torch.tensor([[[1.0], [float("nan")], [3.0], [float("inf")]]])
    observed = torch.tensor([[[True], [False], [True], [False]]])
    first, second = seen(SeriesFrontEnd(4, patch=2), values, observed=observed)[0]
    assert first.tolist() == [[-1, 0], [1, 0]]
    assert second.tolist() == [[1, 0], [1, 0]]
    nothing = SeriesFrontEnd(4, patch=2)(values, observed=torch.zeros_like(observed))
    assert bool(nothing.tokens.isfinite().all())
    assert nothing.scale is not None
    assert nothing.scale.undo(torch.ones(1, 3, 1)).flatten().tolist() == [1, 1, 1]


@pytest.mark.parametrize(("patch", "stride"), [(1, 1), (4, 4), (5, 2), (7, 3)])
def test_every_step_is_in_a_patch_and_none_more_than_needed(patch: int, stride: int) -> None:
    front_end = SeriesFrontEnd(4, patch=patch, stride=stride)
    for steps in range(1, 30):
        made = front_end(torch.randn(1, steps, 1))
        assert made.tokens.shape[1] == front_end.count(steps)
        spans = [unit.bounds for unit in made.covered(0)]
        assert [start for start, _ in spans] == [stride * place for place in range(len(spans))]
        assert spans[-1][1] == steps
        assert len(spans) == 1 or spans[-2][1] < steps


def test_the_answer_goes_back_to_the_series_own_units() -> None:
    values = torch.randn(3, 20, 2) * 50 + 1000
    made = SeriesFrontEnd(4, patch=5, channels=2, affine=True)(values)
    assert made.scale is not None
    torch.testing.assert_close(made.scale.undo(made.scale.apply(values)), values)
    shifted = SeriesFrontEnd(4, patch=5, channels=2)
    torch.testing.assert_close(shifted(values).tokens, shifted(values * 7 - 300).tokens, atol=1e-3, rtol=1e-3)


def test_covariates_join_the_patch_and_the_future_follows() -> None:
    front_end = SeriesFrontEnd(4, patch=2, past=1, known=1, horizon=3)
    assert front_end.past_standard is not None
    front_end.past_standard.set([10.0], [2.0])
    values = torch.tensor([[[1.0], [3.0], [3.0], [1.0]]])
    past = torch.tensor([[[12.0], [14.0], [10.0], [8.0]]])
    known = torch.arange(7.0)[None, :, None]
    parts = seen(front_end, values, past=past, known=known)[0]
    assert parts.tolist() == [
        [[-1, 1], [1, 1], [1, 2], [0, 1]],
        [[1, -1], [1, 1], [0, -1], [2, 3]],
        [[0, 0], [0, 0], [0, 0], [4, 5]],
        [[0, 0], [0, 0], [0, 0], [6, 0]],
    ]
    made = front_end(values, past=past, known=known)
    assert [unit.bounds for unit in made.covered(0)] == [(0, 2), (2, 4), (4, 6), (6, 7)]


def test_what_series_are_padded_to_changes_nothing() -> None:
    front_end = SeriesFrontEnd(6, patch=4, stride=3, past=1, known=2, positions=Learned(9)).eval()
    lengths = [1, 3, 4, 5, 11, 17]
    values, past, known = (torch.full((6, 19, size), float("nan")) for size in (1, 1, 2))
    for item, length in enumerate(lengths):
        for part in (values, past, known):
            part[item, :length] = torch.randn(length, part.shape[2])
    made = front_end(values, torch.tensor(lengths), past=past, known=known)
    assert made.counts.tolist() == [front_end.count(length) for length in lengths]
    for item, length in enumerate(lengths):
        own = (part[item : item + 1, :length] for part in (values, past, known))
        alone = front_end(next(own), past=next(own), known=next(own))
        count = front_end.count(length)
        torch.testing.assert_close(made.tokens[item, :count], alone.tokens[0])
        assert not made.tokens[item, count:].any()
        assert made.covered(item) == alone.covered(0)
    assert front_end(values[:2], torch.tensor([1, 0]), past=past[:2], known=known[:2]).counts.tolist() == [1, 0]


def test_gradients_reach_values_covariates_and_gain() -> None:
    front_end = SeriesFrontEnd(4, patch=3, past=1, known=1, horizon=2, affine=True)
    values, past, known = (torch.randn(2, steps, 1, requires_grad=True) for steps in (7, 7, 9))
    made = front_end(values, past=past, known=known)
    assert made.scale is not None
    made.scale.undo(made.tokens[:, :1, :1]).square().sum().backward()
    for part in (values, past, known, front_end.scaling.log_gain, front_end.project.weight):
        assert part is not None
        assert part.grad is not None
        assert bool(part.grad.isfinite().all())
    assert bool(values.grad.any())  # type: ignore[union-attr]


def test_values_that_cannot_be_used_are_named() -> None:
    front_end = SeriesFrontEnd(4, patch=2, past=1, known=1)
    values, covariate = torch.zeros(2, 4, 1), torch.zeros(2, 4, 1)
    bad = values.clone()
    bad[1, 2, 0] = float("nan")
    with pytest.raises(DataError, match=r"values\[1, 2, 0\] is nan: pass observed= to say which values are missing"):
        front_end(bad, past=covariate, known=covariate)
    with pytest.raises(DataError, match=r"past\[1, 2, 0\] is nan: a covariate that may be missing belongs in channels"):
        front_end(values, past=bad, known=covariate)
    with pytest.raises(DataError, match=r"known\[1, 2, 0\] is nan: what is known ahead cannot be missing"):
        front_end(values, past=covariate, known=bad)


def test_shapes_that_do_not_fit_are_named() -> None:
    front_end = SeriesFrontEnd(4, patch=2, known=2, horizon=3)
    values, known = torch.zeros(2, 4, 1), torch.zeros(2, 7, 2)
    with pytest.raises(ShapeError, match=r"expected \(batch, steps, 1\)"):
        front_end(torch.zeros(2, 4, 3), known=known)
    with pytest.raises(ShapeError, match="expected floats, of at least one step"):
        front_end(torch.zeros(2, 0, 1), known=known)
    with pytest.raises(ShapeError, match=r"known is None, expected \(batch, steps \+ horizon, known\) = \(2, 7, 2\)"):
        front_end(values)
    with pytest.raises(ShapeError, match=r"past is a float32 tensor.*it was built with past=0"):
        front_end(values, known=known, past=values)
    with pytest.raises(ShapeError, match="lengths with a horizon; let all series end now"):
        front_end(values, torch.tensor([4, 3]), known=known)
    with pytest.raises(ShapeError, match=r"observed is .*expected bool of shape \(2, 4, 1\)"):
        front_end(values, known=known, observed=torch.ones(2, 4, 1))
    with pytest.raises(ShapeError, match="positions 0 to 1"):
        SeriesFrontEnd(4, patch=2, positions=Learned(1))(values)


def test_bad_settings() -> None:
    with pytest.raises(SpecError, match="steps between patches would be lost"):
        SeriesFrontEnd(4, patch=2, stride=3)
    with pytest.raises(SpecError, match="nothing is known ahead"):
        SeriesFrontEnd(4, patch=2, horizon=3)
    with pytest.raises(SpecError, match="patch=0"):
        SeriesFrontEnd(4, patch=0)
    with pytest.raises(SpecError, match=r"known=-1\): expected a whole number, 0 for none"):
        SeriesFrontEnd(4, patch=2, known=-1)
