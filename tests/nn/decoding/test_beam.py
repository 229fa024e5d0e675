"""Beam search against every output there is, and by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.nn.decoding.toys import Toy, drawn, every_output, tree

from regard.nn.decoding import Limits, Output, beam_search, greedy, penalty
from regard.nn.decoding import beam as module
from regard.spec import ShapeError, SpecError

END = 2


def same(ours: list[Output], theirs: list[Output]) -> None:
    assert [(o.ids, o.ended) for o in ours] == [(o.ids, o.ended) for o in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert one.log_probability == pytest.approx(other.log_probability, rel=1e-5, abs=1e-6)
        assert one.score == pytest.approx(other.score, rel=1e-5, abs=1e-6)


LIMITS = st.builds(
    Limits,
    longest=st.integers(1, 4),
    end=st.none() | st.integers(0, 2),
    never=st.sampled_from([(), (3,)]),
)
ALPHAS = st.sampled_from([0.0, 0.6, 1.0, 3.0])


@given(seed=st.integers(0, 999), vocab=st.just(4), limits=LIMITS, alpha=ALPHAS, spread=st.sampled_from([0.3, 1, 4]))
def test_a_beam_as_wide_as_all_outputs_finds_the_best_of_all(
    seed: int, vocab: int, limits: Limits, alpha: float, spread: float
) -> None:
    toy = drawn(seed, vocab, spread)
    truth = [every_output(toy, source, limits, alpha) for source in (0, 1)]
    width = max(len(each) for each in truth)
    most = min(5, width)
    found = beam_search(toy, [0, 1], limits, width=width, alpha=alpha, most=most)
    for ours, theirs in zip(found, truth, strict=True):
        same(ours, theirs[:most])
    everything = beam_search(toy, [0], limits, width=width, alpha=alpha, most=width)[0]
    assert len(everything) == len(truth[0])
    assert sum(math.exp(output.log_probability) for output in everything) <= 1 + 1e-5


@given(seed=st.integers(0, 999), vocab=st.integers(4, 7), limits=LIMITS, alpha=ALPHAS)
def test_a_beam_of_1_is_greedy(seed: int, vocab: int, limits: Limits, alpha: float) -> None:
    toy = drawn(seed, vocab)
    narrow = beam_search(toy, [3, 1, 4, 1], limits, width=1, alpha=alpha)
    for (beam,), alone in zip(narrow, greedy(toy, [3, 1, 4, 1], limits), strict=True):
        assert (beam.ids, beam.ended, beam.log_probability) == (alone.ids, alone.ended, alone.log_probability)


@given(seed=st.integers(0, 999), width=st.integers(1, 6), limits=LIMITS, alpha=ALPHAS)
def test_sources_do_not_hear_of_each_other(seed: int, width: int, limits: Limits, alpha: float) -> None:
    toy, sources = drawn(seed, 5), [0, 1, 2, 3, 4]
    given = {"width": width, "alpha": alpha, "most": width}
    together = beam_search(toy, sources, limits, **given)
    order = [3, 0, 4, 1, 2]
    mixed = beam_search(toy, order, limits, **given)
    assert [mixed[order.index(source)] for source in sources] == together
    assert [beam_search(toy, [source], limits, **given)[0] for source in sources] == together


@given(seed=st.integers(0, 999), width=st.integers(1, 4), alpha=ALPHAS, most=st.integers(1, 4))
def test_leaving_a_source_early_changes_nothing(seed: int, width: int, alpha: float, most: int) -> None:
    toy, limits, most = drawn(seed, 5), Limits(longest=7, end=END), min(most, width)
    early = beam_search(toy, [0, 1], limits, width=width, alpha=alpha, most=most)
    spent = toy.asked
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module._Found, "settled", lambda self, total: False)
        assert beam_search(toy, [0, 1], limits, width=width, alpha=alpha, most=most) == early
    assert spent <= toy.asked - spent


# "a" (0) is likelier at first, but what follows "b" (1) is certain
FOOLED = {
    (): [0.6, 0.4, 0.0],
    (0,): [0.35, 0.35, 0.3],
    (1,): [0.0, 0.0, 1.0],
    (0, 0): [0.0, 0.0, 1.0],
    (0, 1): [0.0, 0.0, 1.0],
}


def test_a_wider_beam_sees_what_greedy_misses() -> None:
    toy, limits = tree(FOOLED), Limits(longest=5, end=END)
    (alone,) = greedy(toy, [0], limits)
    assert (alone.ids, math.exp(alone.log_probability)) == ((0, 0), pytest.approx(0.21))
    ((best, second),) = beam_search(toy, [0], limits, width=2, alpha=0.0, most=2)
    assert (best.ids, math.exp(best.score), best.ended) == ((1,), pytest.approx(0.4), True)
    assert math.exp(second.score) == pytest.approx(0.21)


def test_the_length_penalty_prefers_longer_outputs() -> None:
    assert penalty(1, 0.6) == 1.0
    assert penalty(7, 1.0) == 2.0
    # "0" and the end: .5; "1 1 1" and the end: .4. ln .5 / (7/6) = -.594, ln .4 / (9/6) = -.611; then / (7/6)^2 and
    # (9/6)^2: -.509 and -.407
    toy = tree(
        {
            (): [0.5, 0.4, 0.1],
            (0,): [0.0, 0.0, 1.0],
            (1,): [0.0, 1.0, 0.0],
            (1, 1): [0.0, 1.0, 0.0],
            (1, 1, 1): [0.0, 0.0, 1.0],
        }
    )
    found = {
        alpha: beam_search(toy, [0], Limits(longest=9, end=END), width=3, alpha=alpha)[0][0] for alpha in (1.0, 2.0)
    }
    assert (found[1.0].ids, round(found[1.0].score, 3)) == ((0,), -0.594)
    assert (found[2.0].ids, round(found[2.0].score, 3)) == ((1, 1, 1), -0.407)


def test_what_has_ended_keeps_its_place_in_the_beam() -> None:
    toy = tree({(): [0.5, 0.1, 0.4], (0,): [0.6, 0.4, 0.0], (0, 0): [0.0, 0.0, 1.0], (0, 1): [0.0, 0.0, 1.0]})
    (found,) = beam_search(toy, [0], Limits(longest=9, end=END), width=2, alpha=0.0, most=2)
    assert [output.ids for output in found] == [(), (0, 0)]
    assert [math.exp(output.score) for output in found] == pytest.approx([0.4, 0.3])
    assert toy.asked == 3  # (), (0,), (0, 0): once one of two has ended, one goes on, not two


def test_beams_left_over_are_no_outputs() -> None:
    # one id and the end: at most 4 outputs, however wide the beam
    toy = Toy(lambda source, written: torch.tensor([0.6, 0.4]).log())
    (found,) = beam_search(toy, [0], Limits(longest=3, end=1), width=50, alpha=0.0, most=50)
    assert [output.ids for output in found] == [(), (0,), (0, 0, 0), (0, 0)]
    assert [math.exp(output.score) for output in found] == pytest.approx([0.4, 0.24, 0.216, 0.144])
    assert [output.ended for output in found] == [True, True, False, True]


def test_without_an_end_symbol_and_without_what_is_never_written() -> None:
    toy, limits = drawn(5, 3), Limits(longest=2, never=(1,))
    (found,) = beam_search(toy, [0], limits, width=9, most=9)
    assert sorted(output.ids for output in found) == [(0, 0), (0, 2), (2, 0), (2, 2)]
    assert not any(output.ended for output in found)
    assert beam_search(toy, [], limits, width=2) == []


def test_bad_arguments() -> None:
    toy, limits = drawn(5, 3), Limits(longest=2, end=END)
    with pytest.raises(SpecError, match=r"beam_search\(width=0\)"):
        beam_search(toy, [0], limits, width=0)
    with pytest.raises(SpecError, match="width=2, most=3"):
        beam_search(toy, [0], limits, width=2, most=3)
    with pytest.raises(SpecError, match="alpha=-1"):
        beam_search(toy, [0], limits, width=2, alpha=-1)
    with pytest.raises(SpecError, match="7 is no id of the model's vocabulary, 0 to 2"):
        beam_search(toy, [0], Limits(longest=2, end=7), width=2)
    broken = Toy(lambda source, written: torch.tensor([math.nan if source else 0.0, 0.0, 0.0]))
    with pytest.raises(SpecError, match="row 1 of a step has no token that could be written"):
        beam_search(broken, [0, 1], limits, width=2)
    with pytest.raises(SpecError, match="row 0 of a step has no token"):
        beam_search(toy, [0], Limits(longest=2, never=(0, 1, 2)), width=2)
    wrong = drawn(5, 3)
    wrong.step = lambda state, ids: torch.zeros(len(ids), 1, 3)  # type: ignore[method-assign]
    with pytest.raises(ShapeError, match=r"logits \(1, 1, 3\) for 1 rows"):
        beam_search(wrong, [0], limits, width=2)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"longest": 0}, "longest=0"),
        ({"longest": 3, "end": -1}, "end=-1"),
        ({"longest": 3, "never": [1]}, r"never=\[1\]"),
        ({"longest": 3, "end": 1, "never": (1,)}, "the end symbol is among those never written"),
    ],
)
def test_limits_that_make_no_sense(given: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Limits(**given)  # type: ignore[arg-type]
