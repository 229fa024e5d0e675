"""Every mask and bias of the spec as FlexAttention takes it: entry by entry what the spec's own tile says."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from tests import cases
from torch import Tensor
from torch.nn.attention.flex_attention import create_mask

from regard.kernels import flex_mods
from regard.kernels.flex_mods import Ground, convertible, flat, mask_mod, score_mod, structure
from regard.spec import (
    ALiBi,
    Bias,
    Causal,
    Dense,
    Dilated,
    Documents,
    Grid2D,
    Mask,
    Padding,
    Prefix,
    RelativeBias,
    SinkLogits,
    Sinks,
    TensorBias,
    Window,
    request,
)
from regard.spec.curve import Curve
from regard.spec.place import Place

BATCH, HEADS, QUERIES, KEYS = 2, 3, 7, 13


def place(start: int = KEYS - QUERIES, batch: int = BATCH, heads: int = HEADS) -> Place:
    return Place(batch, heads, QUERIES, KEYS, start, torch.device("cpu"))


def flags(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(3)) < 0.5


MASKS: list[Mask] = [
    Causal(),
    Window(2, 1),
    Window(0, 99),
    Sinks(2),
    Prefix(3),
    Dilated(3, 7, 4),
    Padding(torch.tensor([0, 11])),
    Padding(torch.tensor([13, 4]), torch.tensor([2, 7])),
    Documents(torch.arange(7) // 3, torch.arange(13) // 3),
    Documents(torch.arange(14).view(2, 7) % 3, torch.arange(13) % 3),
    Dense(flags(7, 13)),
    Dense(flags(1, 13)),
    Dense(flags(2, 3, 7, 13)),
    Dense(flags(2, 1, 1, 13)),
    Dense(flags(1, 3, 7, 1)),
    Dense(torch.tensor([[True]])),
    (Window(2, 0) | Sinks(1)) & Padding(torch.tensor([9, 12])),
    ~(Causal() & ~Window(1, 1)),
]


@pytest.mark.parametrize("start", [6, 0, -5, 40])
@pytest.mark.parametrize("mask", MASKS, ids=repr)
def test_a_mask_mod_says_what_the_mask_says(mask: Mask, start: int) -> None:
    here = place(start)
    found = create_mask(mask_mod(mask, Ground.of(here)), BATCH, HEADS, QUERIES, KEYS, device="cpu")
    assert torch.equal(found, mask.dense(here).expand(BATCH, HEADS, QUERIES, KEYS))


def test_a_neighbourhood_on_a_grid() -> None:
    """3 x 4 cells, queries from the second row on."""
    here = Place(1, 1, 8, 12, 4, torch.device("cpu"))
    mask = Grid2D(3, 4, 1)
    found = create_mask(mask_mod(mask, Ground.of(here)), 1, 1, 8, 12, device="cpu")
    assert torch.equal(found[0, 0], mask.dense(here))
    assert found[0, 0, 0].nonzero()[:, 0].tolist() == [0, 1, 4, 5, 8, 9]  # query 0 sits on cell 4, below 0 and above 8


def entries(mod: flex_mods.ScoreMod, scores: Tensor) -> Tensor:
    """`mod` at every entry of scores (batch, heads, queries, keys)."""
    sizes = (torch.arange(size, dtype=torch.int32) for size in scores.shape)
    b, h, q, k = torch.meshgrid(*sizes, indexing="ij")
    return mod(scores, b, h, q, k)


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(5))


BIASES: list[Bias] = [
    TensorBias(normal(7, 13)),
    TensorBias(normal(1, 13)),
    TensorBias(normal(2, 3, 7, 13)),
    TensorBias(normal(2, 1, 7, 1)),
    ALiBi(torch.tensor([0.5, 0.25, 0.125])),
    ALiBi(torch.tensor([0.5, 0.25, 0.125], dtype=torch.bfloat16)),
    RelativeBias(normal(3, 5)),
]


@pytest.mark.parametrize("start", [6, -5, 40])
@pytest.mark.parametrize("bias", BIASES, ids=repr)
def test_a_score_mod_adds_the_bias(bias: Bias, start: int) -> None:
    here, scores = place(start), normal(BATCH, HEADS, QUERIES, KEYS)
    mod = score_mod(Curve(), (bias,), Ground.of(here))
    assert mod is not None
    torch.testing.assert_close(entries(mod, scores), scores + bias.tile(here.rows, here.cols, here), rtol=0, atol=0)


def test_the_curve_comes_before_the_biases_and_these_add_up() -> None:
    here, scores = place(), normal(BATCH, HEADS, QUERIES, KEYS)
    first, second = BIASES[2], BIASES[4]
    mod = score_mod(Curve(cap=1.5), (first, second), Ground.of(here))
    assert mod is not None
    added = first.tile(here.rows, here.cols, here) + second.tile(here.rows, here.cols, here)
    torch.testing.assert_close(entries(mod, scores), 1.5 * torch.tanh(scores / 1.5) + added)


def test_nothing_to_do_is_no_score_mod() -> None:
    assert score_mod(Curve(), (), Ground.of(place())) is None


def test_minus_infinity_forbids_even_where_the_score_is_nan() -> None:
    bias = torch.zeros(7, 13)
    bias[:, 3] = -torch.inf
    mod = score_mod(Curve(), (TensorBias(bias),), Ground.of(place()))
    assert mod is not None
    found = entries(mod, torch.full((2, 3, 7, 13), torch.nan))
    assert torch.isneginf(found[..., 3]).all()
    assert found[..., 4].isnan().all()
    seen = entries(flat(mod), torch.full((2, 3, 7, 13), 5.0))
    assert seen[0, 0, 0].tolist() == [0, 0, 0, -torch.inf, *([0] * 9)]


@dataclass(frozen=True, eq=False, repr=False)
class Odd(Mask):
    """A mask that nobody has written a row for."""


def test_every_mask_and_bias_of_the_spec_has_a_row() -> None:
    kinds = [deeper for kind in Mask.__subclasses__() for deeper in (kind.__subclasses__() or [kind])]
    assert set(flex_mods.MASKS) == {kind for kind in kinds if kind.__module__.startswith("regard.")}
    assert set(flex_mods.BIASES) == set(Bias.__subclasses__()) - {SinkLogits}


def test_a_mask_without_a_row_is_named_however_deep_it_lies() -> None:
    q, k, v = cases.inputs(torch.float32)
    asked = request(q, k, v, mask=Causal() & ~(Odd() | Window(1, 1)))
    assert convertible(asked) == "has no mask_mod or score_mod for Odd"
    assert convertible(request(q, k, v, mask=Causal(), bias=ALiBi.for_heads(cases.HEADS))) is None
    with pytest.raises(KeyError):
        mask_mod(Odd(), Ground.of(place()))


def test_the_structure_holds_plain_numbers_and_no_lengths() -> None:
    """Two calls of one structure share a compiled function."""
    short, long = Padding(torch.tensor([3, 4])), Padding(torch.tensor([900, 7]))
    assert structure(Window(3, 0) & short) == structure(Window(3, 0) & long)
    assert structure(Window(3, 0)) != structure(Window(4, 0))
    assert structure(Dense(flags(7, 13))) == structure(Dense(flags(70, 130)))
    assert structure(Dense(flags(7, 13))) != structure(Dense(flags(1, 13)))
    assert structure(ALiBi(torch.ones(3))) != structure(ALiBi(torch.ones(3, dtype=torch.float16)))
    assert hash(structure(Causal() | Prefix(2))) is not None


FAULTS = {
    "start one off": lambda m: m.setattr(
        Ground, "of", classmethod(lambda cls, p: cls(p, torch.tensor(p.query_start + 1, dtype=torch.int32)))
    ),
    "a window one too wide": lambda m: m.setitem(
        flex_mods.MASKS, Window, lambda w, g: flex_mods._window(Window(w.before + 1, w.after), g)
    ),
    "the wrong end of a padding": lambda m: m.setitem(
        flex_mods.MASKS, Padding, lambda p, g: lambda b, h, q, k: k >= p.key_lengths[b]
    ),
    "and for or": lambda m: m.setitem(flex_mods.MASKS, flex_mods.Either, flex_mods._both),
    "axes of size 1 not taken out": lambda m: m.setattr(
        flex_mods, "_indexed", lambda t: lambda *i: t[tuple(x % s for x, s in zip(i, t.shape[::-1], strict=False))]
    ),
}


def broken(mask: Mask) -> bool:
    try:
        test_a_mask_mod_says_what_the_mask_says(mask, 6)
    except (AssertionError, IndexError):
        return True
    return False


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_seen(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any(broken(mask) for mask in MASKS)
    FAULTS[fault](monkeypatch)
    assert any(broken(mask) for mask in MASKS)
