"""The reference against numbers worked out by hand, and against plain loops over single numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tests import cases
from tests.by_hand import hold_steps

from regard.kernels import reference
from regard.spec import ActivatedDot, Cosine, Dot, Prefix, ScaledDot, SinkLogits, request


@pytest.mark.parametrize("bias", ["no bias", "all at once"])
@pytest.mark.parametrize("score", cases.scores(torch.float64))
def test_every_step_in_plain_loops(score: str, bias: str) -> None:
    hold_steps(cases.asked(score, "not documents, or padded causal", bias))


def test_one_query_two_keys() -> None:
    """Scores ln 3 and 0: weights 3/4 and 1/4; output 3/4 * 8 + 1/4 * 4 = 7; lse ln 4."""
    q, k, v = torch.tensor([[[[1.0]]]]), torch.tensor([[[[math.log(3)], [0.0]]]]), torch.tensor([[[[8.0], [4.0]]]])
    found = reference.steps(request(q.double(), k.double(), v.double(), score=Dot()))
    np.testing.assert_allclose(found.weights, [[[[0.75, 0.25]]]], rtol=1e-7)
    np.testing.assert_allclose(found.output, [[[[7.0]]]], rtol=1e-7)
    np.testing.assert_allclose(found.lse, [[[math.log(4)]]], rtol=1e-7)
    np.testing.assert_allclose(found.entropy, [[[0.75 * math.log(4 / 3) + 0.25 * math.log(4)]]], rtol=1e-7)
    np.testing.assert_allclose(found.received, [[[0.75, 0.25]]], rtol=1e-7)


def test_a_sink_takes_its_share_and_carries_no_value() -> None:
    """Scores ln 3 and 0 beside a sink logit ln 4: weights 3/8 and 1/8; the other half looks at nothing."""
    q, k = torch.tensor([[[[1.0]]]], dtype=torch.float64), torch.tensor([[[[math.log(3)], [0.0]]]]).double()
    sink = SinkLogits(torch.tensor([math.log(4)]))
    found = reference.steps(request(q, k, torch.ones_like(k), score=Dot(), bias=sink))
    np.testing.assert_allclose(found.weights, [[[[0.375, 0.125]]]], rtol=1e-7)
    np.testing.assert_allclose(found.output, [[[[0.5]]]], rtol=1e-7)
    np.testing.assert_allclose(found.lse, [[[math.log(8)]]], rtol=1e-7)


def test_the_softcap_comes_before_the_mask() -> None:
    """After it, a forbidden key would score -cap instead of -inf, and keep a weight."""
    q, k = torch.ones(1, 1, 1, 1).double(), torch.tensor([[[[0.0], [9.0]]]]).double()
    found = reference.steps(request(q, k, k, score=ScaledDot(1.0, softcap=1.0), mask=Prefix(1)))
    assert found.weights.tolist() == [[[[1.0, 0.0]]]]


def test_an_empty_row_is_all_zero() -> None:
    asked = cases.asked("scaled", "nothing", "sink")
    found = reference.steps(asked)
    assert not found.output.any()
    assert not found.weights.any()
    assert not found.entropy.any()
    assert not found.received.any()
    assert np.isneginf(found.lse).all()


def test_a_zero_vector_has_cosine_0_with_everything() -> None:
    q, k = torch.zeros(1, 1, 1, 3), torch.ones(1, 1, 4, 3)
    assert reference.steps(request(q, k, k, score=Cosine(5.0))).scores.tolist() == [[[[0.0] * 4]]]


def test_run_gives_tensors_of_the_calls_dtype() -> None:
    asked = cases.asked("scaled", dtype=torch.bfloat16)
    output, lse = reference.run(asked)
    assert (output.dtype, lse.dtype) == (torch.bfloat16, torch.float64)
    assert not output.requires_grad


def test_scores_of_ten_thousand_neither_overflow_nor_warn() -> None:
    q, k = torch.full((1, 1, 2, 1), 100.0), torch.tensor([[[[100.0], [-100.0]]]])
    for score in (Dot(), ActivatedDot(torch.zeros(1)), ScaledDot(softcap=50.0)):
        found = reference.steps(request(q, k, k, score=score))
        assert np.isfinite(found.output).all()
    np.testing.assert_allclose(reference.steps(request(q, k, k, score=Dot())).output, 100.0)
