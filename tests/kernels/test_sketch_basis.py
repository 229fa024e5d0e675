"""In which directions keys are judged: by the formula, in NumPy; what is planted is found; what teaches, what not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from tests.focus_cases import normal
from torch import Tensor

from regard.kernels import sketch, sketch_basis
from regard.kernels.sketch import Sketch
from regard.kernels.sketch_basis import Basis, learnt
from regard.spec import Focus

Array = npt.NDArray[np.float64]


def root(square: Array, power: float) -> Array:
    spread, turn = np.linalg.eigh(square)
    return np.asarray((turn * spread**power) @ turn.T)


def directions(keys: Array, query: Array | None) -> tuple[Array, Array]:
    """(by which keys are multiplied, by which queries): (d, d) each, the most important direction first."""
    covariance = keys.T @ keys / len(keys)
    if query is None:
        moment = np.eye(len(covariance))
    else:
        moment = query.T @ query / len(query)
        moment += 1e-3 * np.trace(moment) / len(moment) * np.eye(len(moment))
    half = root(moment, 0.5)
    found = np.linalg.eigh(half @ covariance @ half)[1][:, ::-1]
    return half @ found, root(moment, -0.5) @ found


def cache(seed: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Residuals of 2 items, 2 key heads, 50 keys of 6 numbers and values of 3; queries of 4 heads."""
    sizes = torch.tensor([3.0, 0.1, 1.0, 2.0, 0.5, 0.2], dtype=torch.float64)
    asked = normal(2, 4, 20, 6, seed=seed + 2) * sizes.flip(0)
    return normal(2, 2, 50, 6, seed=seed) * sizes, normal(2, 2, 50, 3, seed=seed + 1), asked


def of_head(basis: Basis, head: int) -> tuple[Array, Array]:
    return basis.key[head].double().numpy(), basis.query[head].double().numpy()


@pytest.mark.parametrize("asked", [True, False], ids=["with queries", "without"])
@pytest.mark.parametrize("rank", [2, 4, 6])
def test_the_directions_are_those_of_the_formula(rank: int, asked: bool) -> None:
    """The steps, and the sign of a direction, are in both factors of the product: it has neither."""
    keys, values, query = cache()
    found = learnt(keys.float(), values.float(), query.float() if asked else None, rank, 8)
    assert found.rank == rank
    for head in range(2):
        own = keys[:, head].flatten(0, 1).numpy()
        theirs = query[:, 2 * head : 2 * head + 2].flatten(0, 2).numpy() if asked else None
        for_key, for_query = directions(own, theirs)
        key, back = of_head(found, head)
        np.testing.assert_allclose(key @ back.T, for_key[:, :rank] @ for_query[:, :rank].T, atol=1e-4)
        for column in range(rank):  # each is in its own place, and not just all together
            cosine = key[:, column] @ for_key[:, column] / np.linalg.norm(key[:, column])
            assert abs(cosine) / np.linalg.norm(for_key[:, column]) > 0.9999


def test_all_directions_together_are_the_whole_score() -> None:
    keys, values, query = cache()
    found = learnt(keys.float(), values.float(), query.float(), 6, 8)
    for head in range(2):
        key, back = of_head(found, head)
        np.testing.assert_allclose(key @ back.T, np.eye(6), atol=1e-4)


def test_the_first_directions_leave_the_least_error_in_the_scores() -> None:
    """No other two directions tried, of 200, explain more of what keys do to these queries' scores."""
    keys, values, query = cache()
    key, back = of_head(learnt(keys.float(), values.float(), query.float(), 2, 8), 0)
    own, asked = keys[:, 0].flatten(0, 1).numpy(), query[:, :2].flatten(0, 2).numpy()
    scores = asked @ own.T
    least = float(((scores - asked @ back @ (own @ key).T) ** 2).sum())
    source = np.random.default_rng(0)
    for _ in range(200):
        turn = np.linalg.qr(source.normal(size=(6, 2)))[0]
        assert ((scores - asked @ turn @ (own @ turn).T) ** 2).sum() > least


def test_a_planted_direction_is_found_first() -> None:
    planted = torch.tensor([0.6, 0.0, 0.8, 0.0, 0.0, 0.0], dtype=torch.float64)
    keys = 0.1 * normal(1, 1, 400, 6, seed=1) + 3 * normal(1, 1, 400, 1, seed=2) * planted
    key, _ = of_head(learnt(keys.float(), keys.float(), None, 2, 8), 0)
    assert abs(key[:, 0] @ planted.numpy()) / np.linalg.norm(key[:, 0]) > 0.999


def test_a_direction_that_nobody_asks_about_comes_last() -> None:
    """Keys differ most in the first coordinate, then in the second; queries are 0 in the first."""
    keys = normal(1, 1, 400, 3, seed=1) * torch.tensor([10.0, 2.0, 1.0])
    query = normal(1, 1, 100, 3, seed=2) * torch.tensor([0.0, 1.0, 1.0])
    _, alone = of_head(learnt(keys.float(), keys.float(), None, 2, 8), 0)
    _, asked = of_head(learnt(keys.float(), keys.float(), query.float(), 2, 8), 0)
    assert np.abs(alone).argmax(0).tolist() == [0, 1]
    assert np.abs(asked).argmax(0).tolist() == [1, 2]


def test_each_key_head_has_its_own() -> None:
    keys, values, query = cache()
    found = learnt(keys.float(), values.float(), query.float(), 4, 8)
    alone = learnt(keys[:, 1:].float(), values[:, 1:].float(), query[:, 2:].float(), 4, 8)
    torch.testing.assert_close(found.key[1:], alone.key)
    torch.testing.assert_close(found.value_step[1:], alone.value_step)


@pytest.mark.parametrize("bits", [4, 8])
def test_steps_are_the_best_of_those_tried(bits: int) -> None:
    keys, values, _ = cache()
    step = learnt(keys.float(), values.float(), None, 2, bits).value_step[1, 0].numpy()
    own = values[:, 1].flatten(0, 1).numpy()
    most = 2 ** (bits - 1)
    shares = (1.0, 0.8, 0.6, 0.5) if bits == 4 else (1.25,)
    steps = np.abs(own).max(0) / (most - 0.5) * np.array(shares)[:, None]
    rounded = np.clip(np.floor(own / steps[:, None]), -most, most - 1) + 0.5
    off = ((rounded * steps[:, None] - own) ** 2).mean(1)
    np.testing.assert_allclose(step, np.take_along_axis(steps, off.argmin(0)[None], 0)[0], rtol=1e-5)


def test_steps_of_the_sketch_are_the_best_of_those_tried() -> None:
    """The numbers in steps reach 8 steps; so many standard deviations that is, 2 to 10."""
    keys, values, _ = cache()
    found = learnt(keys.float(), values.float(), None, 6, 8)
    numbers = keys[:, 0].flatten(0, 1).float() @ found.key[0]
    clips = 8 / numbers.std(0, correction=0)
    tried = torch.tensor(sketch_basis.CLIPS)
    assert float((clips[:, None] - tried).abs().amin(1).max()) < 1e-3
    for index, clip in enumerate(clips.tolist()):
        errors = []
        for other in sketch_basis.CLIPS:
            scaled = numbers[:, index] * clip / other
            errors.append(float((((scaled.floor().clamp(-8, 7) + 0.5) - scaled) * other).square().mean()))
        assert abs(sketch_basis.CLIPS[int(np.argmin(errors))] - clip) < 1e-3


def test_no_queries_are_as_none() -> None:
    keys, values, query = cache()
    none = learnt(keys.float(), values.float(), None, 4, 8)
    empty = learnt(keys.float(), values.float(), query[:, :, :0].float(), 4, 8)
    assert torch.equal(none.key, empty.key)
    assert torch.equal(none.query, empty.query)


def test_queries_of_nothing_but_zeros_teach_nothing_and_break_nothing() -> None:
    keys, values, query = cache()
    found = learnt(keys.float(), values.float(), 0 * query.float(), 4, 8)
    assert torch.isfinite(found.key).all()
    assert torch.isfinite(found.query).all()


# --- what teaches

POLICY = Focus(grain=4, sketch=4.0)


def taught(key: Tensor, query: Tensor | None = None) -> Tensor:
    found = Sketch.of(key, key, query=query, policy=POLICY).basis
    return torch.cat((found.key.flatten(), found.key_step.flatten(), found.value_step.flatten()))


def test_the_first_block_teaches_nothing_unless_it_is_the_only_one() -> None:
    key = normal(1, 1, 43, 6, seed=1).float()
    other = key.clone()
    other[:, :, :4] *= -3
    assert torch.equal(taught(other), taught(key))
    assert not torch.equal(taught(other[:, :, :7]), taught(key[:, :, :7]))
    other = key.clone()
    other[:, :, 4] *= -3
    assert not torch.equal(taught(other), taught(key))


def test_of_a_long_cache_blocks_at_even_distances_teach(monkeypatch: pytest.MonkeyPatch) -> None:
    """40 keys, of which 10 suffice: every fourth block of 4, from the second on: 4 to 7, 20 to 23, 36 to 39."""
    monkeypatch.setattr(sketch, "LEARN", 10)
    key = normal(1, 1, 41, 6, seed=1).float()
    for place in range(41):
        other = key.clone()
        other[:, :, place] *= -3
        assert torch.equal(taught(other), taught(key)) == (place // 4 not in (1, 5, 9)), place


def test_of_many_queries_some_at_even_distances_teach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sketch, "LEARN", 10)
    key, query = normal(1, 1, 41, 6, seed=1).float(), normal(1, 2, 35, 6, seed=2).float()
    for place in range(35):
        other = query.clone()
        other[:, :, place, 0] += 2
        assert torch.equal(taught(key, other), taught(key, query)) == (place % 3 != 0), place
