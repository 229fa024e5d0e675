"""The one matrix product, by oneDNN where torch offers it, else by torch's BLAS: right for every shape and dtype."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from regard.kernels import products
from regard.kernels.products import product
from regard.spec.request import DTYPES


def pair(rows: int, cols: int, dim: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    source = torch.Generator().manual_seed(1)
    left, right = (torch.randn(n, dim, generator=source, dtype=torch.float64).to(dtype) for n in (rows, cols))
    return left, right


@pytest.fixture
def _asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_ONEDNN", [])


def test_two_by_three() -> None:
    left, right = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    assert product(left, right).tolist() == [[1.0, 2.0, 3.0], [3.0, 4.0, 7.0]]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("sizes", [(1, 1, 1), (7, 13, 5), (131, 257, 65), (0, 3, 2), (3, 0, 2), (3, 2, 0)])
def test_every_size_and_dtype(sizes: tuple[int, int, int], dtype: torch.dtype) -> None:
    left, right = pair(*sizes, dtype)
    made = product(left, right)
    assert made.dtype == dtype
    assert made.shape == sizes[:2]
    want = left.double() @ right.double().mT
    torch.testing.assert_close(made.double(), want, rtol=0, atol=16 * torch.finfo(dtype).eps * (1 + sizes[2]))


def test_what_does_not_lie_in_one_piece() -> None:
    left, right = pair(14, 22, 6)
    made = product(left[::2, ::2], right.mT.contiguous().mT[::2, 1::2])
    torch.testing.assert_close(made, left[::2, ::2] @ right[::2, 1::2].mT)


def test_the_result_may_be_written_over() -> None:
    left, right = pair(3, 4, 5)
    before = left.clone(), right.clone()
    product(left, right).fill_(9.0)
    assert torch.equal(left, before[0])
    assert torch.equal(right, before[1])


@pytest.mark.usefixtures("_asked_anew")
class TestWithoutOnednn:
    def hold(self) -> None:
        left, right = pair(7, 13, 5)
        assert not products._onednn_works()
        assert torch.equal(product(left, right), left @ right.mT)

    def test_not_built_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
        self.hold()

    def test_no_such_operation(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.ops, "mkldnn", object())
        self.hold()

    @pytest.mark.parametrize("error", [RuntimeError, TypeError])
    def test_other_arguments(self, error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> Tensor:
            raise error("expected at most 5 arguments")

        monkeypatch.setattr(products, "_onednn", refuse)
        self.hold()

    def test_other_results(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(products, "_onednn", lambda left, right: left @ right.mT + 1)
        self.hold()

    def test_it_is_asked_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[int] = []
        monkeypatch.setattr(products, "_onednn_works", lambda: bool(asked.append(1)))
        for _ in range(3):
            product(*pair(2, 2, 2))
        assert asked == [1]
