"""WindowCache and LanguageModel: a bounded past gives the logits of the mask over everything."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
import torch
from torch import Tensor

from regard.nn import Decoder, TokenEmbedding
from regard.nn.cache import BlockCache
from regard.nn.decoding import LanguageModel, Limits, Sampling, WindowCache, greedy, sample, stream
from regard.nn.heads import NextToken
from regard.spec import Causal, Learned, RelativeBias, Rotary, ShapeError, Sinks, Sinusoidal, SpecError, Window

VOCAB, DIM, HEADS, LENGTH = 11, 12, 2, 29


def steps(window: Window | None = None, sinks: int = 0, **given: Any) -> LanguageModel:
    embedding = TokenEmbedding(VOCAB, DIM, positions=given.pop("positions", None))
    decoder, head = Decoder(DIM, HEADS, layers=2, **given), NextToken(DIM, VOCAB, tied=embedding)
    return LanguageModel(embedding, decoder, head, window=window, sinks=sinks).eval()


def one_by_one(model: LanguageModel, ids: Tensor, prompt: int) -> Tensor:
    """Logits after each token from the prompt's last on."""
    state = model.start(ids[:, :prompt])
    assert torch.equal(state.first, ids[:, prompt - 1])
    return torch.stack([model.step(state, ids[:, place]) for place in range(prompt - 1, ids.shape[1])], 1)


@pytest.mark.parametrize("prompt", [1, 2, 5, 6, 13])  # shorter than the window, as long, longer
@pytest.mark.parametrize(("before", "sinks"), [(0, 0), (4, 0), (4, 2), (40, 1)])
@torch.no_grad()
def test_a_bounded_past_gives_the_logits_of_the_mask(before: int, sinks: int, prompt: int) -> None:
    window = Window(before, 0)
    model = steps(window, sinks, rotary=Rotary(), kv_heads=1)
    ids = torch.randint(VOCAB, (3, LENGTH))
    mask = Causal() & (window | Sinks(sinks)) if sinks else window
    whole = model.head(model.decoder(model.embedding(ids), mask=mask))
    assert torch.equal(model(ids), whole)
    torch.testing.assert_close(one_by_one(model, ids, prompt), whole[:, prompt - 1 :], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("positions", [Sinusoidal(), Learned(LENGTH), None])
@torch.no_grad()
def test_without_a_window_it_is_the_whole_past(positions: Any) -> None:
    model, ids = steps(positions=positions), torch.randint(VOCAB, (2, LENGTH))
    whole = model(ids)
    torch.testing.assert_close(one_by_one(model, ids, 7), whole[:, 6:], rtol=1e-4, atol=1e-5)


def test_its_room_stays_what_it_was_however_long_it_runs() -> None:
    model = steps(Window(6, 0), 2, rotary=Rotary(), positions=None)
    kept = []
    start = model.start
    model.start = lambda prompt: kept.append(start(prompt)) or kept[0]  # type: ignore[method-assign]
    told = stream(model, torch.tensor([[1, 2, 3]]), Limits(longest=10**9), Sampling(), generator=torch.Generator())
    assert len(list(islice(told, 200))) == 200
    assert kept[0].seen == 202
    for cache in kept[0].caches:
        held = cache.own._held
        assert (cache.own.length, held.length, held.capacity) == (202, 9, 9)
        assert held.view()[0].untyped_storage().nbytes() == 9 * DIM * 4


def test_three_keys_by_hand() -> None:
    cache = WindowCache(Window(1, 0), sinks=1)
    held = []
    for number in (0.0, 1.0, 2.0, 3.0, 4.0):
        keys, values = cache.append(torch.full((1, 1, 1, 1), number), torch.full((1, 1, 1, 1), -number))
        assert torch.equal(keys, -values)
        held.append(sorted(keys.flatten().tolist()))
    assert held == [[0], [0, 1], [0, 1, 2], [0, 2, 3], [0, 3, 4]]  # the first, and the latest two
    assert (cache.length, cache.capacity) == (5, 3)
    cache.select(torch.tensor([0, 0]))
    keys, _ = cache.append(torch.tensor([5.0, 6.0])[:, None, None, None], torch.zeros(2, 1, 1, 1))
    assert [sorted(row) for row in keys.flatten(1).tolist()] == [[0, 4, 5], [0, 4, 6]]


@pytest.mark.parametrize("chunks", [(9,), (2, 7), (4, 3, 2), (1, 1, 6, 1), (3, 1, 1, 1, 3)])
def test_several_tokens_at_once_by_hand(chunks: tuple[int, ...]) -> None:
    """One sink and a window of two: after nine tokens, 0, 7 and 8 are held, however they came."""
    cache, tokens = WindowCache(Window(1, 0), sinks=1), torch.arange(9.0)[None, None, :, None]
    for part in tokens.split(chunks, 2):
        held = cache.view()[0].flatten().tolist() if cache.length else []
        keys, values = cache.append(part, -part)
        assert torch.equal(keys, -values)
        if part.shape[2] > 1:
            assert keys.flatten().tolist() == held + part.flatten().tolist()  # in the order of their tokens
    assert cache.view()[0].flatten().tolist() == [0, 7, 8]
    assert cache.length == 9


@pytest.mark.parametrize(("before", "sinks"), [(0, 0), (4, 0), (4, 2), (40, 1)])
@torch.no_grad()
def test_a_layer_fed_in_chunks_gives_what_the_mask_gives(before: int, sinks: int) -> None:
    window, decoder = Window(before, 0), Decoder(DIM, HEADS, layers=2, rotary=Rotary()).eval()
    own, x = (window | Sinks(sinks) if sinks else window), torch.randn(2, LENGTH, DIM)
    caches = [BlockCache(own=WindowCache(window, sinks)) for _ in decoder.blocks]
    parts = [decoder(part, mask=own, cache=caches) for part in x.split([3, 8, 6, 12], 1)]
    torch.testing.assert_close(torch.cat(parts, 1), decoder(x, mask=own), rtol=1e-4, atol=1e-5)


def test_the_window_and_the_whole_past_write_the_same_while_all_fits() -> None:
    whole = steps(rotary=Rotary())
    bounded = LanguageModel(whole.embedding, whole.decoder, whole.head, window=Window(30, 0)).eval()
    prompts, limits = torch.randint(VOCAB, (3, 4)), Limits(longest=20, end=0)
    found = (greedy(model, prompts, limits) for model in (whole, bounded))
    assert [output.ids for output in next(found)] == [output.ids for output in next(found)]
    drawn = (
        sample(model, prompts, limits, Sampling(), generator=torch.Generator().manual_seed(1), each=2)
        for model in (whole, bounded)
    )
    assert [[o.ids for o in each] for each in next(drawn)] == [[o.ids for o in each] for each in next(drawn)]


def test_what_does_not_fit() -> None:
    with pytest.raises(SpecError, match=r"expected Window\(before, 0\)"):
        WindowCache(Window(3, 1))
    with pytest.raises(SpecError, match="sinks=-1"):
        WindowCache(Window(3, 0), sinks=-1)
    cache = WindowCache(Window(2, 0))
    key = torch.zeros(2, 1, 3, 4)
    cache.append(key, key)
    for new in (1, 2):
        with pytest.raises(ShapeError, match="expected tokens of that kind"):
            cache.append(key[:1, :, :new], key[:1, :, :new])
    assert cache.length == 3
    with pytest.raises(SpecError, match=r"inside torch\.no_grad\(\)"):
        cache.append(key[:, :, :1].clone().requires_grad_(), key[:, :, :1])
    bias = RelativeBias(torch.zeros(HEADS, 5))
    with pytest.raises(SpecError, match="a bias is of distances"):
        steps(Window(3, 0), bias=bias)
    assert steps(bias=bias).window is None
    with pytest.raises(SpecError, match="sinks go with a window="):
        steps(sinks=2)
    with pytest.raises(SpecError, match="this decoder reads a context"):
        steps(context_dim=3)
    model = steps()
    for prompts in (torch.zeros(2, 0, dtype=torch.int64), torch.zeros(3, dtype=torch.int64)):
        with pytest.raises(ShapeError, match="at least one token each"):
            model.start(prompts)
    model.train()
    with pytest.raises(SpecError, match=r"call model\.eval\(\) first"):
        model.start(torch.zeros(1, 1, dtype=torch.int64))
