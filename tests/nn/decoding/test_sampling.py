"""Greedy, sampling and streaming over models whose probabilities are known."""

from __future__ import annotations

import math
from itertools import islice

import pytest
import torch
from tests.nn.decoding.toys import Toy, drawn

from regard.nn.decoding import Limits, Sampling, greedy, sample, stream
from regard.spec import ShapeError, SpecError

LOGS = torch.tensor([[0.1, 0.4, 0.05, 0.25, 0.2]]).log()


def seeded(number: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def kept(sampling: Sampling) -> dict[int, float]:
    chances, ids = sampling.ranked(LOGS)
    pairs = zip(ids[0].tolist(), chances[0].tolist(), strict=True)
    return {token: round(chance, 4) for token, chance in pairs if chance > 0}


def test_what_is_left_to_draw_from() -> None:
    assert kept(Sampling()) == {1: 0.4, 3: 0.25, 4: 0.2, 0: 0.1, 2: 0.05}
    assert kept(Sampling(top_k=2)) == {1: 0.6154, 3: 0.3846}  # .4 and .25 of .65
    assert kept(Sampling(top_k=99)) == kept(Sampling())
    assert kept(Sampling(top_p=0.39)) == {1: 1.0}
    assert kept(Sampling(top_p=0.41)) == {1: 0.6154, 3: 0.3846}
    assert kept(Sampling(top_p=1.0)) == kept(Sampling())
    assert kept(Sampling(top_k=2, top_p=0.61)) == {1: 1.0}  # it is .6154 of what top_k left
    assert kept(Sampling(temperature=0.5)) == {1: 0.5818, 3: 0.2273, 4: 0.1455, 0: 0.0364, 2: 0.0091}  # squares


def test_draws_come_as_often_as_their_probability_says() -> None:
    ids = Sampling().draw(LOGS.expand(20000, -1), seeded())
    shares = torch.bincount(ids, minlength=5) / 20000
    # four standard errors of a share of .4 are .014
    torch.testing.assert_close(shares, LOGS[0].exp(), rtol=0, atol=0.014)


def test_a_sample_is_the_same_under_the_same_seed_and_scored_by_the_model() -> None:
    toy, limits, sampling = drawn(1, 5), Limits(longest=6, end=4), Sampling(temperature=2.0, top_k=4)
    first = sample(toy, [0, 1], limits, sampling, generator=seeded(), each=3)
    assert first == sample(toy, [0, 1], limits, sampling, generator=seeded(), each=3)
    assert first != sample(toy, [0, 1], limits, sampling, generator=seeded(4), each=3)
    assert [len(outputs) for outputs in first] == [3, 3]
    for source, outputs in enumerate(first):
        for output in outputs:
            steps = [*output.ids, 4] if output.ended else list(output.ids)
            logs = [toy.chances(source, tuple(steps[:i])).log_softmax(-1)[token] for i, token in enumerate(steps)]
            assert output.log_probability == pytest.approx(float(sum(logs)), rel=1e-5)
            assert output.ended or len(steps) == 6
            assert 4 not in output.ids


def test_sampling_with_one_to_choose_from_is_greedy() -> None:
    toy, limits = drawn(2, 5), Limits(longest=9, end=4, never=(0,))
    alone = greedy(toy, [0, 1, 2], limits)
    assert [outputs[0] for outputs in sample(toy, [0, 1, 2], limits, Sampling(top_k=1))] == alone
    assert [list(stream(toy, [source], limits, Sampling(top_k=1))) for source in (0, 1, 2)] == [
        list(output.ids) for output in alone
    ]
    assert {output.ended for output in alone} <= {True, False}


def test_greedy_by_hand_and_rows_that_end_are_computed_no_more() -> None:
    # source n writes n times 0, then the end
    toy = Toy(lambda source, written: torch.tensor([0.0, 1.0] if len(written) >= source else [1.0, 0.0]).log())
    found = greedy(toy, [3, 0, 1], Limits(longest=5, end=1))
    assert [output.ids for output in found] == [(0, 0, 0), (), (0,)]
    assert all(output.ended and output.log_probability == 0.0 for output in found)
    assert toy.asked == 4 + 1 + 2
    (cut,) = greedy(toy, [3], Limits(longest=2, end=1))
    assert (cut.ids, cut.ended) == ((0, 0), False)
    assert greedy(toy, [], Limits(longest=2, end=1)) == []


def test_streaming_gives_what_sampling_gives() -> None:
    toy, limits = drawn(7, 6), Limits(longest=12, end=5)
    told = list(stream(toy, [0], limits, Sampling(), generator=seeded()))
    ((whole,),) = sample(toy, [0], limits, Sampling(), generator=seeded())
    assert tuple(told) == whole.ids
    endless = stream(toy, [0], Limits(longest=10**9), Sampling(), generator=seeded())
    assert len(list(islice(endless, 40))) == 40


def test_bad_arguments() -> None:
    for given, message in (
        ({"temperature": 0.0}, "`greedy` is for 0"),
        ({"temperature": math.nan}, "temperature=nan"),
        ({"top_k": 0}, "top_k=0"),
        ({"top_p": 0.0}, "top_p=0.0"),
        ({"top_p": 1.5}, "top_p=1.5"),
    ):
        with pytest.raises(SpecError, match=message):
            Sampling(**given)
    with pytest.raises(ShapeError, match="was given 2 sources"):
        next(stream(drawn(1, 3), [0, 1], Limits(longest=2), Sampling()))
    with pytest.raises(SpecError, match="each=0"):
        sample(drawn(1, 3), [0], Limits(longest=2), Sampling(), each=0)
