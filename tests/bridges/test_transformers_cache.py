"""Caches of transformers models that are cut back: exact over what is held, positions as ever, memory that is less."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.bridges import tiny
from tests.bridges.kept import CLOSE, LENGTH, SMALL, places, streamed, tokens, truth, wide
from tests.bridges.tiny import PADDINGS, ids, ready
from torch import Tensor

import regard
from regard.allocate import Eviction
from regard.bridges.transformers_cache import EvictedLayer

CALLS = {"prompt": [20, *[1] * 10], "chunks": [8, 8, 8, 3, 3], "tokens": [1] * 30}
MODELS = [
    (tiny.llama, "sdpa"),
    (tiny.llama, "eager"),
    (tiny.gemma3, "sdpa"),  # one layer has a window
    (tiny.gemma2, "eager"),  # windows, and capped scores
    (tiny.gpt_oss, "eager"),  # windows, and a logit beside the keys
]
named = pytest.mark.parametrize(("build", "implementation"), MODELS, ids=lambda case: getattr(case, "__name__", case))


@named
@pytest.mark.parametrize("calls", CALLS.values(), ids=CALLS.keys())
def test_all_of_it_is_the_same_as_none_gone(build: Any, implementation: str, calls: list[int]) -> None:
    model = ready(build, implementation)
    plain = streamed(model, tokens(), None, calls)
    for sizes in ("even", "heads", "layers"):
        whole = streamed(model, tokens(), Eviction(fraction=1.0, sizes=sizes), calls)
        torch.testing.assert_close(whole.logits, plain.logits, rtol=1e-6, atol=1e-6)


@named
@pytest.mark.parametrize("sizes", ["even", "heads", "layers"])
@pytest.mark.parametrize("calls", CALLS.values(), ids=CALLS.keys())
def test_exact_attention_over_the_keys_that_are_held(
    build: Any, implementation: str, calls: list[int], sizes: str
) -> None:
    model = ready(build, implementation)
    found = streamed(model, tokens(), Eviction(fraction=0.3, sizes=sizes, **SMALL), calls)
    assert found.held
    expected = truth(model, tokens(), found.held)
    torch.testing.assert_close(found.logits, expected, **CLOSE)
    everything = {index: torch.ones_like(each) for index, each in found.held.items()}
    assert not torch.allclose(found.logits, truth(model, tokens(), everything), **CLOSE)  # the truth can tell


@pytest.mark.parametrize("sizes", ["even", "heads"])
@pytest.mark.parametrize("keys", [4, 9])  # more than, and fewer than, the shortest item has
@pytest.mark.parametrize("calls", [[20, 4, *[1] * 6], [8, 12, 10]], ids=["prompt", "chunks"])
@pytest.mark.parametrize("build", [tiny.llama, tiny.gemma3], ids=["llama", "gemma3"])
def test_a_batch_with_padding_on_the_left(build: Any, calls: list[int], keys: int, sizes: str) -> None:
    model = ready(build, "sdpa")
    real = torch.arange(LENGTH) >= torch.tensor([[0], [14]])
    found = streamed(model, tokens(), Eviction(keys=keys, sizes=sizes, **SMALL), calls, real)
    expected = truth(model, tokens(), found.held, real)
    torch.testing.assert_close(found.logits[real], expected[real], **CLOSE)
    last = found.cache.layers[1]
    assert isinstance(last, EvictedLayer)
    held = places(last, LENGTH)
    assert int((held & ~real[:, None]).sum()) == 0  # 16 real tokens by now: padding went first


@pytest.mark.parametrize("sizes", ["even", "heads", "layers"])
def test_what_received_most_stays(sizes: str) -> None:
    """Of the whole matrix of weights of a prompt: the first key, the latest, and those with most mass, head by head."""
    model = ready(wide, "sdpa")
    eviction = Eviction(keys=8, first=1, latest=0.25, least=0.5, sizes=sizes, step=1)
    found = streamed(model, tokens(), eviction, [LENGTH])
    weights = ready(wide, "eager")(tokens(), output_attentions=True).attentions
    ages = torch.arange(LENGTH, 0, -1)  # as many queries as could see each key
    masses = [each.detach().double().view(2, 4, 2, LENGTH, LENGTH).sum((2, 3)) / ages for each in weights]
    counts = [found.sizes[0][index] for index in range(3)]
    assert sum(map(sum, counts)) == 3 * 4 * 8
    assert (sizes == "even") == all(len(set(layer)) == 1 for layer in counts)
    for index, mass in enumerate(masses):
        mass[..., 0] = mass[..., -2:] = 1e9
        for head in range(4):
            layer = found.cache.layers[index]
            assert isinstance(layer, EvictedLayer)
            best = mass[:, head].topk(counts[index][head]).indices.sort(1).values
            assert torch.equal(places(layer, LENGTH)[:, head].nonzero()[:, 1].view(2, -1), best)


@pytest.mark.parametrize(("sizes", "by"), [("even", "total"), ("heads", "received"), ("layers", "received")])
@pytest.mark.parametrize("size", [{"keys": 7, "step": 3}, {"fraction": 0.4, "step": 4}], ids=["keys", "fraction"])
@pytest.mark.parametrize("calls", [*CALLS.values(), [3] * 10], ids=[*CALLS, "threes"])
def test_mass_is_that_of_all_queries_so_far_whenever_a_cache_is_cut(
    calls: list[int], size: Any, sizes: str, by: str
) -> None:
    """Of what each head held, the keys that are best by the weights of the slow truth, again and again."""
    model, weights = ready(wide, "sdpa"), {}
    eviction = Eviction(first=1, latest=0.3, sizes=sizes, by=by, **size)
    found, stop, cuts = streamed(model, tokens(), eviction, calls), 0, 0
    truth(model, tokens(), found.held, weights=weights)
    for count, left, waits in zip(calls[:-1], found.sizes, found.waiting, strict=False):
        stop += count
        assert len(waits) == 1  # the queries of all layers are accounted for in the same calls
        for index, rows in found.held.items():
            before, after = rows[:, :, stop - 1, :stop], rows[:, :, stop, :stop]
            mass = weights[index][:, :, :stop, :stop].view(2, 4, 2, stop, stop).sum((2, 3))
            mass /= torch.arange(stop, 0, -1) if by == "received" else 1
            mass[..., 0] = mass[..., stop - eviction.spared(eviction.size(stop))[1] :] = 1e9
            mass.masked_fill_(~before, -1)
            cuts += int((before & ~after).any())
            for head, size in enumerate(left[index]):
                best = torch.zeros(2, stop, dtype=torch.bool).scatter_(1, mass[:, head].topk(size).indices, True)
                assert torch.equal(after[:, head], best)
    assert cuts >= 3


def test_sizes_over_layers_go_by_what_is_lost() -> None:
    """Less mass is let go of than with even sizes, over the heads of a layer, and again over all layers."""
    model, lost = ready(wide, "sdpa"), []
    weights = ready(wide, "eager")(tokens(), output_attentions=True).attentions
    mass = torch.stack([each.detach().view(2, 4, 2, LENGTH, LENGTH).sum((2, 3)) for each in weights])
    for sizes in ("even", "heads", "layers"):
        found = streamed(
            model, tokens(), Eviction(keys=6, first=1, latest=0.2, least=0.3, sizes=sizes, by="total", step=1), [LENGTH]
        )
        held = torch.stack([places(layer, LENGTH) for layer in found.cache.layers])
        assert int(held.sum()) == 2 * 3 * 4 * 6
        lost.append(float((mass * ~held).sum()))
    assert lost[0] > lost[1] > lost[2]


def test_positions_go_by_all_tokens_that_were_seen() -> None:
    found = streamed(ready(tiny.llama, "sdpa"), tokens(), Eviction(keys=5, **SMALL), [20, 10])
    assert found.cache.get_seq_length() == LENGTH
    assert found.sizes[-1] == {0: [5, 5], 1: [5, 5]}


def generate(model: Any, **more: Any) -> Tensor:
    mask = PADDINGS["left"]
    found: Tensor = model.generate(
        ids(), attention_mask=mask, **{"max_new_tokens": 12, "min_new_tokens": 12, "do_sample": False, **more}
    )
    return found


@pytest.mark.parametrize(
    "more", [{}, {"num_beams": 3}, {"do_sample": True, "num_return_sequences": 2}, {"prefill_chunk_size": 4}]
)
@pytest.mark.parametrize("build", [tiny.llama, tiny.gemma3], ids=["llama", "gemma3"])
def test_generate_with_all_of_it(build: Any, more: dict[str, Any]) -> None:
    model = ready(build, "sdpa")
    torch.manual_seed(0)
    with regard.use(model):
        alone = generate(model, **more)
    torch.manual_seed(0)
    with regard.use(model, eviction=Eviction(fraction=1.0)):
        assert torch.equal(generate(model, **more), alone)


@pytest.mark.parametrize("more", [{}, {"num_beams": 2}, {"prefill_chunk_size": 4}])
@pytest.mark.parametrize("sizes", ["even", "heads"])
def test_generate_cuts_back_as_it_writes(sizes: str, more: dict[str, Any]) -> None:
    model = ready(tiny.llama, "sdpa")
    with regard.use(model, eviction=Eviction(keys=6, sizes=sizes, **SMALL)) as used:
        out = generate(model, return_dict_in_generate=True, **more)
    layer = out.past_key_values.layers[0]
    assert isinstance(layer, EvictedLayer)
    assert layer.get_seq_length() == 11 + 12 - 1
    assert 6 <= sum(layer.held.sizes) / 2 <= 6 + 2
    assert used.eviction is not None
    assert used.eviction.layers["model.layers.0.self_attn"].seen == 22
    assert "in 2 layer(s)" in str(used)


def test_tokens_are_those_of_a_loop_by_hand() -> None:
    model = ready(tiny.llama, "sdpa")
    eviction = Eviction(keys=6, sizes="heads", **SMALL)
    with regard.use(model, eviction=eviction):
        written = model.generate(ids(), max_new_tokens=8, min_new_tokens=8, do_sample=False)
    found = streamed(model, written, eviction, [11, *[1] * 8])
    special = [model.generation_config.eos_token_id]
    assert torch.equal(
        found.logits[:, 10:-1].index_fill(2, torch.tensor(special), -torch.inf).argmax(2), written[:, 11:]
    )
