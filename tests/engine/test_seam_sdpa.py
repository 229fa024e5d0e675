"""torch's scaled_dot_product_attention, read as a request: whatever torch takes, the request gives torch's output."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.engine.reached import gathered, output
from torch import nn
from torch.nn import functional as F

from regard.engine.seams import reach
from regard.spec import Causal, Dense

Q, K = 5, 7  # query and key lengths


def floats(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


def bools(*shape: int) -> torch.Tensor:
    allowed = floats(*shape) > -0.4
    allowed[..., 0] = True  # torch gives NaN for a query that may attend to nothing
    return allowed


class Attends(nn.Module):
    """Calls torch with what it was built with."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        self.args, self.kwargs = args, kwargs

    def forward(self) -> torch.Tensor:
        return F.scaled_dot_product_attention(*self.args, **self.kwargs)


FOUR = (floats(2, 4, Q, 8), floats(2, 4, K, 8), floats(2, 4, K, 6))
GROUPED = (floats(2, 4, Q, 8), floats(2, 2, K, 8), floats(2, 2, K, 8))
THREE = (floats(2, Q, 8), floats(2, K, 8), floats(2, K, 8))
TWO = (floats(Q, 8), floats(K, 8), floats(K, 8))
FIVE = (floats(2, 3, 4, Q, 8), floats(2, 3, 4, K, 8), floats(2, 3, 4, K, 8))
SHARED_QUERY = (floats(1, 4, Q, 8), floats(2, 4, K, 8), floats(2, 4, K, 8))
SHARED_HEADS = (floats(2, 4, Q, 8), floats(2, 1, K, 8), floats(2, 1, K, 8))

CALLS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "plain": (FOUR, {}),
    "scale": (FOUR, {"scale": 0.7}),
    "causal, longer keys": (FOUR, {"is_causal": True}),
    "bool mask": (FOUR, {"attn_mask": bools(2, 4, Q, K)}),
    "bool mask of two axes": (FOUR, {"attn_mask": bools(Q, K)}),
    "padding": (FOUR, {"attn_mask": bools(2, 1, 1, K)}),
    "float mask": (FOUR, {"attn_mask": floats(2, 4, Q, K)}),
    "float mask that forbids": (FOUR, {"attn_mask": torch.where(bools(2, 1, Q, K), 0.0, -torch.inf).double()}),
    "mask by position": ((*FOUR, bools(Q, K), 0.0), {}),
    "causal by position": ((*FOUR, None, 0.0, True), {}),
    "grouped": (GROUPED, {"enable_gqa": True}),
    "no heads": (THREE, {}),
    "no heads, mask": (THREE, {"attn_mask": bools(2, Q, K)}),
    "no heads, mask of two axes": (THREE, {"attn_mask": bools(Q, K)}),
    "no batch": (TWO, {"is_causal": True}),
    "two leading axes": (FIVE, {}),
    "two leading axes, mask": (FIVE, {"attn_mask": bools(2, 3, 4, Q, K)}),
    "two leading axes, mask that repeats": (FIVE, {"attn_mask": bools(3, 1, Q, K)}),
    "one query for all items": (SHARED_QUERY, {}),
    "one key head for all": (SHARED_HEADS, {}),
}


@pytest.mark.parametrize("call", CALLS)
def test_the_request_gives_what_torch_gives(call: str) -> None:
    args, kwargs = CALLS[call]
    (reached,), unseen, out = gathered(Attends(*args, **kwargs))
    assert not unseen
    assert reached.explains(out) is None  # nothing to say here
    torch.testing.assert_close(output(reached).reshape(out.shape), out)


def test_torchs_causal_is_aligned_top_left() -> None:
    (reached,), _, _ = gathered(Attends(*FOUR, is_causal=True))
    assert reached.request.mask == Causal()
    assert reached.request.place.query_start == 0


def test_a_bool_mask_is_kept_as_a_mask_and_dropout_as_dropout() -> None:
    torch.manual_seed(1)
    module = Attends(*FOUR, attn_mask=CALLS["bool mask"][1]["attn_mask"])
    (reached,), _, _ = gathered(module)
    assert isinstance(reached.request.mask, Dense)
    (dropped,), _, _ = gathered(Seeded(*FOUR, dropout_p=0.25))
    assert dropped.request.dropout == 0.25


class Seeded(Attends):
    def forward(self) -> torch.Tensor:
        torch.manual_seed(2)
        return super().forward()


def test_what_cannot_be_read_is_listed_and_runs_as_ever() -> None:
    rows = [torch.randn(3, 4, 8), torch.randn(5, 4, 8)]
    jagged = torch.nested.nested_tensor(rows, layout=torch.jagged).transpose(1, 2)
    calls: list[Any] = []
    module = Attends(jagged, jagged, jagged)
    with reach(module, calls.append) as reaching:
        out = module()
    assert out.is_nested
    assert not calls
    assert reaching.unseen == {
        "Attends": "its call could not be read: a nested tensor: expected (batch, heads, length, dim)"
    }


def test_torchs_own_error_comes_through() -> None:
    with pytest.raises(RuntimeError, match=r"must match|expand|size"):
        gathered(Attends(FOUR[0], FOUR[1][:, :3], FOUR[2]))
