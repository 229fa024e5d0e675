"""TokenClasses, its loss, and NextToken with a table of its own and a tied one."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from regard.nn import TokenEmbedding
from regard.nn.heads import NextToken, TokenClasses, token_loss
from regard.spec import ShapeError, SpecError

BATCH, LENGTH, DIM, CLASSES = 3, 7, 5, 11


def test_each_token_is_scored_by_itself() -> None:
    head, x = TokenClasses(DIM, CLASSES), torch.randn(BATCH, LENGTH, DIM)
    logits = head(x)
    assert logits.shape == (BATCH, LENGTH, CLASSES)
    torch.testing.assert_close(head(x[1:2, 3:4])[0, 0], logits[1, 3])
    assert head(x[:, :0]).shape == (BATCH, 0, CLASSES)
    assert head.bfloat16()(x.bfloat16()).dtype == torch.bfloat16
    with pytest.raises(ShapeError, match=r"TokenClasses: .*expected \(batch, len, 5\)"):
        head(x[..., :4])


def test_the_loss_is_the_mean_over_real_tokens() -> None:
    logits = torch.tensor([[[0.25, 0.75], [0.5, 0.5], [0.9, 0.1]]]).log().requires_grad_()
    targets = torch.tensor([[1, 0, 99]])
    loss = token_loss(logits, targets, torch.tensor([2]))
    assert loss.item() == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)
    holes = token_loss(logits, torch.tensor([[1, -5, 0]]), torch.tensor([[True, False, True]]))
    assert holes.item() == pytest.approx((math.log(4 / 3) + math.log(10 / 9)) / 2)
    assert token_loss(logits, torch.tensor([[1, 0, 0]]), smoothing=0.5).item() == pytest.approx(
        sum(-math.log(p) * 0.75 - math.log(q) * 0.25 for p, q in ((0.75, 0.25), (0.5, 0.5), (0.9, 0.1))) / 3, rel=1e-5
    )
    (grad,) = torch.autograd.grad(loss, logits)
    assert not grad[0, 2].any()
    assert grad[0, :2].abs().sum() > 0


def test_no_real_token_is_a_loss_of_0_and_half_types_are_widened() -> None:
    logits, targets = torch.randn(BATCH, LENGTH, CLASSES, requires_grad=True), torch.zeros(BATCH, LENGTH).long()
    loss = token_loss(logits, targets, torch.zeros(BATCH).long())
    loss.backward()
    assert loss.item() == 0.0
    assert logits.grad is not None
    assert not logits.grad.any()
    assert token_loss(logits.bfloat16(), targets).dtype == torch.float32


def test_targets_that_do_not_fit() -> None:
    logits, targets = torch.zeros(BATCH, LENGTH, CLASSES), torch.zeros(BATCH, LENGTH).long()
    with pytest.raises(SpecError, match="targets run from 0 to 11, but there are classes 0 to 10"):
        token_loss(logits, targets.index_fill(1, torch.tensor(2), 11))
    with pytest.raises(SpecError, match="targets run from -100 to 0"):
        token_loss(logits, targets.index_fill(1, torch.tensor(2), -100))
    for wrong in (targets[:, 1:], targets.float(), targets[..., None]):
        with pytest.raises(ShapeError, match="token_loss: logits"):
            token_loss(logits, wrong)


def test_the_next_token_by_hand() -> None:
    embedding = TokenEmbedding(3, 2)
    with torch.no_grad():
        embedding.table.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
    head = NextToken(2, 3, tied=embedding)
    with torch.no_grad():
        head.offset.copy_(torch.tensor([0.0, 0.0, -0.5]))
    assert head(torch.tensor([[[2.0, 3.0]]])).tolist() == [[[2.0, 3.0, 4.5]]]


def test_a_tied_table_is_trained_saved_and_copied_once() -> None:
    embedding = TokenEmbedding(CLASSES, DIM)
    model = torch.nn.ModuleDict({"embedding": embedding, "head": NextToken(DIM, CLASSES, tied=embedding)})
    assert sorted(model.state_dict()) == ["embedding.table", "head.offset"]
    assert len(list(model.parameters())) == 2
    ids = torch.tensor([[1, 4]])
    token_loss(model["head"](model["embedding"](ids)), ids).backward()
    assert (embedding.table.grad.abs().sum(-1) > 0).all()  # the output reaches every row
    twin = copy.deepcopy(model)
    with torch.no_grad():
        twin["embedding"].table.zero_()
    assert not twin["head"](torch.randn(1, 2, DIM)).any()  # a copy is tied to its own copy
    assert model["head"](torch.randn(1, 2, DIM)).any()
    model = model.double()
    assert model["head"](model["embedding"](ids)).dtype == torch.float64
    other = NextToken(DIM, CLASSES)
    assert sorted(other.state_dict()) == ["offset", "table"]


def test_sizes_of_the_next_token() -> None:
    with pytest.raises(ShapeError, match=r"the embedding's table is \(11, 5\), expected \(11, 4\)"):
        NextToken(4, CLASSES, tied=TokenEmbedding(CLASSES, DIM))
    with pytest.raises(ShapeError, match=r"NextToken: .*expected \(batch, len, 5\)"):
        NextToken(DIM, CLASSES)(torch.zeros(BATCH, LENGTH, 4))
    with pytest.raises(SpecError, match="vocab=0"):
        NextToken(DIM, 0)
    assert NextToken(DIM, CLASSES)(torch.zeros(BATCH, 0, DIM)).shape == (BATCH, 0, CLASSES)
