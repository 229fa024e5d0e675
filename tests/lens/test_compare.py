import math
from dataclasses import replace

import pytest
import torch
from tests.lens.traces import layer, random, trace

from regard.lens.compare import compare
from regard.spec.errors import SpecError

FIRST = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.5, 0.25, 0.25]]  # the keys get 2, .75, .25 of 3
SECOND = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.5, 0.5]]  # 1, 1.5, .5 of 3


def test_one_head_by_hand():
    (found,) = compare(trace(layer(FIRST)), trace(layer(SECOND)))
    assert (found.layer, found.layer_b, found.head) == ("a", "a", 0)
    assert found.variation == pytest.approx((1 + 0.75 + 0.25) / 3 / 2)
    # (1, -.25, -.75) and (0, .5, -.5) are what the masses are above their mean, 1
    assert found.correlation == pytest.approx(0.25 / math.sqrt(1.625 * 0.5))
    assert found.distance == pytest.approx(0.5 / 3 - (0.5 + 1.25) / 3, abs=1e-6)
    assert found.breadth == pytest.approx((math.log(2) - math.log(2) - 1.5 * math.log(2)) / 3)


def test_nothing_changes_between_a_trace_and_itself():
    one = trace(layer(random(heads=3)), replace(layer(random(1, heads=2)), name="b"))
    found = compare(one, one)
    assert len(found) == 5
    for change in found:
        assert (change.variation, change.breadth, change.distance) == (0.0, 0.0, 0.0)
        assert change.correlation == pytest.approx(1.0)
    assert (found.only_a, found.only_b) == ((), ())


def test_the_biggest_change_comes_first_in_each_order():
    before = random(heads=4, length=20)
    after = before.clone()
    after[:, 2] = 0.5 * before[:, 2] + 0.5 * torch.eye(20)  # narrower, nearer
    after[:, 1] = 0
    after[:, 1, :, 0] = 1  # all on the first key
    found = compare(trace(layer(before)), trace(layer(after)))
    assert found.note == "Ordered by how much of the mass lies on other keys (total variation)."
    assert [change.head for change in found][:2] == [1, 2]
    assert found[0].variation > found[1].variation > 0
    by_distance = found.by("distance")
    assert [abs(change.distance) for change in by_distance] == sorted(
        (abs(change.distance) for change in found), reverse=True
    )
    assert by_distance.by("breadth")[0].head == 1
    assert by_distance.note == "Ordered by the difference of mean distances."


def test_other_inputs_can_be_compared_by_breadth_and_distance():
    found = compare(trace(layer(random(length=10))), trace(layer(random(1, length=15))))
    assert {change.variation for change in found} == {change.correlation for change in found} == {None}
    assert found.note == "Ordered by the ratio of breadths."
    with pytest.raises(SpecError, match="the traces have different keys"):
        found.by("variation")
    with pytest.raises(SpecError, match=r"by\('mass'\): expected one of 'variation', 'breadth', 'distance'"):
        found.by("mass")
    batches = compare(trace(layer(random(batch=2))), trace(layer(random())))
    assert batches[0].variation is None


def test_padding_on_either_side_does_not_matter():
    left, right = torch.zeros(1, 1, 5, 5), torch.zeros(1, 1, 5, 5)
    left[0, 0, 2:, 2:] = torch.tensor(FIRST)
    right[0, 0, :3, :3] = torch.tensor(SECOND)
    first = [[False, False, True, True, True]]
    second = [[True, True, True, False, False]]
    (found,) = compare(trace(layer(left, queries=first, keys=first)), trace(layer(right, queries=second, keys=second)))
    assert found.variation == pytest.approx(1 / 3)


def test_the_mean_over_a_batch():
    both = torch.stack((torch.tensor(FIRST), torch.tensor(FIRST)))[:, None]
    other = torch.stack((torch.tensor(FIRST), torch.tensor(SECOND)))[:, None]
    (found,) = compare(trace(layer(both)), trace(layer(other)))
    assert found.variation == pytest.approx(1 / 6)


def test_even_shares_have_no_correlation():
    even = torch.full((3, 3), 1 / 3)
    (found,) = compare(trace(layer(even)), trace(layer(FIRST)))
    assert found.correlation is None
    assert found.variation == pytest.approx(1 / 3)


def test_layers_are_matched_by_name_and_the_others_named():
    small = trace(layer(FIRST, name="0"), layer(FIRST, name="1"))
    large = trace(layer(SECOND, name="1"), layer(SECOND, name="2"), layer(SECOND, name="3"))
    found = compare(small, large)
    assert [change.layer for change in found] == ["1"]
    assert (found.only_a, found.only_b) == (("0",), ("2", "3"))
    chosen = compare(small, large, layers={"0": "1", "1": "3"})
    assert {(change.layer, change.layer_b) for change in chosen} == {("0", "1"), ("1", "3")}
    assert (chosen.only_a, chosen.only_b) == ((), ("2",))


def test_models_without_a_common_layer_are_refused_with_the_remedy():
    small = trace(layer(FIRST, name="0"), model="Small")
    large = trace(*(layer(FIRST, name=f"h.{place}") for place in range(4)), model="Large")
    with pytest.raises(SpecError, match=r"Small and Large have no layer of the same name \(0; h.0, h.1 and 2 more\)"):
        compare(small, large)
    with pytest.raises(SpecError, match=r"no layer 'x': this trace has h\.0"):
        compare(small, large, layers={"0": "x"})


def test_heads_are_matched_by_index():
    one = trace(layer(random(heads=3), heads=(0, 2, 4)))
    other = trace(layer(random(1, heads=2), heads=(2, 3)))
    assert [change.head for change in compare(one, other)] == [2]
    none = trace(layer(random(1, heads=2), heads=(1, 3)))
    with pytest.raises(SpecError, match=r"heads \[0, 2, 4\], its counterpart a for \[1, 3\]: none is in both"):
        compare(one, none)
