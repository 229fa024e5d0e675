"""Token pruning: shares by hand, against one item at a time, bit-equal where nothing is dropped, and gradients."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from regard.nn import Encoder, Kept, Pruning, mass_received, pruned
from regard.nn.pruning import heaviest
from regard.spec import Padding, Rotary, ShapeError, SpecError

DIM, HEADS, LENGTH = 12, 2, 7
LENGTHS = [7, 0, 4, 1, 6]


def made(layers: int, **more: object) -> tuple[Encoder, Tensor, Tensor]:
    return Encoder(DIM, HEADS, layers=layers, **more), torch.randn(len(LENGTHS), LENGTH, DIM), torch.tensor(LENGTHS)


def one_by_one(encoder: Encoder, x: Tensor, pruning: Pruning) -> tuple[list[int], Tensor]:
    """(places kept, output) of one item (len, dim) alone, with plain lists in place of tensors of indices."""
    places, length = list(range(len(x))), len(x)
    for block, share in zip(encoder.blocks, pruning.shares(len(encoder.blocks)), strict=True):
        count = min(len(places), max(1, math.ceil(length * share)))
        if count < len(places):
            mass = mass_received(block.attention, block.attention_norm(x[None]), torch.tensor([len(places)]))[0]
            best = sorted(sorted(range(len(places)), key=lambda i: (-float(mass[i]), i))[:count])
            places, x = [places[i] for i in best], x[best]
        x = block(x[None])[0]
    return places, encoder.norm(x)


@pytest.mark.parametrize(
    ("keep", "layers", "shares"),
    [
        (0.5, 1, (0.5,)),
        (0.5, 2, (0.75, 0.25)),
        (0.75, 2, (0.875, 0.625)),
        (0.25, 2, (0.375, 0.125)),
        (0.5, 4, (0.875, 0.625, 0.375, 0.125)),
        (1.0, 3, (1.0, 1.0, 1.0)),
        ((1.0, 0.5, 0.5), 3, (1.0, 0.5, 0.5)),
    ],
)
def test_shares_of_layers(keep: float | tuple[float, ...], layers: int, shares: tuple[float, ...]) -> None:
    assert Pruning(keep).shares(layers) == pytest.approx(shares)


@pytest.mark.parametrize("keep", [0.01, 0.3, 0.5, 0.77, 1.0])
@pytest.mark.parametrize("layers", [1, 2, 5, 12])
def test_one_number_is_the_mean_over_the_layers(keep: float, layers: int) -> None:
    shares = Pruning(keep).shares(layers)
    assert sum(shares) / layers == pytest.approx(keep)
    assert Pruning(shares).shares(layers) == shares  # above 0, at most 1, and never rising


def test_counts_are_rounded_up_and_at_least_one() -> None:
    lengths = torch.tensor([10, 3, 1, 0, 100])
    assert Pruning((0.7, 0.29)).processed(lengths, 2).tolist() == [[7, 3, 1, 0, 70], [3, 1, 1, 0, 29]]
    assert Pruning(0.01, first=2).processed(lengths, 1).tolist() == [[2, 2, 1, 0, 2]]
    assert Pruning(1.0).processed(lengths, 1).tolist() == [lengths.tolist()]


def test_the_heaviest_in_their_order_and_of_equals_the_earlier() -> None:
    mass = torch.tensor([[0.1, 0.4, 0.2, 0.3], [0.2, 0.2, 0.2, 9.0], [0.0, 0.0, 0.0, 0.0]])
    found = heaviest(mass, torch.tensor([4, 3, 0]), torch.tensor([3, 2, 0]))
    assert found.tolist() == [[1, 2, 3], [0, 1, 4], [4, 4, 4]]
    assert heaviest(mass[:0], torch.zeros(0).long(), torch.zeros(0).long()).shape == (0, 0)
    with pytest.raises(ShapeError, match=r"counts \[2\] of lengths \[1\]"):
        heaviest(mass[:1], torch.tensor([1]), torch.tensor([2]))


@pytest.mark.parametrize("layers", [1, 3])
def test_nothing_dropped_is_the_encoder_bit_for_bit(layers: int) -> None:
    encoder, x, lengths = made(layers)
    found = pruned(encoder, x, lengths, Pruning())
    whole = encoder(x, mask=Padding(lengths))
    assert torch.equal(found.tokens, whole)
    assert torch.equal(found.everywhere(), whole)
    assert found.lengths.tolist() == LENGTHS
    assert found.places[2].tolist() == [0, 1, 2, 3, 7, 7, 7]
    weights = torch.rand(len(LENGTHS), LENGTH).masked_fill(found.places == LENGTH, 0.0)
    assert torch.equal(found.spread(weights), weights)


@pytest.mark.parametrize("pruning", [Pruning(0.5), Pruning((1.0, 0.6, 0.6)), Pruning((0.4, 0.4, 0.1))], ids=repr)
@torch.no_grad()
def test_an_item_gets_what_it_gets_alone(pruning: Pruning) -> None:
    encoder, x, lengths = made(3)
    for item, length in enumerate(LENGTHS):
        x[item, length:] = torch.nan  # whatever lies in the padding
    found = pruned(encoder, x, lengths, pruning)
    for item, length in enumerate(LENGTHS):
        count = int(found.lengths[item])
        if not length:
            assert count == 0
            continue
        places, wanted = one_by_one(encoder, x[item, :length], pruning)
        assert found.places[item, :count].tolist() == places == sorted(places)
        assert found.places[item, count:].tolist() == [LENGTH] * (found.places.shape[1] - count)
        torch.testing.assert_close(found.tokens[item, :count], wanted, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_layer_sees_as_few_tokens_as_it_is_said_to() -> None:
    encoder, x, lengths = made(4)
    sizes: list[tuple[int, ...]] = []
    for block in encoder.blocks:
        block.register_forward_pre_hook(lambda _, given: sizes.append(tuple(given[0].shape)))
    found = pruned(encoder, x, lengths, Pruning(0.5))
    counts = Pruning(0.5).processed(lengths, 4)
    assert sizes == [(len(LENGTHS), int(each.max()), DIM) for each in counts]
    assert sizes[-1][1] == 1 < LENGTH
    assert found.lengths.tolist() == counts[-1].tolist()


@torch.no_grad()
def test_dropped_tokens_are_carried_over_unchanged() -> None:
    encoder, x, lengths = made(3)
    found = pruned(encoder, x, lengths, Pruning((0.6, 0.6, 0.3)))
    whole = found.everywhere()
    assert whole.shape == x.shape
    (before, _), (middle, states) = found.dropped
    for item, length in enumerate(LENGTHS):
        last = found.places[item, : int(found.lengths[item])].tolist()
        second = [place for place in middle[item].tolist() if place < LENGTH]
        for place in range(length):
            if place in last:
                wanted = found.tokens[item, last.index(place)]
            elif place in second:
                wanted = encoder.norm(states[item, second.index(place)])
            else:
                wanted = encoder.norm(x[item, place])
            torch.testing.assert_close(whole[item, place], wanted)
        assert set(last) <= set(second) <= set(before[item].tolist())


def test_values_of_what_is_left_go_to_their_places() -> None:
    places = torch.tensor([[1, 3], [0, 4]])
    kept = Kept(torch.zeros(2, 2, 1), torch.tensor([2, 1]), places, 4, (), torch.zeros(2, 2, 1), torch.nn.Identity())
    assert kept.spread(torch.tensor([[0.25, 0.75], [1.0, 9.0]])).tolist() == [[0, 0.25, 0, 0.75], [1, 0, 0, 0]]
    assert kept.spread(torch.ones(2, 2, 3)).sum((0, 2)).tolist() == [3, 3, 0, 3]


@torch.no_grad()
def test_the_first_tokens_stay() -> None:
    encoder, x, lengths = made(2)
    free = pruned(encoder, x, lengths, Pruning((0.5, 0.2)))
    held = pruned(encoder, x, lengths, Pruning((0.5, 0.2), first=2))
    assert held.places.tolist() == [[0, 1], [7, 7], [0, 1], [0, 7], [0, 1]]
    assert not torch.equal(free.places, held.places)


@torch.no_grad()
def test_a_choice_by_a_few_queries_is_another_choice() -> None:
    encoder, x, lengths = made(1)
    exact, few = (pruned(encoder, x, lengths, Pruning(0.5, queries=count)) for count in (LENGTH, 1))
    assert torch.equal(exact.places, pruned(encoder, x, lengths, Pruning(0.5)).places)
    assert not torch.equal(exact.places, few.places)


def test_gradients_flow_through_what_was_kept() -> None:
    encoder, x, lengths = made(2)
    encoder, x = encoder.double(), x.double().requires_grad_()
    pruning = Pruning((0.6, 0.6))

    def kept(x: Tensor) -> Tensor:
        found = pruned(encoder, x, lengths, pruning)
        return found.tokens * (found.places < LENGTH)[..., None]

    assert torch.autograd.gradcheck(kept, (x,), fast_mode=True)
    found = pruned(encoder, x, lengths, pruning)
    (kept(x) * torch.randn(DIM, dtype=torch.float64)).sum().backward()
    there = found.spread(torch.ones_like(found.places)) > 0
    assert torch.equal(x.grad.abs().sum(-1) > 0, there)
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert name.endswith("attention.key.bias") or parameter.grad.abs().max() > 1e-12, name


def test_what_is_carried_over_has_a_gradient_too() -> None:
    encoder, x, lengths = made(1)
    x.requires_grad_()
    direction = torch.randn(DIM)
    (pruned(encoder, x, lengths, Pruning(0.5)).everywhere()[0] * direction).sum().backward()
    assert (x.grad[0].abs().sum(-1) > 0).all()


def test_under_autocast_the_choice_is_made_in_float32() -> None:
    encoder, x, lengths = made(2)
    plain = pruned(encoder, x, lengths, Pruning((0.6, 0.6)))
    with torch.autocast("cpu", torch.bfloat16):
        found = pruned(encoder, x, lengths, Pruning((0.6, 0.6)))
        whole = found.everywhere()
    assert torch.equal(found.places, plain.places)
    torch.testing.assert_close(whole.float(), plain.everywhere(), rtol=0.05, atol=0.05)


def test_it_trains() -> None:
    """A target that hangs on one token in seven, which the encoder has to learn to look at, or else it is dropped."""
    encoder = Encoder(DIM, HEADS, layers=1, hidden=16)
    reader = torch.nn.Linear(DIM, 1)
    optimizer = torch.optim.Adam([*encoder.parameters(), *reader.parameters()], lr=0.01)
    losses = []
    for _ in range(150):
        x = torch.randn(32, LENGTH, DIM)
        target = (torch.rand(32) < 0.5).float()
        at = torch.randint(LENGTH, (32,))
        x[torch.arange(32), at, 0] = 4.0
        x[torch.arange(32), at, 1] = target * 8 - 4
        found = pruned(encoder, x, torch.full((32,), LENGTH), Pruning(0.3))
        logits = reader(found.tokens.mean(1))[:, 0]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[:10]) / 10 > 0.6
    assert sum(losses[-20:]) / 20 < 0.25


@pytest.mark.parametrize("keep", [0, 0.0, 1.5, -0.5, math.nan, True, "half", (), (0.5, 0.0), [0.5]])
def test_a_share_that_is_none(keep: object) -> None:
    with pytest.raises(SpecError, match=r"Pruning\(keep=.*expected a share of the tokens"):
        Pruning(keep)


def test_bad_arguments() -> None:
    with pytest.raises(SpecError, match="shares cannot rise"):
        Pruning((0.5, 0.6))
    with pytest.raises(SpecError, match=r"Pruning\(first=-1\)"):
        Pruning(first=-1)
    with pytest.raises(SpecError, match=r"Pruning\(queries=0\)"):
        Pruning(queries=0)
    encoder, x, lengths = made(2)
    with pytest.raises(SpecError, match="1 shares for 2 layers"):
        pruned(encoder, x, lengths, Pruning((0.5,)))
    with pytest.raises(ShapeError, match=r"pruned: lengths\[0\] = 7, but there are 6 tokens"):
        pruned(encoder, x[:, :6], lengths, Pruning(0.5))
    with pytest.raises(ShapeError, match=r"expected \(batch, len, 12\)"):
        pruned(encoder, x[..., :3], lengths, Pruning(0.5))
    with pytest.raises(SpecError, match="rotary positions"):
        pruned(made(1, rotary=Rotary())[0], x, lengths, Pruning(0.5))
