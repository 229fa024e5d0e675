"""TokenEmbedding: the table's rows, positions added, and ids that are not in the vocabulary."""

from __future__ import annotations

import math

import pytest
import torch

from regard.nn import TokenEmbedding
from regard.spec import Learned, Rotary, ShapeError, Sinusoidal, SpecError

VOCAB, DIM = 11, 6
IDS = torch.tensor([[3, 1, 4], [1, 5, 10]])


def test_without_positions_it_is_the_rows_of_the_table() -> None:
    layer = TokenEmbedding(VOCAB, DIM)
    assert "vocab=11, dim=6" in repr(layer)
    assert torch.equal(layer(IDS), layer.table[IDS])
    assert torch.equal(layer(IDS.int(), start=5), layer.table[IDS])


def test_learned_positions_are_added_from_start_on() -> None:
    layer = TokenEmbedding(VOCAB, DIM, positions=Learned(7))
    places = layer.positions.table
    assert torch.equal(layer(IDS), layer.table[IDS] + places[:3])
    assert torch.equal(layer(IDS, start=4), layer.table[IDS] + places[4:7])
    with pytest.raises(ShapeError, match=r"positions 5 to 7 were asked for, but Learned\(max_len=7\) has 0 to 6"):
        layer(IDS, start=5)
    with pytest.raises(ShapeError, match="positions -1 to 1"):
        layer(IDS, start=-1)


def test_sinusoids_are_added_to_tokens_times_the_root_of_dim() -> None:
    layer = TokenEmbedding(VOCAB, DIM, positions=Sinusoidal())
    extra = (layer(IDS, start=2) - layer.table[IDS] * math.sqrt(6))[0, 1]  # position 3
    angles = [3.0, 3 / 10_000 ** (2 / 6), 3 / 10_000 ** (4 / 6)]
    want = [value for angle in angles for value in (math.sin(angle), math.cos(angle))]
    assert extra.tolist() == pytest.approx(want, abs=1e-5)
    assert [name for name, _ in layer.named_parameters()] == ["table"]
    assert list(layer.state_dict()) == ["table"]


def test_token_by_token_equals_all_at_once() -> None:
    for positions in (Learned(3), Sinusoidal()):
        layer = TokenEmbedding(VOCAB, DIM, positions=positions)
        steps = [layer(IDS[:, i : i + 1], start=i) for i in range(3)]
        torch.testing.assert_close(torch.cat(steps, 1), layer(IDS))


def test_dtypes_gradients_and_dropout() -> None:
    layer = TokenEmbedding(VOCAB, DIM, positions=Sinusoidal(), dropout=0.5).double()
    assert layer(IDS).dtype == torch.float64
    assert not torch.equal(layer(IDS), layer(IDS))
    layer.eval()(IDS).sum().backward()
    # each use of a token adds sqrt(6) to each entry of its row: token 1 is used twice, token 0 never
    assert layer.table.grad is not None
    assert layer.table.grad[:, 0].tolist() == pytest.approx([n * math.sqrt(6) for n in (0, 2, 0, 1, 1, 1, *[0] * 4, 1)])


@pytest.mark.parametrize("bad", [11, -1])
def test_an_id_outside_the_vocabulary_is_named(bad: int) -> None:
    with pytest.raises(SpecError, match=rf"ids run from .*{bad}.*vocabulary has ids 0 to 10: use the tokenizer"):
        TokenEmbedding(VOCAB, DIM)(torch.tensor([[3, bad]]))


def test_bad_arguments() -> None:
    with pytest.raises(ShapeError, match=r"ids is a float32 tensor of shape \(2, 3\)"):
        TokenEmbedding(VOCAB, DIM)(IDS.float())
    with pytest.raises(ShapeError, match=r"expected a \(batch, len\) int64 tensor"):
        TokenEmbedding(VOCAB, DIM)(IDS[0])
    with pytest.raises(SpecError, match="vocab=0"):
        TokenEmbedding(0, DIM)
    with pytest.raises(SpecError, match="pass rotary= to the attention"):
        TokenEmbedding(VOCAB, DIM, positions=Rotary())  # type: ignore[arg-type]
    with pytest.raises(SpecError, match=r"positions='learned': expected Sinusoidal\(\), Learned\(max_len\) or None"):
        TokenEmbedding(VOCAB, DIM, positions="learned")  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="must be even"):
        TokenEmbedding(VOCAB, 7, positions=Sinusoidal())
    with pytest.raises(SpecError, match=r"dropout=-0\.1"):
        TokenEmbedding(VOCAB, DIM, dropout=-0.1)
