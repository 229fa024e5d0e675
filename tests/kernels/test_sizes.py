"""Lengths, heads and dimensions of 0, 1 and odd sizes; positions before, within and beyond the keys."""

from __future__ import annotations

import pytest
import torch
from tests.cases import TABLE
from tests.comparison import check, truth

from regard.engine.attend import attend
from regard.kernels.row import Row
from regard.spec import (
    Additive,
    ALiBi,
    Causal,
    Cosine,
    Dense,
    Documents,
    General,
    KernelError,
    Padding,
    RelativeBias,
    Request,
    ScaledDot,
    SinkLogits,
    Sinks,
    Window,
    request,
)


def ask(
    row: Row,
    *,
    batch: int = 1,
    kv_heads: int = 1,
    groups: int = 1,
    queries: int = 3,
    keys: int = 5,
    dim: int = 3,
    value_dim: int = 4,
    **more: object,
) -> Request:
    source = torch.Generator().manual_seed(batch + queries)
    heads = groups * kv_heads
    shapes = ((batch, heads, queries, dim), (batch, kv_heads, keys, dim), (batch, kv_heads, keys, value_dim))
    q, k, v = (torch.randn(s, generator=source, dtype=torch.float64).requires_grad_() for s in shapes)
    if ScaledDot not in row.scores:
        more.setdefault("score", Additive(torch.linspace(-1, 1, dim, dtype=torch.float64)))
    return request(q, k, v, **more)  # type: ignore[arg-type]


ZEROS = [
    {"batch": 0},
    {"kv_heads": 0},
    {"queries": 0},
    {"keys": 0},
    {"value_dim": 0},
    {"dim": 0},
    {"queries": 0, "keys": 0},
    {"batch": 0, "keys": 0, "dim": 0},
]


@pytest.mark.parametrize("sizes", ZEROS, ids=str)
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_nothing_of_something(row: Row, sizes: dict[str, int]) -> None:
    """Zeros where there are rows to fill; gradients are there, of the right shape, and 0."""
    full = {"batch": 1, "kv_heads": 1, "queries": 3, "keys": 5} | sizes
    allowed = torch.ones(full["queries"], full["keys"], dtype=torch.bool)
    documents = Documents(torch.zeros(full["queries"], dtype=torch.int64), torch.zeros(full["keys"], dtype=torch.int64))
    padding = Padding(torch.full((full["batch"],), full["keys"]))
    for mask in (None, Causal(), Dense(allowed), documents, padding & (Window(1, 1) | Sinks(1))):
        for bias in ((), (ALiBi(torch.ones(full["kv_heads"])),)):
            asked = ask(row, **sizes, mask=mask, bias=bias)
            if "dim" not in sizes and not row.empty:
                with pytest.raises(KernelError, match="takes no length of 0"):
                    attend(asked.query, asked.key, asked.value, score=asked.score, kernel=row.name)
                continue
            output, _ = row.run(asked)
            assert output.shape == asked.output_shape
            if "keys" in sizes:
                assert not output.any()
            check(row, asked, truth(asked))
            if row.gradients:
                found = torch.autograd.grad(output.sum(), (asked.query, asked.key, asked.value))
                assert [g.shape for g in found] == [t.shape for t in (asked.query, asked.key, asked.value)]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_one_of_everything(row: Row) -> None:
    """One key has all the weight, whatever its score: the output is its value, and the score's gradient is 0."""
    asked = ask(row, queries=1, keys=1, dim=1, value_dim=1)
    output, _ = row.run(asked)
    torch.testing.assert_close(output, asked.value)
    check(row, asked, truth(asked))


@pytest.mark.parametrize("groups", [1, 2, 5])
@pytest.mark.parametrize("kv_heads", [1, 3])
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_grouped_heads_read_their_own_key_head(row: Row, kv_heads: int, groups: int) -> None:
    """Query head h reads key head h // groups: the same as one call a head."""
    asked = ask(row, batch=2, kv_heads=kv_heads, groups=groups)
    check(row, asked, truth(asked))
    output, _ = row.run(asked)
    for head in range(kv_heads * groups):
        shared = slice(head // groups, head // groups + 1)
        q, k, v = asked.query[:, head : head + 1], asked.key[:, shared], asked.value[:, shared]
        alone, _ = row.run(request(q, k, v, score=asked.score))
        torch.testing.assert_close(output[:, head : head + 1], alone)


@pytest.mark.parametrize(("dim", "value_dim"), [(1, 7), (7, 1), (2, 3), (17, 5)])
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_values_of_another_size(row: Row, dim: int, value_dim: int) -> None:
    asked = ask(row, dim=dim, value_dim=value_dim, mask=Causal())
    check(row, asked, truth(asked))


def test_general_compares_queries_and_keys_of_different_sizes() -> None:
    source = torch.Generator().manual_seed(0)
    shapes = ((2, 4, 3, 2), (2, 2, 5, 7), (2, 2, 5, 3), (2, 7))
    q, k, v, weight = (torch.randn(s, generator=source, dtype=torch.float64).requires_grad_() for s in shapes)
    asked = request(q, k, v, score=General(weight), mask=Causal())
    true = truth(asked)
    for row in TABLE:
        if General in row.scores:
            check(row, asked, true)


@pytest.mark.parametrize("start", [-50, -2, 0, 1, 4, 50])
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_positions_before_within_and_beyond_the_keys(row: Row, start: int) -> None:
    slopes = ALiBi(torch.tensor([0.5]))
    for mask in (None, Causal(), Window(2, 1), Causal() & ~Window(1, 0)):
        for bias in ((), (slopes,), (RelativeBias(torch.arange(5.0)[None]),)):
            asked = ask(row, mask=mask, bias=bias, query_start=start)
            check(row, asked, truth(asked))


@pytest.mark.parametrize(("queries", "keys"), [(3, 5), (5, 3), (5, 5), (1, 5), (5, 1)])
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_causal_with_fewer_or_more_keys_than_queries(row: Row, queries: int, keys: int) -> None:
    """By default the last query sits on the last key; from 0, the first on the first."""
    for start in (None, 0):
        asked = ask(row, queries=queries, keys=keys, mask=Causal(), query_start=start)
        check(row, asked, truth(asked))
    if keys >= queries:
        output, _ = row.run(ask(row, queries=queries, keys=keys, mask=Causal(), query_start=0))
        torch.testing.assert_close(output[:, :, 0], ask(row, queries=queries, keys=keys).value[:, :, 0])


def test_tensors_of_a_score_and_a_bias_may_have_a_wider_dtype() -> None:
    """bfloat16 inputs beside float32 parameters, as under mixed precision."""
    source = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 2, n, 4, generator=source).bfloat16().requires_grad_() for n in (3, 5, 5))
    for score in (Cosine(torch.ones(2, requires_grad=True)), Additive(torch.ones(4, requires_grad=True))):
        asked = request(q, k, v, score=score, bias=SinkLogits(torch.zeros(2, requires_grad=True)))
        true = truth(asked)
        for row in TABLE:
            if type(score) in row.scores and row.sink:
                check(row, asked, true)
