"""LowBits: the levels, the bits and the bytes, and what is refused."""

from __future__ import annotations

import pytest
import torch

from regard.kernels import policies
from regard.kernels.policies.rounding import rounded_keys, rounded_values
from regard.spec import Budget, Causal, Cosine, KernelError, LowBits, Request, request


def asked(keys: int, dim: int = 2, queries: int = 1, **more: object) -> Request:
    source = torch.Generator().manual_seed(4)
    query, key = torch.randn(1, 1, queries, dim, generator=source), torch.randn(1, 1, keys, dim, generator=source)
    return request(query, key, torch.randn(1, 1, keys, dim, generator=source), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bits", "rounded"), [(1, [0.0, 0.0, 0.0, 6.0]), (2, [0.0, 2.0, 2.0, 6.0]), (3, [0.0, 6 / 7, 18 / 7, 6.0])]
)
def test_a_channel_of_keys_is_rounded_to_levels_between_its_ends(bits: int, rounded: list[float]) -> None:
    key = torch.tensor([0.0, 1.1, 2.9, 6.0])[:, None]
    everything = torch.ones(4, dtype=torch.bool)
    torch.testing.assert_close(rounded_keys(key, bits, 4, everything)[:, 0], torch.tensor(rounded))


def test_keys_are_rounded_in_blocks_of_neighbours_and_a_constant_block_is_exact() -> None:
    key = torch.tensor([0.0, 1.0, 4.0, 7.0, 7.0])[:, None]
    made = rounded_keys(key, 1, 2, torch.ones(5, dtype=torch.bool))
    assert made[:, 0].tolist() == [0.0, 1.0, 4.0, 7.0, 7.0]
    assert rounded_keys(key, 1, 3, torch.ones(5, dtype=torch.bool))[:, 0].tolist() == [0.0, 0.0, 4.0, 7.0, 7.0]


def test_only_members_make_the_levels_of_a_block() -> None:
    key = torch.tensor([torch.nan, 1.0, 2.0, 5.0])[:, None]
    made = rounded_keys(key, 1, 4, torch.tensor([False, True, True, True]))
    assert made[1:, 0].tolist() == [1.0, 1.0, 5.0]


def test_values_are_rounded_token_by_token() -> None:
    value = torch.tensor([[0.0, 1.0, 10.0], [3.0, 4.0, 5.0]])
    assert rounded_values(value, 1, 3).tolist() == [[0.0, 0.0, 10.0], [3.0, 3.0, 5.0]]  # 4 is half way: to the even 0
    assert rounded_values(value, 1, 2).tolist() == value.tolist()


def test_the_bits_are_what_the_budget_leaves_and_the_latest_get_one_more() -> None:
    """Eight keys of 8 bytes. Two blocks of two channels and eight tokens with a step and an offset each: 4 * (4 + 8) =
    48. Of 57.6 bytes 9.6 are left, 76.8 bits for 32 numbers: 2 bits, and 3 tokens of 4 numbers get 3 bits."""
    call = asked(8)
    found = policies.spend(call, Budget(fraction=0.9, policy=LowBits(group=4, latest=0)))
    assert found.bytes.item() == 48 + (16 + 3) * 4 / 8
    everything = torch.ones(8, dtype=torch.bool)
    key = torch.cat(
        (rounded_keys(call.key, 2, 4, everything)[:, :, :5], rounded_keys(call.key, 3, 4, everything)[:, :, 5:]), 2
    )
    value = torch.cat((rounded_values(call.value, 2, 4)[:, :, :5], rounded_values(call.value, 3, 4)[:, :, 5:]), 2)
    expected = torch.nn.functional.scaled_dot_product_attention(call.query, key, value)
    torch.testing.assert_close(found.output, expected)


def test_the_latest_keys_are_exact_with_the_block_they_begin_in() -> None:
    """Ten keys: the latest two are 8 and 9, of the block that is not full. One more, 7, makes its block exact."""
    for latest, exact in ((2, 2), (3, 6)):
        found = policies.spend(asked(10), Budget(fraction=0.95, policy=LowBits(group=4, latest=latest)))
        rounded = 10 - exact
        fixed = exact * 8 + 4 * (rounded // 4 * 2 + rounded)
        assert fixed + rounded * 4 / 8 <= found.bytes.item() <= 0.95 * 80
        assert (found.bytes.item() - fixed) * 2 % 1 == 0  # whole tokens of 4 bits more


def test_more_bits_come_nearer() -> None:
    call = asked(256, 16, 3)
    exact = policies.spend(call, Budget(fraction=1.0, policy=LowBits())).output
    errors = [
        float((policies.spend(call, Budget(fraction=f, policy=LowBits(latest=0))).output - exact).norm())
        for f in (0.2, 0.3, 0.45, 0.8)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.01 * errors[0]


def test_keys_are_rounded_before_the_score_prepares_them() -> None:
    call = asked(8, score=Cosine(2.0))
    found = policies.spend(call, Budget(fraction=0.9, policy=LowBits(group=4, latest=0)))
    everything = torch.ones(8, dtype=torch.bool)
    key = torch.cat(
        (rounded_keys(call.key, 2, 4, everything)[:, :, :5], rounded_keys(call.key, 3, 4, everything)[:, :, 5:]), 2
    )
    value = torch.cat((rounded_values(call.value, 2, 4)[:, :, :5], rounded_values(call.value, 3, 4)[:, :, 5:]), 2)
    weights = torch.softmax(2 * torch.cosine_similarity(call.query, key, dim=-1), -1)
    torch.testing.assert_close(found.output[0, 0, 0], (weights @ value)[0, 0, 0])


@pytest.mark.parametrize("budget", [Budget(fraction=0.3, policy=LowBits(4, 0)), Budget(keys=2, policy=LowBits(4, 8))])
def test_less_than_one_bit_is_refused(budget: Budget) -> None:
    with pytest.raises(
        KernelError, match=r"LowBits: query 0 sees 8 keys and may read 0.\d+ of their bytes.*larger budget"
    ):
        policies.spend(asked(8), budget)


def test_the_query_that_cannot_is_named() -> None:
    """Of eight queries the one that sees two keys has a block that is not full, all exact, and may read half."""
    with pytest.raises(KernelError, match=r"query 0 sees 1 keys .*its 1 exact keys, .* take 1:"):
        policies.spend(asked(8, queries=8, mask=Causal()), Budget(fraction=0.99, policy=LowBits(4, 0)))


def test_many_numbers_of_bits_in_one_call() -> None:
    """Queries that see 40 to 400 keys have from 5 to 10 bits; each gives what it gives alone."""
    call = asked(400, 8, 360, mask=Causal())
    budget = Budget(fraction=0.95, policy=LowBits(8, 8))
    found = policies.spend(call, budget)
    for row in (0, 100, 359):
        seen = 41 + row
        one = request(call.query[:, :, row : row + 1], call.key[:, :, :seen], call.value[:, :, :seen])
        alone = policies.spend(one, budget)
        torch.testing.assert_close(found.output[:, :, row], alone.output[:, :, 0])
        assert found.bytes[0, 0, row] == alone.bytes[0, 0, 0]
