"""`attend` at the door: dimensions, grad modes, forced kernels, refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests import cases
from tests.cases import TABLE
from tests.comparison import hold, truth

import regard
from regard.engine.plan import reasons
from regard.spec import ActivatedDot, Additive, Causal, Dense, KernelError, Padding, ScaledDot, ShapeError, SpecError


def floats(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)), dtype=torch.float64)


def test_three_dimensions_are_one_head_and_two_one_item() -> None:
    q, k, v = floats(2, 5, 3), floats(2, 7, 3), floats(2, 7, 4)
    whole = regard.attend(q[:, None], k[:, None], v[:, None], mask=Causal())
    three = regard.attend(q, k, v, mask=Causal())
    assert three.shape == (2, 5, 4)
    assert torch.equal(three, whole[:, 0])
    two = regard.attend(q[1], k[1], v[1], mask=Causal())
    assert two.shape == (5, 4)
    torch.testing.assert_close(two, whole[1, 0])


@pytest.mark.parametrize("shapes", [((0, 3), (7, 3), (7, 4)), ((2, 5, 3), (2, 0, 3), (2, 0, 4)), ((0, 5, 3),) * 3])
def test_fewer_dimensions_with_lengths_of_0(shapes: tuple[tuple[int, ...], ...]) -> None:
    q, k, v = (floats(*shape) for shape in shapes)
    output = regard.attend(q, k, v)
    assert output.shape == (*q.shape[:-1], v.shape[-1])
    assert not output.any()


def test_gradients_flow_in_two_and_three_dimensions() -> None:
    q = floats(5, 3).requires_grad_()
    regard.attend(q, q, q).sum().backward()
    assert q.grad is not None
    assert q.grad.shape == (5, 3)


@pytest.mark.parametrize(
    "shapes", [((5, 3), (2, 5, 3), (5, 3)), ((3,), (3,), (3,)), ((5, 3), (5, 3), (1, 1, 5, 3)), ((), (), ())], ids=str
)
def test_other_dimensions_are_refused(shapes: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ShapeError, match=r"expected all three as \(batch, heads, length, dim\)"):
        regard.attend(*(floats(*shape) for shape in shapes))


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("given", [None, [[1.0]], np.ones((1, 1))], ids=["None", "list", "array"])
@pytest.mark.parametrize("verb", [regard.attend, regard.plan], ids=["attend", "plan"])
def test_what_is_no_tensor_is_named(verb: object, given: object, place: int) -> None:
    inputs: list[object] = [torch.ones(1, 1)] * 3
    inputs[place] = given
    name = "qkv"[place]
    with pytest.raises(SpecError, match=f"^{name}[a-z]* is .*expected a torch tensor"):
        verb(*inputs)  # type: ignore[operator]


def test_bool_tensors_and_float_tensors_are_masks_and_biases() -> None:
    q, k, v = floats(1, 1, 5, 3), floats(1, 1, 7, 3), floats(1, 1, 7, 4)
    allowed = torch.arange(35).view(5, 7) % 3 > 0
    by_mask = regard.attend(q, k, v, mask=allowed)
    by_bias = regard.attend(q, k, v, bias=torch.zeros(5, 7).masked_fill(~allowed, -torch.inf))
    torch.testing.assert_close(by_mask, by_bias)
    assert torch.equal(by_mask, regard.attend(q, k, v, mask=Dense(allowed)))


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("score", ["scaled", "softcap", "additive", "general a head"])
def test_without_autograd(score: str, mode: type) -> None:
    asked = cases.asked(score, "causal but not near", "tensor")
    true = truth(asked, gradients=False)
    for row in TABLE:
        with mode():
            able = not reasons(row, asked)
        assert able or row.name not in ("dense", "reference")
        if able:
            with mode():
                output = regard.attend(
                    asked.query, asked.key, asked.value, score=asked.score, mask=asked.mask, bias=asked.biases,
                    kernel=row.name,
                )  # fmt: skip
            assert not output.requires_grad
            hold(row.name, output, true.output, 1e-13)


@pytest.mark.parametrize("score", [ScaledDot(), Additive(torch.ones(3, dtype=torch.float64))], ids=repr)
def test_a_second_derivative_is_refused_in_so_many_words(score: object) -> None:
    q, k, v = (floats(1, 1, n, 3).requires_grad_() for n in (5, 7, 7))
    kernel = "streaming" if isinstance(score, ScaledDot) else "additive"
    output = regard.attend(q, k, v, score=score, kernel=kernel)  # type: ignore[arg-type]
    (first,) = torch.autograd.grad(output.square().sum(), q, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        first.sum().backward()


def test_the_dense_kernel_has_a_second_derivative() -> None:
    q, k, v = (floats(1, 1, n, 3).requires_grad_() for n in (2, 3, 3))
    assert torch.autograd.gradgradcheck(lambda *x: regard.attend(*x, kernel="dense"), (q, k, v))


def test_backward_twice_through_one_output() -> None:
    for kernel in ("exact", "streaming", "dense"):
        q, k, v = (floats(1, 1, n, 3).requires_grad_() for n in (5, 7, 7))
        output = regard.attend(q, k, v, kernel=kernel)
        first = torch.autograd.grad(output.sum(), (q, k, v), retain_graph=True)
        for again, once in zip(torch.autograd.grad(output.sum(), (q, k, v)), first, strict=True):
            assert torch.equal(again, once)


def test_a_forced_kernel_never_falls_back() -> None:
    q, k, v = (floats(1, 1, n, 3) for n in (5, 7, 7))
    for kernel, more, why in (
        ("exact", {"score": ScaledDot(softcap=2.0)}, "has no softcap or activation"),
        ("exact", {"score": Additive(torch.ones(3))}, "does not know the score Additive"),
        ("exact", {"dropout": 0.5}, "has no dropout"),
        ("streaming", {"score": Additive(torch.ones(3))}, "does not know the score Additive"),
        ("additive", {}, "does not know the score ScaledDot"),
        ("reference", {"dropout": 0.5}, "has no dropout"),
    ):
        with pytest.raises(KernelError, match=f"kernel='{kernel}' cannot do this .*{why}.*Leave kernel=None"):
            regard.attend(q, k, v, kernel=kernel, **more)
        with pytest.raises(KernelError, match=why):
            regard.plan(q, k, v, kernel=kernel, **more)


def test_an_unknown_kernel_is_answered_with_the_known_ones() -> None:
    q = floats(5, 3)
    with pytest.raises(KernelError, match="kernel='fast': expected one of exact, blocks, streaming, additive, dense"):
        regard.attend(q, q, q, kernel="fast")


def test_the_kernels_agree_with_each_other_through_attend() -> None:
    q, k, v = (floats(2, 2, n, 3) for n in (5, 7, 7))
    mask = Causal() & Padding(torch.tensor([3, 7]))
    found = [
        regard.attend(q, k, v, mask=mask, kernel=name) for name in (None, "exact", "streaming", "dense", "reference")
    ]
    for other in found[1:]:
        torch.testing.assert_close(found[0], other)


def test_one_head_after_another_calls_of_one_size_do_not_share_a_curve() -> None:
    """Same class, same sizes, another activation: the first call's kernel cannot do the second."""
    q, k, v = (floats(1, 1, n, 3) for n in (5, 7, 7))
    u = torch.ones(3, dtype=torch.float64)
    for activation in ("identity", "sigmoid", "relu", "tanh", "identity"):
        score = ActivatedDot(u, 0.5, activation)
        want = regard.attend(q, k, v, score=score, kernel="reference")
        torch.testing.assert_close(regard.attend(q, k, v, score=score), want)
