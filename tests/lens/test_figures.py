import math
from dataclasses import replace

import pytest
import torch
from tests.lens.traces import causal, layer, random, trace

from regard.lens.figures import covered, figures
from regard.lens.sinks import Sink
from regard.lens.trace import Trace, Units

WEIGHTS = [
    [1.0, 0.0, 0.0, 0.0],
    [0.6, 0.4, 0.0, 0.0],
    [0.5, 0.4, 0.1, 0.0],
    [0.4, 0.0, 0.5, 0.1],
]


def sink(key, *, item=0, layers=("a",)):
    return Sink(item, key, str(key), 0.5, 0.1, 1, 1, layers)


def entropy(*weights):
    return -sum(weight * math.log(weight) for weight in weights)


def test_figures_by_hand():
    (found,) = figures(trace(layer(WEIGHTS, top=4), texts=("<s>", "a", "b", "c")))
    mean = (0 + entropy(0.6, 0.4) + entropy(0.5, 0.4, 0.1) + entropy(0.4, 0.5, 0.1)) / 4
    assert found.breadth == pytest.approx(math.exp(mean))
    assert found.distance == pytest.approx((0 + 0.6 + 1.4 + 1.7) / 4)
    assert found.first == pytest.approx(2.5 / 4)
    assert (found.busiest, found.busiest_text) == (pytest.approx(0.8 / 4), "a")
    # back 0: 1 + .4 + .1 + .1 = 1.6; back 1: .6 + .4 + .5 = 1.5; back 2: .5; back 3: .4
    assert (found.offset, found.offset_share) == (0, pytest.approx(1.6 / 4))
    assert (found.layer, found.head, found.rows) == ("a", 0, 4)


def test_a_head_that_looks_one_back():
    weights = torch.zeros(6, 6)
    weights[0, 0] = 1
    weights[1:, :-1] += 0.9 * torch.eye(5)
    weights[1:, 1:] += 0.1 * torch.eye(5)
    (found,) = figures(trace(layer(weights, top=2)))
    assert (found.offset, found.offset_share) == (1, pytest.approx(4.5 / 6))
    (ahead,) = figures(trace(layer(weights.flip(0).flip(1), top=2)))
    assert ahead.offset == -1


def test_without_top_keys_or_across_two_axes_there_is_no_offset():
    assert figures(trace(layer(WEIGHTS)))[0].offset is None
    frames = Units.numbered(4, "frame")
    cross = Trace("m", (layer(WEIGHTS, kind="cross", top=2),), (Units.numbered(4),), key_units={"a": (frames,)})
    assert (figures(cross)[0].offset, figures(cross)[0].offset_share) == (None, None)


def test_sinks_left_out_as_if_they_had_never_been_there():
    weights = random(1, heads=3, length=20)
    rest = weights.clone()
    rest[..., 0] = 0
    rest[..., 4] = 0
    rest[:, :, 1:] /= rest[:, :, 1:].sum(-1, keepdim=True)
    found = figures(trace(layer(weights, top=20)), [sink(0), sink(4)])
    truth = figures(trace(layer(rest[:, :, 1:], top=20)))  # the first query saw nothing but a sink
    away = (torch.arange(1, 20)[:, None] - torch.arange(20)).abs()
    for place, (one, true) in enumerate(zip(found, truth, strict=True)):
        assert one.breadth == pytest.approx(true.breadth, rel=1e-4)
        assert one.distance == pytest.approx(float((rest[0, place, 1:] * away).sum(-1).mean()), rel=1e-4)
        assert (one.first, one.rows) == (0.0, 19)
        # shares of mass are of the raw mass that is left, which rows hold in different amounts
        left = torch.cat((weights[0, place, :, 1:4], weights[0, place, :, 5:]), -1).sum(0)
        assert one.busiest == pytest.approx(float(left.max() / left.sum()), rel=1e-4)


def test_a_sink_logit_leaves_the_sum_of_a_row_as_it_was():
    weights = random(2, heads=2, length=15) * 0.6
    rest = weights.clone()
    rest[..., 0] = 0
    rest[:, :, 1:] *= 0.6 / rest[:, :, 1:].sum(-1, keepdim=True)
    found = figures(trace(layer(weights, top=15)), [sink(0)])
    truth = figures(trace(layer(rest[:, :, 1:], top=15)))
    assert [one.breadth for one in found] == pytest.approx([one.breadth for one in truth], rel=1e-4)


def test_a_sink_that_was_not_kept_stays_and_the_cover_says_so():
    one = layer(WEIGHTS, top=1)  # key 0 is kept in rows 0, 1 and 2: 2.1 of its 2.5
    assert covered(trace(one), [sink(0)]) == pytest.approx(2.1 / 2.5)
    assert covered(trace(layer(WEIGHTS, top=4)), [sink(0)]) == pytest.approx(1.0)
    assert covered(trace(layer(WEIGHTS)), [sink(0)]) == 0.0
    assert covered(trace(one), []) == 1.0


def test_a_sink_counts_in_its_own_layers_and_item_only():
    weights = random(4, batch=2, heads=1, length=10)
    both = trace(layer(weights, name="a", top=10), layer(weights, name="b", top=10))
    plain = figures(both)
    other = figures(both, [sink(0, layers=("b",))])
    assert other[0] == plain[0]
    assert other[1] != plain[1]
    second = figures(both, [sink(0, item=1)])[0]
    assert second.first == pytest.approx(float(weights[0, 0, :, 0].mean()) / 2, rel=1e-5)


def test_across_two_axes_a_distance_is_left_as_it_is():
    weights = torch.softmax(torch.randn(1, 1, 9, 9), -1)
    one = trace(layer(weights, kind="cross", top=9))
    (counted,), (left_out,) = figures(one), figures(one, [sink(0)])
    assert left_out.distance == pytest.approx(counted.distance)
    assert left_out.breadth != pytest.approx(counted.breadth)


def test_padding_and_empty_rows_do_not_count():
    weights = torch.zeros(1, 1, 6, 6)
    weights[0, 0, 2:, 2:] = torch.tensor(WEIGHTS)
    real = [[False, False, True, True, True, True]]
    (padded,) = figures(trace(layer(weights, queries=real, keys=real, top=4)))
    (plain,) = figures(trace(layer(WEIGHTS, top=4)))
    assert (padded.breadth, padded.distance, padded.rows) == pytest.approx((plain.breadth, plain.distance, 4))
    assert (padded.first, padded.offset_share) == pytest.approx((plain.first, plain.offset_share))
    (empty,) = figures(trace(layer(weights, top=4)))  # not marked as padding: its rows are empty
    assert (empty.breadth, empty.rows) == (pytest.approx(plain.breadth), 4)


def test_a_head_that_looks_at_nothing_else():
    weights = torch.zeros(4, 4)
    weights[:, 0] = 1
    (found,) = figures(trace(layer(weights, top=2)), [sink(0)])
    assert (found.rows, found.breadth, found.distance, found.busiest, found.offset) == (0, 1.0, 0.0, 0.0, None)


@pytest.mark.parametrize("top", [1, 4])
def test_what_padding_looks_at_does_not_count(top):
    weights = torch.zeros(1, 1, 6, 6)
    weights[0, 0, 2:, 2:] = torch.tensor(WEIGHTS)
    real = [[False, False, True, True, True, True]]
    clean = trace(layer(weights, queries=real, keys=real, top=top))
    weights[0, 0, 0, 2] = weights[0, 0, 1, 3] = 1.0  # two keys ahead, both of them
    dirty = layer(weights, queries=real, keys=real, top=top)
    dirty = trace(replace(dirty, received=clean.layers[0].received))
    assert figures(dirty) == figures(clean)
    assert covered(dirty, [sink(3)]) == covered(clean, [sink(3)])


def test_a_head_whose_rows_are_empty_has_no_favourite():
    (found,) = figures(trace(layer(torch.zeros(3, 3), top=2)))
    assert (found.offset, found.rows, found.first) == (None, 0, 0.0)


def test_a_sample_of_rows_under_a_sink_logit():
    whole = layer(random(2, heads=2, length=15) * 0.6, top=15)
    half = replace(whole, population=30, received=2 * whole.received)  # as if 15 of 30 queries had been drawn
    assert figures(trace(half), [sink(0)]) == pytest.approx(figures(trace(whole), [sink(0)]))


def test_a_batch_of_padding_only():
    nothing = layer(torch.zeros(1, 1, 2, 2), queries=[[False, False]], keys=[[False, False]], top=1)
    (found,) = figures(trace(nothing))
    assert (found.rows, found.first, found.busiest_text) == (0, 0.0, "")


def test_a_sample_stands_for_all():
    weights = causal(torch.zeros(1, 1, 8, 8))
    whole = layer(weights, top=8)
    chosen = [1, 3, 6]
    part = replace(
        whole,
        positions=torch.tensor(chosen),
        lse=whole.lse[..., chosen],
        entropy=whole.entropy[..., chosen],
        distance=whole.distance[..., chosen],
        queries_valid=whole.queries_valid[:, chosen],
        top_keys=whole.top_keys[:, :, chosen],
        top_weights=whole.top_weights[:, :, chosen],
        received=weights[:, :, chosen].sum(-2).float() * 8 / 3,
        received_error=torch.zeros(1, 1, 8),
    )
    (found,) = figures(trace(part))
    assert found.breadth == pytest.approx((2 * 4 * 7) ** (1 / 3), rel=1e-5)
    assert found.offset_share == pytest.approx((1 / 2 + 1 / 4 + 1 / 7) / 3, rel=1e-5)
    assert covered(trace(part), [sink(0)]) == pytest.approx(1.0)
