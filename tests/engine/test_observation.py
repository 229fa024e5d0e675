"""What may be asked about where attention goes; every refusal in words; and the means over queries."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from regard.engine.observation import FIGURES, Observation, Wanted
from regard.spec import Place, ShapeError, SpecError

PLACE = Place(2, 4, 10, 13, 3, torch.device("cpu"))

REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"top": -1}, SpecError, r"top=-1: expected a whole number of keys, 0 for none"),
    ({"top": 2.0}, SpecError, r"top=2\.0: expected a whole number"),
    ({"top": True}, SpecError, r"top=True: expected a whole number"),
    ({"top": None}, SpecError, r"top=None: expected a whole number"),
    ({"bins": (4,)}, SpecError, r"bins=\(4,\): expected \(rows, cols\), two whole numbers above 0, or None for no map"),
    ({"bins": (0, 4)}, SpecError, r"bins=\(0, 4\): expected \(rows, cols\)"),
    ({"bins": (4, 1.5)}, SpecError, r"bins=\(4, 1\.5\): expected \(rows, cols\)"),
    ({"bins": (True, 4)}, SpecError, r"bins=\(True, 4\): expected \(rows, cols\)"),
    ({"bins": 4}, SpecError, r"bins=4: expected \(rows, cols\)"),
    ({"bins": "64"}, SpecError, r"bins='64': expected \(rows, cols\)"),
    ({"sample": 0}, SpecError, r"sample=0: expected a share of the queries, 0 < sample <= 1"),
    ({"sample": 1.01}, SpecError, r"sample=1\.01: expected a share"),
    ({"sample": 50}, SpecError, r"sample=50: expected a share"),
    ({"sample": math.nan}, SpecError, r"sample=nan: expected a share"),
    ({"sample": True}, SpecError, r"sample=True: expected a share"),
    ({"sample": "5%"}, SpecError, r"sample='5%': expected a share"),
    ({"seed": 0.5}, SpecError, r"seed=0\.5: expected a whole number"),
    ({"seed": None}, SpecError, r"seed=None: expected a whole number"),
    ({"heads": 3}, SpecError, r"heads=3: expected a tuple of head numbers, or None for all"),
    (
        {"heads": torch.tensor([1])},
        SpecError,
        r"heads=an int64 tensor of shape \(1,\): expected a tuple of head numbers",
    ),
    ({"keys": torch.arange(3)}, ShapeError, r"keys=an int64 tensor of shape \(3,\): expected a range, or None for all"),
    ({"keys": (0, 3)}, ShapeError, r"keys=\(0, 3\): expected a range"),
]


@pytest.mark.parametrize(("more", "error", "words"), REFUSED, ids=lambda given: str(given)[:40])
def test_refused_before_the_call_is_known(more: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=f"^{words}"):
        Wanted(**more)


@pytest.mark.parametrize("heads", [(4,), (-1,), (0, 0), (1.0,), (True,), ("1",)])
def test_heads_that_are_not_there(heads: Any) -> None:
    with pytest.raises(SpecError, match=r"^heads=\(.*\): expected different numbers from 0 to 3, the call's heads$"):
        Wanted(heads=heads).chosen_heads(PLACE)


@pytest.mark.parametrize(
    "queries",
    [
        range(11),
        range(-1, 3),
        range(5, 3),
        range(0, 8, 2),
        torch.tensor([0, 10]),
        torch.tensor([-1, 3]),
        torch.tensor([3, 2]),
        torch.tensor([3, 3]),
        torch.tensor([3, 11, 5]),
        torch.tensor([1, 2], dtype=torch.int32),
        torch.tensor([True, False]),
        torch.tensor([[1, 2]]),
        torch.tensor(3),
        [1, 2],
        4,
        "all",
    ],
    ids=str,
)
def test_queries_that_are_not_there(queries: Any) -> None:
    words = r"^queries=.*: expected a range or an ascending int64 tensor within 0\.\.10, in steps of one$"
    with pytest.raises(ShapeError, match=words):
        Wanted(queries=queries).chosen_queries(PLACE)


@pytest.mark.parametrize("keys", [range(14), range(-2, 3), range(4, 2), range(0, 6, 3)], ids=str)
def test_keys_that_are_not_there(keys: range) -> None:
    with pytest.raises(ShapeError, match=r"^keys=range\(.*\): expected a range within 0\.\.13, in steps of one$"):
        Wanted(keys=keys).chosen_keys(PLACE)


def test_all_by_default_and_the_order_of_heads_is_kept() -> None:
    every = Wanted()
    assert every.chosen_heads(PLACE) == (0, 1, 2, 3)
    assert every.chosen_queries(PLACE).tolist() == list(range(10))
    assert every.chosen_keys(PLACE) == range(13)
    some = Wanted(heads=[3, 1], queries=range(2, 5), keys=range(7, 9))  # type: ignore[arg-type]
    assert some.chosen_heads(PLACE) == (3, 1)
    assert some.chosen_queries(PLACE).tolist() == [2, 3, 4]
    assert some.chosen_keys(PLACE) == range(7, 9)
    assert Wanted(queries=torch.tensor([1, 7])).chosen_queries(PLACE).tolist() == [1, 7]
    nothing = Wanted(heads=(), queries=range(10, 10), keys=range(0))
    assert nothing.chosen_heads(PLACE) == ()
    assert nothing.chosen_queries(PLACE).dtype == Wanted(queries=torch.arange(0)).chosen_queries(PLACE).dtype
    assert nothing.chosen_keys(PLACE) == range(0)


@pytest.mark.parametrize(
    ("share", "of", "drawn"), [(0.05, 100, 5), (0.5, 10, 5), (0.01, 10, 2), (1, 10, 10), (0.9, 1, 1), (0.5, 0, 0)]
)
def test_a_sample_is_a_share_and_at_least_two(share: float, of: int, drawn: int) -> None:
    queries = torch.arange(100, 100 + of)
    found = Wanted(sample=share).drawn(queries)
    assert len(found) == drawn
    assert bool((found[1:] > found[:-1]).all())
    assert bool(torch.isin(found, queries).all())


def test_a_sample_is_the_seeds_and_leaves_torchs_own_seed_alone() -> None:
    queries = torch.arange(100)
    before = torch.get_rng_state()
    first, again, other = (Wanted(sample=0.1, seed=seed).drawn(queries) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)
    assert Wanted().drawn(queries) is queries


def test_every_query_is_drawn_as_often() -> None:
    """2,000 samples of 3 of 10: each query is expected 600 times, standard deviation 20.5; five are 103."""
    times = torch.zeros(10)
    for seed in range(2000):
        times[Wanted(sample=0.3, seed=seed).drawn(torch.arange(10))] += 1
    assert times.sum() == 6000
    assert float((times - 600).abs().max()) < 103


def observation(entropy: torch.Tensor, population: int) -> Observation:
    n = entropy.shape[-1]
    return Observation(
        heads=(0,),
        queries=torch.arange(n),
        population=population,
        query_start=0,
        key_len=5,
        lse=entropy + 1,
        entropy=entropy,
        distance=2 * entropy,
        received=torch.zeros(1, 1, 5),
    )


def test_a_mean_over_every_query_has_no_error() -> None:
    seen = observation(torch.tensor([[[0.0, 1.0, 2.0, 5.0]]]), 4)
    assert seen.mean("entropy") == (torch.tensor([[2.0]]), torch.tensor([[0.0]]))
    assert seen.mean("lse")[0].item() == 3.0
    assert seen.mean("distance")[0].item() == 4.0
    assert seen.mean("breadth")[0].item() == pytest.approx((1 + math.e + math.e**2 + math.e**5) / 4)


def test_the_error_of_a_mean_over_some_by_hand() -> None:
    """4 of 10: variance 14/3 = 4.667 (divisor 3); x (1 - 4/10) / 4 = 0.7; its root is 0.8367."""
    mean, error = observation(torch.tensor([[[0.0, 1.0, 2.0, 5.0]]]), 10).mean("entropy")
    assert mean.item() == 2.0
    assert error.item() == pytest.approx(0.7**0.5)
    assert mean.shape == error.shape == (1, 1)


def test_one_of_many_has_no_spread_and_none_has_no_mean() -> None:
    mean, error = observation(torch.tensor([[[3.0]]]), 10).mean("entropy")
    assert mean.item() == 3.0
    assert error.isnan().all()
    mean, error = observation(torch.zeros(1, 1, 0), 0).mean("entropy")
    assert mean.isnan().all()
    assert not error.any()


@pytest.mark.parametrize("figure", ["received", "heads", "Entropy", "", 3])
def test_a_mean_of_something_else(figure: Any) -> None:
    with pytest.raises(SpecError, match=rf"^mean\({figure!r}\): expected one of lse, entropy, breadth, distance$"):
        observation(torch.zeros(1, 1, 2), 2).mean(figure)
    assert FIGURES == ("lse", "entropy", "breadth", "distance")


def test_breadth_is_the_exponential_of_entropy() -> None:
    """Four keys of weight 1/4 have entropy ln 4, breadth 4."""
    seen = observation(torch.tensor([[[math.log(4), 0.0]]]), 2)
    assert seen.breadth.flatten().tolist() == pytest.approx([4.0, 1.0])
