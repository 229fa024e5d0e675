"""Masks taken from their description: each says in a spec exactly what the library's dense tensor holds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
import transformers as hf
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.bridges import tiny
from tests.bridges.tiny import LENGTH, PADDINGS, ready
from torch import Tensor
from transformers import masking_utils as library

from regard.bridges.transformers_closures import Sizes, spec_of
from regard.engine.seam_described import DescribedMask, laid_out, read_description, rows_of
from regard.engine.seam_reach import Reaching
from regard.engine.seams import reach

PACKED = torch.tensor([[0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 0], [0, 1, 0, 1, 2, 3, 4, 5, 6, 7, 8]])
GROUPS = torch.tensor([[-1, 0, 0, 0, -1, -1, 1, 1, -1, -1, -1], [-1] * 11])


def config(how: str = "sdpa", **more: Any) -> Any:
    sizes = {"hidden_size": 8, "num_attention_heads": 2, "vocab_size": 5, "sliding_window": 4}
    made = hf.MistralConfig(**sizes, attn_implementation=how, **more)
    made.attention_chunk_size = 3
    return made


class Holder(torch.nn.Module):
    """A model for as far as masks are asked for."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config


@contextmanager
def answered(config: Any) -> Iterator[Reaching]:
    with reach(Holder(config), lambda reached: reached.compute(), answers=True) as reaching:
        yield reaching


def pair(make: Callable[..., Any], config: Any, **more: Any) -> tuple[Tensor | None, Tensor | None, Reaching]:
    """(the library's own mask, ours, what was told)."""
    arguments: dict[str, Any] = {"config": config, "inputs_embeds": torch.empty(2, LENGTH, 0), "attention_mask": None}
    arguments |= {"past_key_values": None, **more}
    own = make(**arguments)
    with answered(config) as reaching:
        ours = make(**arguments)
    return own, ours, reaching


def said(mask: Tensor | None) -> str:
    assert isinstance(mask, DescribedMask)
    described = read_description(mask)
    assert described is not None
    return "all" if described.mask is None else described.mask.words()


def hold(own: Tensor, ours: Tensor | None) -> None:
    """Shape, dtype, every row of the description, and the tensor that comes of any other operation."""
    assert isinstance(ours, DescribedMask)
    assert (ours.shape, ours.dtype, ours.device) == (own.shape, own.dtype, own.device)
    rows = rows_of(ours, list(range(own.shape[2])))
    assert torch.equal(rows, own)
    assert torch.equal(ours | ours if own.dtype == torch.bool else ours + 0, own)


MAKERS = {
    "causal": library.create_causal_mask,
    "window": library.create_sliding_window_causal_mask,
    "chunked": library.create_chunked_causal_mask,
    "both ways": library.create_bidirectional_mask,
    "window both ways": library.create_bidirectional_sliding_window_mask,
}
WORDS = {
    "causal": "causal",
    "window": "window of 3 before and 0 after",
    "chunked": "causal and own document",
    "both ways": "all",
    "window both ways": "window of 4 before and 4 after",
}


@pytest.mark.parametrize("how", ["sdpa", "eager"])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("kind", MAKERS)
def test_every_kind_of_mask_with_every_padding(kind: str, padding: str, how: str) -> None:
    own, ours, reaching = pair(MAKERS[kind], config(how), attention_mask=PADDINGS[padding])
    if own is None:
        assert ours is None
        return
    hold(own, ours)
    assert isinstance(ours, DescribedMask)
    base = WORDS[kind]
    filled = {"none": "", "left": f"dense (2, 1, 1, {LENGTH})", "right": "padding"}[padding]
    inner = f"({base})" if " and own" in base else base
    expected = base if not filled else filled if base == "all" else f"{inner} and {filled}"
    assert said(ours) == expected
    assert sum(reaching.written.values()) == 1  # for the operation in `hold`


@pytest.mark.parametrize("kind", ["causal", "window", "chunked"])
@pytest.mark.parametrize("how", ["sdpa", "eager"])
@pytest.mark.parametrize("before", [0, 2, 9])
@pytest.mark.parametrize("static", [True, False])
def test_offsets_of_a_cache(kind: str, how: str, before: int, static: bool) -> None:
    """`before` keys in the cache, then three queries; one item begins two tokens later."""
    settings = config(how, num_hidden_layers=1, num_key_value_heads=1)
    if kind == "causal":
        settings.sliding_window = None
    cache = hf.StaticCache(settings, max_cache_len=14) if static else hf.DynamicCache(config=settings)
    if before:
        cache.update(torch.zeros(2, 1, before, 4), torch.zeros(2, 1, before, 4), 0)
    real = (torch.arange(before + 3) >= torch.tensor([[0], [2]])).long()
    embeds = torch.empty(2, 3, 0)
    own, ours, _ = pair(MAKERS[kind], settings, inputs_embeds=embeds, attention_mask=real, past_key_values=cache)
    assert own is not None
    hold(own, ours)


@pytest.mark.parametrize("how", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", ["causal", "window"])
def test_packed_documents(kind: str, how: str) -> None:
    own, ours, _ = pair(MAKERS[kind], config(how), position_ids=PACKED)
    assert own is not None
    hold(own, ours)
    assert said(pair(MAKERS[kind], config(how), position_ids=PACKED)[1]) == f"{WORDS[kind]} and own document"


def test_groups_that_see_each_other() -> None:
    own, ours, _ = pair(library.create_causal_mask, config(), block_sequence_ids=GROUPS)
    assert own is not None
    hold(own, ours)


def test_chunks_of_packed_documents_are_left_to_the_library() -> None:
    """Chunks are counted from a document's own beginning there, which distances do not tell."""
    own, ours, reaching = pair(library.create_chunked_causal_mask, config(), position_ids=PACKED)
    assert type(ours) is Tensor
    assert torch.equal(own, ours)
    assert reaching.written == {"a mask function that is not the library's own": 1}


def test_a_function_of_ones_own_is_left_to_the_library() -> None:
    def odd(batch: Any, head: Any, query: Any, key: Any) -> Any:
        return (query + key) % 2 == 0

    own, ours, reaching = pair(library.create_causal_mask, config(), or_mask_function=odd)
    assert type(ours) is Tensor
    assert torch.equal(own, ours)
    assert sum(reaching.written.values()) == 1


def test_a_description_that_does_not_hold_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it would be if a release of the library meant something else by the same words."""
    monkeypatch.setattr(library, "sliding_window_overlay", other_overlay)
    from regard.bridges import transformers_closures as closures

    closures._table.cache_clear()
    try:
        own, ours, _ = pair(library.create_sliding_window_causal_mask, config())
    finally:
        closures._table.cache_clear()
    assert type(ours) is Tensor
    assert torch.equal(own, ours)


def other_overlay(sliding_window: int) -> Any:
    def inner(batch: Any, head: Any, query: Any, key: Any) -> Any:
        return key >= query - sliding_window

    return inner


def test_another_models_masks_are_the_librarys() -> None:
    with answered(config()):
        other = library.create_causal_mask(config("eager"), torch.empty(2, 3, 0), None, None)
    assert type(other) is Tensor


def test_another_thread_and_a_watched_model_get_the_librarys() -> None:
    settings, found = config("eager"), []

    def make() -> None:
        found.append(type(library.create_causal_mask(settings, torch.empty(2, 3, 0), None, None)))

    with answered(settings):
        worker = threading.Thread(target=make)
        worker.start()
        worker.join()
        make()
    with reach(Holder(settings), lambda reached: reached.compute()):
        make()
    make()
    assert found == [Tensor, DescribedMask, Tensor, Tensor]
    assert "__getitem__" not in library.AttentionMaskInterface.__dict__


def test_a_mask_function_registered_under_a_name_of_its_own_is_asked() -> None:
    hf.AttentionMaskInterface.register("always", lambda **given: torch.ones(1, dtype=torch.bool))
    settings = config()
    settings._attn_implementation = "always"
    own, ours, _ = pair(library.create_causal_mask, settings)
    assert torch.equal(own, ours)


def test_a_model_that_adds_to_its_mask_gets_the_true_one() -> None:
    """One that computes by itself, from what a mask function of the library gives."""

    class Own(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.config, self.query = config("eager"), torch.nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            mask = library.create_causal_mask(self.config, x, None, None)
            return torch.softmax(self.query(x) @ x.mT + mask[:, 0, :, : x.shape[1]], -1) @ x

    model, x = Own(), torch.randn(2, 5, 8)
    alone = model(x)
    with reach(model, lambda reached: reached.compute(), answers=True) as reaching:
        out = model(x)
    assert torch.equal(alone, out)
    assert reaching.written == {"__getitem__": 1}


def sizes(query_len: int, key_len: int, offset: int, first: int) -> Sizes:
    return Sizes(2, query_len, key_len, offset, first, torch.device("cpu"))


LEAVES: list[Any] = [
    library.causal_mask_function,
    library.bidirectional_mask_function,
    library.sliding_window_overlay(3),
    library.sliding_window_bidirectional_overlay(2),
    library.chunked_overlay(3, torch.tensor([0, 2])),
    library.blockwise_overlay(torch.cat([GROUPS, torch.full((2, 20), -1)], 1)),
    library.padding_mask_function(torch.arange(31) % 5 > torch.tensor([[0], [1]])),
    library.packed_sequence_mask_function(torch.arange(31)[None] // 4 + torch.tensor([[0], [1]])),
]


def joined() -> st.SearchStrategy[Any]:
    leaves = st.sampled_from(LEAVES)
    parts = st.lists(leaves, min_size=1, max_size=3)
    return st.one_of(
        leaves,
        parts.map(lambda each: library.and_masks(*each)),
        parts.map(lambda each: library.or_masks(*each)),
        st.tuples(parts, leaves).map(lambda both: library.and_masks(library.or_masks(*both[0]), both[1])),
    )


@settings(max_examples=80, deadline=None)
@given(
    function=joined(),
    query_len=st.integers(1, 6),
    keys=st.integers(1, 9),
    offset=st.integers(0, 9),
    first=st.integers(0, 4),
)
def test_closures_joined_in_any_way(function: Any, query_len: int, keys: int, offset: int, first: int) -> None:
    asked = sizes(query_len, keys, offset, first)
    part = spec_of(function, asked)
    assert part is not None
    grid = (torch.arange(2)[:, None, None, None], torch.zeros(1, 1, 1, 1, dtype=torch.long))
    queries, cols = torch.arange(query_len)[:, None] + offset, torch.arange(keys) + first
    expected = function(*grid, queries, cols).expand(2, 1, query_len, keys)
    mask = part.mask
    found = torch.ones(1, dtype=torch.bool) if mask is None else mask.dense(asked.place)
    assert torch.equal(found.expand(2, 1, query_len, keys), expected)


def test_positions_that_jump_where_no_document_ends_are_not_read() -> None:
    jump = library.packed_sequence_compatibility_function
    asked = sizes(11, 11, 0, 0)
    fits = library.find_packed_sequence_indices(PACKED)
    assert spec_of(jump(library.causal_mask_function, PACKED, fits), asked) is not None
    assert spec_of(jump(library.causal_mask_function, PACKED, torch.zeros_like(PACKED)), asked) is None
    assert spec_of(jump(library.causal_mask_function, PACKED, fits.flip(1)), asked) is None
    assert spec_of(library.remap_positions_for_packed_sequence(library.causal_mask_function, PACKED), asked) is None
    inside = library.or_masks(library.remap_positions_for_packed_sequence(library.causal_mask_function, PACKED))
    assert spec_of(inside, asked) is None


def test_sizes_from_the_positions_that_earlier_releases_give() -> None:
    asked = {
        "batch_size": 2,
        "cache_position": torch.arange(4, 7),
        "kv_length": 8,
        "kv_offset": 1,
        "mask_function": len,
    }
    found = Sizes.of(asked)
    assert found == Sizes(2, 3, 8, 4, 1, torch.device("cpu"))
    assert found is not None
    assert found.start == 3
    assert Sizes.of({**asked, "cache_position": torch.tensor([4, 6])}) is None
    assert Sizes.of({"batch_size": 2, "kv_length": 8, "mask_function": len}) is None


def test_an_earlier_release_is_asked_in_its_own_words() -> None:
    """It names the queries' positions; its conditions for leaving a mask out are not asked."""
    from regard.bridges.transformers_masks import _mask

    def sdpa_mask(**given: Any) -> Tensor:
        return torch.ones(2, 1, 3, 3, dtype=torch.bool).tril()

    asked = {"batch_size": 2, "cache_position": torch.arange(3), "kv_length": 3}
    with answered(config()) as reaching:
        given = {**asked, "mask_function": library.causal_mask_function, "config": next(iter([config()]))}
        reaching.configs = frozenset({id(given["config"])})
        made = _mask(reaching, sdpa_mask, **given)
    assert said(made) == "causal"
    hold(sdpa_mask(), made)


@pytest.mark.parametrize("function", [len, library.sliding_window_overlay(0), library.sliding_window_overlay(2.5)])
def test_what_is_not_known_is_not_read(function: Any) -> None:
    assert spec_of(function, sizes(3, 3, 0, 0)) is None
    assert spec_of(library.and_masks(library.causal_mask_function, function), sizes(3, 3, 0, 0)) is None


def test_the_dense_tensor_of_a_description_is_the_librarys() -> None:
    own, ours, _ = pair(library.create_causal_mask, ready(tiny.llama, "eager").config)
    assert own is not None
    assert ours is not None
    assert torch.equal(laid_out(ours), own)
