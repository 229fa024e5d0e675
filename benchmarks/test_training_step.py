"""The libraries make one step of one transformer; a wrong mask, a wrong weight or a gradient left out is found."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from benchmarks import encoders, harness, training_step
from benchmarks.encoders import OURS, TORCH
from benchmarks.training_step import SMALL, STEPS, Training, case

pytestmark = pytest.mark.filterwarnings("ignore:(?s).*softmax over axis")  # Keras, of a sequence of one token


def test_every_library_that_is_here_passes_the_gate() -> None:
    made = case(SMALL, 2)
    assert {OURS, TORCH} <= set(made.peers)
    assert max(harness.gate(made).values()) < training_step.TOLERANCE


def test_no_batch_comes_twice_and_the_weights_stay() -> None:
    made = case(SMALL, 3)
    peer = made.peers[OURS]
    assert isinstance(peer, Training)
    before = [p.detach().clone() for p in peer.encoder.parameters]
    outputs = [peer()[0] for _ in range(3)]
    assert peer.made == 3 * STEPS == len({tuple(lengths.tolist()) for _, _, lengths in peer.batches})
    assert len({float(output.sum()) for output in outputs}) == 3
    assert all(torch.equal(one, other) for one, other in zip(before, peer.encoder.parameters, strict=True))


@pytest.mark.parametrize("fault", ["padding", "weights", "gradient"])
def test_a_wrong_library_is_not_timed(fault: str) -> None:
    made = case(SMALL, 2)
    peer = made.peers[OURS]
    assert isinstance(peer, Training)
    right = peer.encoder
    if fault == "padding":
        longest = torch.full((SMALL.batch,), SMALL.most)
        wrong = replace(right, forward=lambda x, lengths: right.forward(x, longest.clamp_max(x.shape[1])))
    elif fault == "weights":
        right.parameters[0].data.mul_(1.01)
        wrong = right
    else:
        wrong = replace(right, gradients=lambda: tuple(2 * each for each in right.gradients()))
    peer.encoder = wrong
    with pytest.raises(harness.GateError, match=OURS):
        harness.gate(made)


def test_dropout_is_off_at_the_gate_and_on_after_it() -> None:
    made = case(replace(SMALL, size=encoders.Size(dim=16, heads=2, dropout=0.3)), 2)
    harness.gate(made)
    for name in (OURS, TORCH):
        peer = made.peers[name]
        assert isinstance(peer, Training)
        x, _, lengths = peer.batches[-1]
        peer()
        first, second = (peer.encoder.forward(x, lengths) for _ in range(2))
        assert not torch.equal(first, second)
