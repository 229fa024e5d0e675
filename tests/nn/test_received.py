"""Mass received, before an attention runs: by hand, against `observe`, and that padding has no part in it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from regard import observe
from regard.engine.attend import WATCHER
from regard.nn import MultiHeadAttention, mass_received, received
from regard.spec import Additive, Cosine, Dot, General, Padding, RelativeBias, Rotary, ScaledDot, ShapeError, SpecError

LENGTHS = [7, 4, 1, 0]


def of_numbers() -> MultiHeadAttention:
    """Attention over plain numbers: the score of tokens a and b is a * b."""
    layer = MultiHeadAttention(1, 1, score=Dot(), linear_bias=False)
    for projection in (layer.query, layer.key):
        torch.nn.init.ones_(projection.weight)
    return layer


def numbers(*values: int) -> Tensor:
    """(1, len, 1) tokens whose products are whole multiples of ln 2: exp(score) of i and j is 2^(i j)."""
    return (torch.tensor(values, dtype=torch.float32) * math.sqrt(math.log(2)))[None, :, None]


def test_four_tokens_by_hand() -> None:
    # token 0 weighs all alike; token 1 as 1 2 4 8; token 2 as 1 4 16 64; token 3 as 1 8 64 512
    wanted = [
        (1 / 4 + 1 / 15 + 1 / 85 + 1 / 585) / 4,
        (1 / 4 + 2 / 15 + 4 / 85 + 8 / 585) / 4,
        (1 / 4 + 4 / 15 + 16 / 85 + 64 / 585) / 4,
        (1 / 4 + 8 / 15 + 64 / 85 + 512 / 585) / 4,
    ]
    found = mass_received(of_numbers(), numbers(2, 0, 3, 1), torch.tensor([4]))
    assert found[0].tolist() == pytest.approx([wanted[2], wanted[0], wanted[3], wanted[1]])


def test_a_few_queries_are_spread_over_the_length() -> None:
    x = numbers(0, 2, 1, 3)
    one = mass_received(of_numbers(), x, torch.tensor([4]), queries=1)  # the query in the middle, at 2: a 1
    assert one[0].tolist() == pytest.approx([1 / 15, 4 / 15, 2 / 15, 8 / 15])
    two = mass_received(of_numbers(), x, torch.tensor([4]), queries=2)  # at 1 and 3: a 2 and a 3
    assert two[0].tolist() == pytest.approx(
        [(1 / 85 + 1 / 585) / 2, (16 / 85 + 64 / 585) / 2, (4 / 85 + 8 / 585) / 2, (64 / 85 + 512 / 585) / 2]
    )
    for many in (4, 5, 100):
        assert torch.equal(
            mass_received(of_numbers(), x, torch.tensor([4]), queries=many),
            mass_received(of_numbers(), x, torch.tensor([4])),
        )


SCORES = {
    "scaled": {},
    "softcap": {"score": ScaledDot(softcap=0.7)},
    "cosine": {"score": Cosine(3.0), "kv_heads": 1},
    "general": {"score": General(torch.randn(4, 3, 3)), "kv_heads": 2},
}


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("cells", [1, 1 << 19])
def test_it_is_what_observe_says(name: str, cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(received, "_CELLS", cells)
    layer = MultiHeadAttention(12, 4, **SCORES[name]).double()
    x, lengths = torch.randn(4, 7, 12, dtype=torch.float64), torch.tensor(LENGTHS)
    q, k, v = (
        projection(x).unflatten(-1, (heads, -1)).transpose(1, 2)
        for projection, heads in ((layer.query, 4), (layer.key, layer.kv_heads), (layer.value, layer.kv_heads))
    )
    _, seen = observe(q, k, v, score=layer.score.value(), mask=Padding(lengths, lengths))
    wanted = seen.received.mean(1) / lengths.clamp(min=1)[:, None]
    found = mass_received(layer, x, lengths)
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(found.sum(-1), torch.tensor([1.0, 1.0, 1.0, 0.0], dtype=torch.float64))


@pytest.mark.parametrize("queries", [None, 3])
def test_padding_and_neighbours_have_no_part_in_it(queries: int | None) -> None:
    layer, x = MultiHeadAttention(12, 2), torch.randn(4, 7, 12)
    for item, length in enumerate(LENGTHS):
        x[item, length:] = torch.nan
    found = mass_received(layer, x, torch.tensor(LENGTHS), queries=queries)
    for item, length in enumerate(LENGTHS):
        alone = mass_received(layer, x[item : item + 1, :length], torch.tensor([length]), queries=queries)
        torch.testing.assert_close(found[item, :length], alone[0])
        assert found[item, length:].tolist() == [0.0] * (7 - length)


def test_half_types_are_summed_in_float32() -> None:
    layer, x = MultiHeadAttention(8, 2).bfloat16(), torch.randn(2, 5, 8)
    found = mass_received(layer, x.bfloat16(), torch.tensor([5, 3]))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.sum(-1), torch.ones(2))


def test_nothing_is_differentiated_and_no_watcher_is_told() -> None:
    def told(*_: object) -> Tensor:
        raise AssertionError("a watcher was told")

    token = WATCHER.set(told)
    try:
        found = mass_received(MultiHeadAttention(8, 2), torch.randn(1, 3, 8, requires_grad=True), torch.tensor([3]))
    finally:
        WATCHER.reset(token)
    assert not found.requires_grad


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"rotary": Rotary()}, "rotary positions"),
        ({"bias": RelativeBias(torch.zeros(2, 3))}, "a bias"),
        ({"score": Additive(torch.ones(4))}, "the score Additive"),
    ],
)
def test_weights_that_depend_on_places_are_refused(more: dict[str, object], what: str) -> None:
    layer = MultiHeadAttention(8, 2, **more)
    with pytest.raises(SpecError, match=f"an attention with {what}: expected a score of the dot family"):
        mass_received(layer, torch.zeros(1, 3, 8), torch.tensor([3]))


def test_bad_arguments() -> None:
    layer, x = MultiHeadAttention(8, 2), torch.zeros(1, 3, 8)
    with pytest.raises(SpecError, match=r"mass_received\(queries=0\)"):
        mass_received(layer, x, torch.tensor([3]), queries=0)
    with pytest.raises(ShapeError, match=r"lengths\[0\] = 4, but there are 3 tokens"):
        mass_received(layer, x, torch.tensor([4]))
    with pytest.raises(ShapeError, match=r"expected \(batch, len, 8\)"):
        mass_received(layer, x[0], torch.tensor([3]))
