"""Boxes, their overlap, the matching and the loss of a set, and masks: by hand, and against all pairings."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from regard.nn.heads import (
    Boxes,
    FoundBoxes,
    LearnedQueries,
    Masks,
    Objects,
    SetLoss,
    generalised_iou,
    iou,
    mask_loss,
)
from regard.nn.heads.set_loss import cheapest
from regard.spec import MissingExtraError, ShapeError, SpecError

DIM, CLASSES = 6, 3


def boxes(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32)


def objects(labels: list[int], *rows: list[float]) -> Objects:
    return Objects(torch.tensor(labels, dtype=torch.int64), boxes(*rows) if rows else torch.zeros(0, 4))


@pytest.mark.parametrize(
    ("a", "b", "shared", "generalised"),
    [
        ([0, 0, 2, 2], [0, 0, 2, 2], 1.0, 1.0),
        ([0, 0, 2, 2], [1, 0, 3, 2], 2 / 6, 2 / 6),  # the hull is the union
        ([0, 0, 2, 2], [1, 1, 3, 3], 1 / 7, 1 / 7 - 2 / 9),
        ([0, 0, 1, 1], [2, 0, 3, 1], 0.0, -1 / 3),  # a third of the hull is empty
        ([0, 0, 0, 0], [0, 0, 0, 0], 0.0, 0.0),  # two points
        ([0, 2], [1, 3], 1 / 3, 1 / 3),  # spans
        ([0, 1], [3, 4], 0.0, -0.5),
    ],
)
def test_overlaps_by_hand(a: list[float], b: list[float], shared: float, generalised: float) -> None:
    one, other = torch.tensor(a, dtype=torch.float32), torch.tensor(b, dtype=torch.float32)
    for x, y in ((one, other), (other, one)):
        assert iou(x, y).item() == pytest.approx(shared)
        assert generalised_iou(x, y).item() == pytest.approx(generalised)


def test_overlaps_of_every_box_with_every_other() -> None:
    a, b = torch.rand(3, 4), torch.rand(5, 4)
    found = iou(a[:, None], b[None])
    assert found.shape == (3, 5)
    assert found[2, 4] == iou(a[2], b[4])
    apart = boxes([0.0, 0.0, 0.1, 0.1]).requires_grad_()
    generalised_iou(apart, boxes([0.5, 0.5, 0.6, 0.6])).sum().backward()
    assert (apart.grad[0, 2:] > 0).all()  # its high corner is drawn towards the other
    with pytest.raises(ShapeError, match=r"expected \(\.\.\., 2 \* axes\)"):
        iou(a, b[:, :3])


@given(seed=st.integers(0, 999), rows=st.integers(1, 5), columns=st.integers(0, 5))
def test_the_cheapest_pairing_is_the_cheapest_of_all(seed: int, rows: int, columns: int) -> None:
    columns = min(rows, columns)
    cost = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
    queries, which = cheapest(cost)
    totals = [sum(float(cost[r, c]) for c, r in enumerate(p)) for p in itertools.permutations(range(rows), columns)]
    assert sorted(which.tolist()) == list(range(columns))
    assert float(cost[queries, which].sum()) == pytest.approx(min(totals), abs=1e-5)


def test_the_head_gives_boxes_inside_and_out_of_centre_and_size() -> None:
    head = Boxes(DIM, CLASSES)
    found = head(torch.randn(2, 5, DIM))
    assert (found.logits.shape, found.boxes.shape) == ((2, 5, CLASSES + 1), (2, 5, 4))
    with torch.no_grad():
        for part in head.place.parameters():
            part.zero_()
    assert head(torch.randn(1, 1, DIM)).boxes.tolist() == [[[0.25, 0.25, 0.75, 0.75]]]  # sigmoid(0) = 1/2, four times
    spans = Boxes(DIM, CLASSES, axes=1)(torch.randn(2, 5, DIM))
    assert spans.boxes.shape == (2, 5, 2)
    assert (spans.boxes[..., 0] <= spans.boxes[..., 1]).all()
    assert Boxes(DIM, CLASSES)(torch.zeros(2, 0, DIM)).boxes.shape == (2, 0, 4)


def test_objects_are_the_sure_queries_best_first() -> None:
    logits = torch.tensor([[[0.1, 0.2, 0.7], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1]]]).log()
    found = FoundBoxes(logits, boxes([0, 0, 1, 1], [0.1, 0.1, 0.2, 0.2], [-0.1, 0, 0.5, 1.2])[None])
    there, chances = found.objects(0)
    assert there.labels.tolist() == [1, 0]
    assert chances.tolist() == pytest.approx([0.8, 0.6])
    assert there.boxes[0].tolist() == pytest.approx([0.0, 0.0, 0.5, 1.0])  # cut to the picture
    assert found.objects(0, least=0.9)[0].labels.tolist() == []


def test_the_loss_of_two_queries_by_hand() -> None:
    logits = torch.tensor([[[0.2, 0.8], [0.5, 0.5]]]).log()  # one class, and none
    found = FoundBoxes(logits, boxes([0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0])[None])
    there = objects([0], [0.0, 0.0, 0.5, 1.0])
    # query 0 costs -.2 + 5 (.5) - 2 (.5); query 1 costs -.5 + 5 (1) - 2 (IoU 1/3 of .25 and .5: .125... )
    losses = SetLoss(none=0.5).of(found, [there])
    ((queries, which),) = losses.pairs
    assert (queries.tolist(), which.tolist()) == ([0], [0])
    assert losses.classes.item() == pytest.approx((-math.log(0.2) - 0.5 * math.log(0.5)) / 1.5)
    assert losses.corners.item() == pytest.approx(0.5)
    assert losses.overlap.item() == pytest.approx(0.5)
    assert losses.total.item() == pytest.approx(losses.classes.item() + 5 * 0.5 + 2 * 0.5)
    certain = FoundBoxes(logits, found.boxes.flip(1))
    assert SetLoss().of(certain, [there]).pairs[0][0].tolist() == [1]


def test_items_of_many_and_of_no_objects() -> None:
    found = Boxes(DIM, CLASSES)(torch.randn(3, 5, DIM))
    many = objects([0, 2], [0, 0, 0.5, 0.5], [0.2, 0.2, 1, 1])
    losses = SetLoss().of(found, [many, objects([]), many])
    assert [len(queries) for queries, _ in losses.pairs] == [2, 0, 2]
    nobody = SetLoss().of(found, [objects([])] * 3)
    assert (nobody.corners.item(), nobody.overlap.item()) == (0.0, 0.0)
    assert nobody.total.isfinite()
    losses.total.backward()
    half = FoundBoxes(found.logits.bfloat16(), found.boxes.bfloat16())
    assert SetLoss().of(half, [many, objects([]), many]).total.dtype == torch.float32
    assert SetLoss().of(FoundBoxes(found.logits[:0], found.boxes[:0]), [])  # no item at all


def test_queries_learn_what_is_where() -> None:
    """Two kinds of tokens, each of which stands for one object: found after some steps."""
    queries, head = LearnedQueries(DIM, 1, queries=4, layers=1), Boxes(DIM, 2)
    there = objects([0, 1], [0.0, 0.0, 0.3, 0.3], [0.5, 0.6, 0.9, 1.0])
    x = torch.randn(1, 5, DIM)
    optimizer = torch.optim.Adam([*queries.parameters(), *head.parameters()], 0.01)
    for _ in range(150):
        losses = SetLoss().of(head(queries(x)), [there])
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
    found, _ = head(queries(x)).objects(0)
    order = found.labels.argsort()
    assert found.labels[order].tolist() == [0, 1]
    assert iou(found.boxes[order], there.boxes).min() > 0.7


def test_masks_are_dot_products_and_their_loss_by_hand() -> None:
    head = Masks(4, 3)
    queries, tokens = torch.randn(2, 5, 4), torch.randn(2, 7, 3)
    logits = head(queries, tokens)
    want = head.embed(queries)[1, 4] @ head.project(tokens)[1, 6] / 2
    assert logits[1, 4, 6].item() == pytest.approx(want.item(), rel=1e-5)
    # p = .5 on both tokens, one covered: ln 2, and 1 - (2 * .5 + 1) / (1 + 1 + 1)
    loss = mask_loss(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]))
    assert loss.item() == pytest.approx(math.log(2) + 1 / 3)
    padded = torch.tensor([[0.0, 0.0, math.nan]])
    assert mask_loss(padded, torch.tensor([[1.0, 0.0, 5.0]]), torch.tensor([2])).item() == pytest.approx(loss.item())
    assert mask_loss(torch.zeros(0, 2), torch.zeros(0, 2)).item() == 0.0
    sure = mask_loss(torch.tensor([[30.0, -30.0]]), torch.tensor([[1.0, 0.0]]))
    assert sure.item() == pytest.approx(0.0, abs=1e-6)
    assert mask_loss(logits.flatten(0, 1).bfloat16(), torch.rand(10, 7)).dtype == torch.float32
    with pytest.raises(ShapeError, match="expected two alike"):
        mask_loss(torch.zeros(1, 2), torch.zeros(1, 3))
    with pytest.raises(ShapeError, match="expected the same items"):
        head(queries, tokens[:1])


def test_spans_of_a_text_are_boxes_on_one_axis() -> None:
    logits = torch.tensor([[[0.9, 0.1], [0.9, 0.1]]]).log()
    found = FoundBoxes(logits, boxes([0.0, 0.4], [0.5, 1.0])[None])
    losses = SetLoss().of(found, [objects([0, 0], [0.6, 1.0], [0.0, 0.5])])
    ((queries, which),) = losses.pairs
    assert dict(zip(queries.tolist(), which.tolist(), strict=True)) == {0: 1, 1: 0}
    assert losses.corners.item() == pytest.approx((0.1 + 0.1) / 2)
    assert losses.overlap.item() == pytest.approx((0.2 + 0.2) / 2)  # IoU .4 / .5, and the hull is the union, twice


def test_a_mask_loss_is_of_the_queries_that_were_matched() -> None:
    x = torch.randn(2, 7, DIM)
    queries = LearnedQueries(DIM, 1, queries=3, layers=1)(x)
    losses = SetLoss().of(Boxes(DIM, 1)(queries), [objects([0], [0, 0, 1, 1]), objects([])])
    masks, shares = Masks(DIM)(queries, x), [torch.rand(1, 7), torch.zeros(0, 7)]
    chosen = torch.cat([masks[item, asked] for item, (asked, _) in enumerate(losses.pairs)])
    wanted = torch.cat([shares[item][which] for item, (_, which) in enumerate(losses.pairs)])
    assert mask_loss(chosen, wanted).item() == pytest.approx(
        mask_loss(masks[0, losses.pairs[0][0]], shares[0]).item(), rel=1e-6
    )


def test_state_round_trip_and_gradients() -> None:
    first, other = Boxes(DIM, CLASSES), Boxes(DIM, CLASSES)
    other.load_state_dict(first.state_dict())
    x = torch.randn(1, 3, DIM)
    assert torch.equal(first(x).boxes, other(x).boxes)
    found = first.double()(x.double())
    SetLoss().of(found, [objects([1], [0, 0, 1, 1])]).total.backward()
    assert all(value.grad is not None and value.grad.isfinite().all() for value in first.parameters())
    assert isinstance(first, nn.Module)


def test_what_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Boxes(DIM, CLASSES)(torch.randn(1, 1, DIM))
    with pytest.raises(SpecError, match="item 0 has 2 objects, but there are 1 queries"):
        SetLoss().of(found, [objects([0, 1], [0, 0, 1, 1], [0, 0, 1, 1])])
    with pytest.raises(ShapeError, match="objects of 2 items for a batch of 1"):
        SetLoss().of(found, [objects([])] * 2)
    with pytest.raises(SpecError, match=r"labels \[3\] of item 0: expected classes 0 to 2"):
        SetLoss().of(found, [objects([3], [0, 0, 1, 1])])
    with pytest.raises(ShapeError, match="boxes of 2 numbers, the head's have 4"):
        SetLoss().of(found, [objects([0], [0, 1])])
    with pytest.raises(SpecError, match="a cost of matching queries and objects is not finite"):
        SetLoss().of(FoundBoxes(found.logits * math.nan, found.boxes), [objects([0], [0, 0, 1, 1])])
    with pytest.raises(SpecError, match=r"SetLoss\(corners=-1\)"):
        SetLoss(corners=-1)
    with pytest.raises(SpecError, match=r"box 1 is \[1.0, 0.0, 0.5, 1.0\]: its high corner lies below its low one"):
        objects([0, 0], [0, 0, 1, 1], [1, 0, 0.5, 1])
    for wrong in (torch.zeros(2, 3), torch.zeros(1, 4), torch.zeros(2, 4).long(), torch.zeros(2, 0)):
        with pytest.raises(ShapeError, match=r"expected \(objects,\) int64 and"):
            Objects(torch.zeros(2).long(), wrong)
    monkeypatch.setattr("regard.spec.extra.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'regard\[train\]'"):
        cheapest(torch.zeros(1, 1))


def test_boxes_begin_at_their_starts_and_learn_steps_from_them() -> None:
    starts = torch.tensor([[0.25, 0.5, 0.1, 0.2], [0.75, 0.5, 0.5, 0.4]])
    head = Boxes(DIM, CLASSES, starts=starts).double()
    queries = torch.randn(3, 2, DIM, dtype=torch.float64)
    wanted = torch.tensor([[0.2, 0.4, 0.3, 0.6], [0.5, 0.3, 1.0, 0.7]]).double()  # centre -+ half of the size
    torch.testing.assert_close(head(queries).boxes, wanted.expand(3, -1, -1), rtol=1e-6, atol=1e-6)
    with torch.no_grad():
        head.place[-1].bias[0] = 1.0  # the centre across: from logit(.25) = ln(1/3) to ln(1/3) + 1
    left, _, right, _ = head(queries).boxes[0, 0].tolist()
    assert (left + right) / 2 == pytest.approx(1 / (1 + 3 / math.e))
    assert "starts" in head.state_dict()


def test_starts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match="starts="):
        Boxes(DIM, CLASSES, starts=torch.full((2, 3), 0.5))
    with pytest.raises(SpecError, match="above 0 and below 1"):
        Boxes(DIM, CLASSES, starts=torch.tensor([[0.5, 0.5, 0.0, 0.5]]))
    with pytest.raises(ShapeError, match="3 queries, but starts for 1"):
        Boxes(DIM, CLASSES, starts=torch.full((1, 4), 0.5))(torch.zeros(1, 3, DIM))
