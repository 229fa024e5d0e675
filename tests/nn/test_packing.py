"""Packing: padded batches end to end and back, and that attention over packed sequences is attention over each."""

from __future__ import annotations

import doctest
import warnings

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

import regard
from regard.nn import packing
from regard.nn.packing import pack, unpack
from regard.spec import Causal, Documents, MaskError, Padding, ShapeError


def numbered(*shape: int) -> Tensor:
    return torch.arange(float(torch.Size(shape).numel())).view(shape)


def test_by_hand() -> None:
    padded = numbered(2, 3, 1)  # 0 1 2 | 3 4 5
    assert pack(padded, [2, 1]).tolist() == [[[0], [1], [3]]]
    assert unpack(pack(padded, [2, 1]), [2, 1]).tolist() == [[[0], [1]], [[3], [0]]]
    assert unpack(pack(padded, [2, 1]), [2, 1], length=3).tolist() == [[[0], [1], [0]], [[3], [0], [0]]]


@pytest.mark.parametrize("lengths", [[3, 0, 5, 1], [0, 0, 0, 0], [5, 5, 5, 5]])
@pytest.mark.parametrize("heads", [(), (2,)])
def test_there_and_back(lengths: list[int], heads: tuple[int, ...]) -> None:
    padded = numbered(4, *heads, 5, 3)
    packed = pack(padded, torch.tensor(lengths))
    assert packed.shape == (1, *heads, sum(lengths), 3)
    real = torch.arange(5) < torch.tensor(lengths)[:, None]
    kept = real.view(4, *(1 for _ in heads), 5, 1)
    assert torch.equal(unpack(packed, lengths, 5), padded * kept)


def test_no_item_at_all() -> None:
    assert pack(torch.ones(0, 2, 5, 3), []).shape == (1, 2, 0, 3)
    assert unpack(torch.ones(1, 2, 0, 3), [], 4).shape == (0, 2, 4, 3)


def test_gradients_reach_the_real_tokens_alone() -> None:
    padded = torch.ones(2, 3, 1, requires_grad=True)
    (2 * unpack(pack(padded, [2, 1]), [2, 1])).sum().backward()
    assert padded.grad is not None
    assert padded.grad[..., 0].tolist() == [[2, 2, 0], [2, 0, 0]]


def test_attention_over_packed_is_attention_over_each_padded_item() -> None:
    source = torch.Generator().manual_seed(1)
    q, k, v = (torch.randn(3, 2, 7, 4, generator=source) for _ in range(3))
    lengths = [7, 2, 4]
    want = regard.attend(q, k, v, mask=Padding(*(torch.tensor(lengths),) * 2) & Causal(), query_start=0)
    ends = [pack(t, lengths) for t in (q, k, v)]
    got = regard.attend(*ends, mask=Documents.packed(lengths) & Causal())
    torch.testing.assert_close(unpack(got, lengths), want)


def test_beside_torchs_own() -> None:
    """What the module says of pad_sequence and of nested tensors."""
    parts = [numbered(n, 2) for n in (3, 1)]
    padded = pad_sequence(parts, batch_first=True)
    assert torch.equal(pack(padded, [3, 1]), torch.cat(parts)[None])
    assert torch.equal(unpack(torch.cat(parts)[None], [3, 1]), padded)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls nested tensors a prototype
        nested = torch.nested.nested_tensor(parts, layout=torch.jagged)
        packed, lengths = nested.values()[None], nested.offsets().diff()
        assert torch.equal(packed, pack(padded, lengths))
        back = torch.nested.nested_tensor_from_jagged(packed[0], nested.offsets())
        assert all(torch.equal(a, b) for a, b in zip(back.unbind(), parts, strict=True))


def test_the_module_s_example() -> None:
    found = doctest.testmod(packing, extraglobs={"torch": torch})
    assert (found.failed, found.attempted) == (0, 1)


@pytest.mark.parametrize(
    ("given", "lengths", "words"),
    [
        (torch.ones(2, 3), [1, 1], r"pack: got a float32 tensor of shape \(2, 3\), expected"),
        ("x", [1], "pack: got 'x'"),
        (torch.ones(2, 3, 1), [1], "pack: 1 lengths for a batch of 2"),
        (torch.ones(2, 3, 1), [1, 4], r"lengths\[1\] = 4, but there are 3 tokens"),
    ],
)
def test_what_cannot_be_packed(given: Tensor, lengths: list[int], words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        pack(given, lengths)


def test_what_cannot_be_unpacked() -> None:
    with pytest.raises(ShapeError, match=r"\(1, 4, 2\) with lengths that sum to 3"):
        unpack(torch.ones(1, 4, 2), [1, 2])
    with pytest.raises(ShapeError, match=r"\(2, 3, 2\) with lengths that sum to 3: expected 1 item"):
        unpack(torch.ones(2, 3, 2), [1, 2])
    with pytest.raises(ShapeError, match=r"unpack\(length=1\): the longest item has 2 tokens"):
        unpack(torch.ones(1, 3, 2), [1, 2], length=1)
    with pytest.raises(MaskError, match=r"unpack\(lengths\)\[0\] = -1"):
        unpack(torch.ones(1, 3, 2), [-1, 4])
