"""What holds for every front end: one value back, any float dtype, gradients, saving, copies, a core behind it."""

from __future__ import annotations

import copy
import doctest
import importlib
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from regard.nn import Encoder, TokenEmbedding
from regard.nn.front_ends import (
    AudioFrontEnd,
    ConvFrontEnd,
    EventFrontEnd,
    FrontEnd,
    JoinedFrontEnd,
    LogMel,
    PatchFrontEnd,
    SeriesFrontEnd,
    SymbolFrontEnd,
    TextFrontEnd,
    Tokens,
    units,
)
from regard.spec import Learned, Sinusoidal

calendar_module = importlib.import_module("regard.nn.front_ends.calendar")  # its name is the function's, too

DIM, BATCH = 8, 3
PLACED = Learned(50)
IDS = torch.arange(BATCH * 7).view(BATCH, 7) % 5
LENGTHS = torch.tensor([7, 3, 1])
TIMES = torch.arange(7).expand(BATCH, 7) ** 2
COLOUR = (torch.arange(BATCH * 3 * 8 * 12) % 256).to(torch.uint8).view(BATCH, 3, 8, 12)
SAMPLES = torch.sin(torch.arange(BATCH * 700.0)).view(BATCH, 700)
VALUES = torch.cos(torch.arange(BATCH * 11.0)).view(BATCH, 11, 1)
KNOWN = torch.sin(torch.arange(BATCH * 15.0)).view(BATCH, 15, 1)
MEL = LogMel(rate=8000, window=200, hop=80, fft=256, mels=20)


def text() -> TextFrontEnd:
    return TextFrontEnd(TokenEmbedding(5, DIM, positions=PLACED))


def both() -> JoinedFrontEnd:
    return JoinedFrontEnd({"picture": PatchFrontEnd(DIM, 4, channels=3), "text": text()})


MAKERS: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "text": (text, {"ids": IDS, "lengths": LENGTHS}),
    "patches": (lambda: PatchFrontEnd(DIM, 4, channels=3, positions=PLACED), {"pictures": COLOUR}),
    "conv stem": (lambda: ConvFrontEnd(DIM, channels=3, positions=Sinusoidal()), {"pictures": COLOUR}),
    "audio": (
        lambda: AudioFrontEnd(DIM, MEL, positions=PLACED),
        {"samples": SAMPLES, "lengths": torch.tensor([700, 333, 1])},
    ),
    "series": (
        lambda: SeriesFrontEnd(DIM, patch=4, known=1, horizon=4, affine=True, positions=PLACED),
        {"values": VALUES, "known": KNOWN},
    ),
    "events": (
        lambda: EventFrontEnd(5, DIM, gaps=4, positions=PLACED),
        {"items": IDS, "times": TIMES, "lengths": LENGTHS},
    ),
    "symbols": (
        lambda: SymbolFrontEnd(5, DIM, kmer=3, stride=2, positions=PLACED),
        {"ids": IDS, "lengths": LENGTHS},
    ),
    "joined": (both, {"picture": COLOUR, "text": (IDS, LENGTHS)}),
}


@pytest.fixture(params=MAKERS)
def case(request: pytest.FixtureRequest) -> tuple[Any, dict[str, Any]]:
    make, inputs = MAKERS[request.param]
    return make(), inputs


def test_it_gives_tokens_and_says_their_size(case: tuple[Any, dict[str, Any]]) -> None:
    module, inputs = case
    front_end: FrontEnd = module
    made = front_end(**inputs)
    assert isinstance(made, Tokens)
    assert made.tokens.shape[0] == BATCH
    assert made.tokens.shape[2] == front_end.dim == DIM
    assert front_end.longest is None or made.tokens.shape[1] <= front_end.longest
    assert made.tokens.dtype == torch.float32
    assert not made.tokens[~made.real].any()
    for item in range(BATCH):
        units = made.covered(item)
        assert len(units) == int(made.counts[item])
        assert all(unit.words() for unit in units)
        assert all(unit.bounds[0] < unit.bounds[len(unit.bounds) // 2] for unit in units)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_other_dtypes(case: tuple[Any, dict[str, Any]], dtype: torch.dtype) -> None:
    module, inputs = case
    want = module(**inputs).tokens
    made = module.to(dtype)(**inputs).tokens
    assert made.dtype == dtype
    tolerance = {torch.float64: 1e-4, torch.bfloat16: 0.08, torch.float16: 0.01}[dtype]
    torch.testing.assert_close(made.float(), want, atol=tolerance, rtol=tolerance)


def test_gradients_reach_every_parameter(case: tuple[Any, dict[str, Any]]) -> None:
    module, inputs = case
    module(**inputs).tokens.square().sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.isfinite().all()), name
        assert bool(parameter.grad.any()), name


def test_saved_and_loaded_it_does_the_same(case: tuple[Any, dict[str, Any]], request: pytest.FixtureRequest) -> None:
    module, inputs = case
    for constants in (part for name, part in module.named_buffers() if name.endswith("deviation")):
        constants.fill_(2.0)
    want = module(**inputs).tokens
    other = MAKERS[request.node.callspec.params["case"]][0]()
    assert not torch.equal(other(**inputs).tokens, want)
    other.load_state_dict(module.state_dict())
    assert torch.equal(other(**inputs).tokens, want)
    assert torch.equal(copy.deepcopy(module)(**inputs).tokens, want)
    assert torch.equal(pickle.loads(pickle.dumps(module))(**inputs).tokens, want)


def test_a_core_learns_through_it(case: tuple[Any, dict[str, Any]]) -> None:
    module, inputs = case
    core, answer = Encoder(DIM, 2, layers=1), nn.Linear(DIM, 1)
    layers = nn.ModuleList([module, core, answer])
    optimiser = torch.optim.Adam(layers.parameters(), lr=0.01)
    targets = torch.tensor([1.0, -1.0, 0.5])
    losses = []
    for _ in range(80):
        made = module(**inputs)
        read = core(made.tokens, mask=made.mask).masked_fill(~made.real[..., None], 0.0).sum(1)
        loss = (answer(read / made.counts[:, None])[:, 0] - targets).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.parametrize("module", [units, calendar_module], ids=["units", "calendar"])
def test_the_examples_in_docstrings_run(module: Any) -> None:
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0


def test_an_empty_batch(case: tuple[Any, dict[str, Any]]) -> None:
    module, inputs = case
    none = {
        name: tuple(part[:0] for part in given) if isinstance(given, tuple) else given[:0]
        for name, given in inputs.items()
    }
    made = module(**none)
    assert made.tokens.shape[0] == 0
    assert made.tokens.shape[2] == DIM
