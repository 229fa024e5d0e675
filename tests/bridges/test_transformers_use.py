"""Models of transformers in use: their own logits, tokens and gradients, and masks that were never laid out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers as hf
from tests.bridges import tiny
from tests.bridges.tiny import LENGTH, PADDINGS, ids, ready
from tests.data_sets import needed
from torch import Tensor

import regard
from regard.allocate.used import OWN, Used
from regard.spec.request import Request

EAGER_ONLY = (tiny.gemma2, tiny.gpt_oss)
TEXT = (
    *(tiny.llama, tiny.mistral, tiny.gemma2, tiny.gemma3, tiny.phi3, tiny.gpt_oss),
    *(tiny.gpt2, tiny.llama4, tiny.bert, tiny.modernbert),
)
CASES = [
    pytest.param(build, how, id=f"{build.__name__}-{how}")
    for build in TEXT
    for how in ("sdpa", "eager")
    if how == "eager" or build not in EAGER_ONLY
]
WRITERS = [case for case in CASES if case.values[0] not in (tiny.bert, tiny.modernbert)]


def text(padding: str = "none", **more: Any) -> dict[str, Any]:
    return {"input_ids": ids(), "attention_mask": PADDINGS[padding], **more}


def all_taken(used: Used) -> None:
    """No call was left to the model, none missed, and no mask laid out."""
    assert (used.kept, used.unseen, used.written) == ({}, {}, {})
    assert used.calls


def both(model: Any, inputs: dict[str, Any]) -> tuple[Tensor, Tensor, Used]:
    """(the model's own first output, the one in use, what was used); nothing kept, unseen or laid out."""
    with torch.no_grad():
        alone = model(**inputs)[0]
        with regard.use(model) as used:
            out = model(**inputs)[0]
        assert torch.equal(model(**inputs)[0], alone)
    all_taken(used)
    return alone, out, used


def hold(alone: Tensor, out: Tensor, tolerance: float = 1e-5) -> None:
    assert float((alone - out).abs().max()) <= tolerance * float(alone.abs().max())


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(("build", "how"), CASES)
def test_logits_are_the_models_own(build: Any, how: str, padding: str) -> None:
    alone, out, used = both(ready(build, how), text(padding))
    real = PADDINGS[padding].bool()
    hold(alone[real], out[real])
    assert all(OWN not in counts for counts in used.calls.values())
    assert len(used.calls) == 2


@pytest.mark.parametrize("how", ["sdpa", "eager"])
def test_encoder_decoders_with_position_bias_and_frames(how: str) -> None:
    alone, out, used = both(ready(tiny.t5, how), text("right", decoder_input_ids=ids(1, 5)))
    hold(alone, out)
    assert len(used.calls) == 6
    frames = torch.randn(2, 8, 26, generator=torch.Generator().manual_seed(2))
    alone, out, used = both(ready(tiny.whisper, how), {"input_features": frames, "decoder_input_ids": ids(1, 5)})
    hold(alone, out)
    assert len(used.calls) == 6


@pytest.mark.parametrize("how", ["sdpa", "eager"])
def test_pictures(how: str) -> None:
    pixels = torch.randn(2, 3, 15, 15, generator=torch.Generator().manual_seed(2))
    hold(*both(ready(tiny.vit, how), {"pixel_values": pixels})[:2])


@pytest.mark.parametrize("cache", [None, "static"])
@pytest.mark.parametrize("padding", ["none", "left"])
@pytest.mark.parametrize(("build", "how"), WRITERS)
def test_generate_writes_the_same_tokens(build: Any, how: str, padding: str, cache: str | None) -> None:
    model, steps = ready(build, how), 7
    more = {} if cache is None else {"cache_implementation": cache}
    given = {**text(padding), "max_new_tokens": steps, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    alone = model.generate(**given, **more)
    with regard.use(model) as used:
        out = model.generate(**given, **more)
    assert torch.equal(alone, out)
    assert {counts.total() for counts in used.calls.values()} == {steps}
    all_taken(used)


@pytest.mark.parametrize("how", ["sdpa", "eager"])
def test_t5_writes_the_same_tokens(how: str) -> None:
    model, given = ready(tiny.t5, how), {**text("left"), "max_new_tokens": 6, "do_sample": False}
    alone = model.generate(**given)
    with regard.use(model) as used:
        assert torch.equal(model.generate(**given), alone)
    all_taken(used)


@pytest.mark.parametrize("build", [tiny.llama, tiny.gemma3], ids=lambda build: build.__name__)
def test_a_prompt_in_parts_stands_where_it_stands(build: Any) -> None:
    """Several queries behind a cache: the first of them is not at position 0."""

    def read(model: Any) -> Tensor:
        cache = hf.DynamicCache(config=model.config)
        return torch.cat([model(part, past_key_values=cache)[0] for part in ids().split([5, 4, 2], 1)], 1)

    model = ready(build, "sdpa")
    with torch.no_grad():
        alone = read(model)
        with regard.use(model) as used:
            hold(alone, read(model))
        assert not used.written
        with regard.watch(model) as seen:
            read(model)
    assert not seen.unseen


def requests(monkeypatch: pytest.MonkeyPatch, model: Any, run: Any) -> list[Any]:
    """(mask and place as the model asked, mask and place as they were run), call by call."""
    found, reduced = [], Used._reduced

    def kept(used: Used, asked: Request) -> Any:
        done = reduced(used, asked)
        found.append((asked.mask, asked.place, done.mask, done.place))
        return done

    monkeypatch.setattr(Used, "_reduced", kept)
    with torch.no_grad(), regard.use(model):
        run(model)
    return found


def test_a_full_cache_of_fixed_size_is_read_up_to_the_last_position(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for 30 keys, 11 of them filled, then one more."""

    def run(model: Any) -> None:
        cache = hf.StaticCache(config=model.config, max_cache_len=30)
        model(ids(), past_key_values=cache)
        model(ids()[:, :1], past_key_values=cache)

    found = requests(monkeypatch, ready(tiny.llama, "eager"), run)
    assert [(mask.words(), place.key_len, place.query_start) for mask, place, _, _ in found[::2]] == [
        ("causal", 30, 0),
        ("causal", 30, 11),
    ]
    assert [(mask if mask is None else mask.words(), place.key_len) for _, _, mask, place in found[::2]] == [
        ("causal", 11),
        (None, 12),
    ]


def test_a_window_is_read_from_where_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """11 keys in a cache that drops none, a window of 4: one query reads 4 keys, and needs no mask."""

    def run(model: Any) -> None:
        cache = hf.DynamicCache()
        model(ids(), past_key_values=cache)
        model(ids()[:, :1], past_key_values=cache)

    found = requests(monkeypatch, ready(tiny.mistral, "eager"), run)
    assert found[0][0].words() == "window of 3 before and 0 after"
    assert (found[-1][0].words(), found[-1][1].key_len) == ("window of 3 before and 0 after", 12)
    assert (found[-1][2], found[-1][3].key_len) == (None, 4)


@pytest.mark.parametrize(("build", "how"), CASES)
def test_gradients_are_the_models_own(build: Any, how: str) -> None:
    """Rows of padding are kept out of the loss, for they may hold anything."""
    model, real = ready(build, how), PADDINGS["left"].bool()

    def gradients() -> dict[str, Tensor]:
        model.zero_grad()
        model(**text("left"))[0][real].square().sum().backward()
        return {name: part.grad.clone() for name, part in model.named_parameters() if part.grad is not None}

    alone = gradients()
    with regard.use(model) as used:
        out = gradients()
    assert alone.keys() == out.keys()
    largest = max(float(part.abs().max()) for part in alone.values())
    for name, part in alone.items():
        assert float((part - out[name]).abs().max()) <= 1e-5 * largest, name
    all_taken(used)


@pytest.mark.parametrize("how", ["sdpa", "eager"])
def test_checkpointed_layers_compute_again_in_the_same_way(how: str) -> None:
    model = ready(tiny.llama, how).train()
    plain = model(**text(), labels=ids(), use_cache=False).loss
    plain.backward()
    alone = model.model.layers[0].self_attn.q_proj.weight.grad.clone()
    model.zero_grad()
    model.activation_checkpointing_enable()
    with regard.use(model) as used:
        model(**text(), labels=ids(), use_cache=False).loss.backward()
    torch.testing.assert_close(model.model.layers[0].self_attn.q_proj.weight.grad, alone, rtol=1e-4, atol=1e-6)
    assert {counts.total() for counts in used.calls.values()} == {2}


def test_dropout_is_as_asked() -> None:
    model = ready(lambda **more: tiny.llama(attention_dropout=0.5, **more), "sdpa").train()
    with regard.use(model) as used:
        torch.manual_seed(1)
        first, second = model(**text())[0], model(**text())[0]
    assert not torch.allclose(first, second)
    assert not used.kept


@pytest.mark.parametrize("build", [tiny.llama, tiny.gemma3, tiny.bert], ids=lambda build: build.__name__)
def test_bfloat16(build: Any) -> None:
    """To 4 % of the largest number: two layers of rounding to eight bits, added up in another order."""
    model = ready(build, "sdpa").to(torch.bfloat16)
    alone, out, _ = both(model, text("right"))
    real = PADDINGS["right"].bool()
    assert out.dtype == torch.bfloat16
    hold(alone[real].float(), out[real].float(), 0.04)


def test_under_inference_mode() -> None:
    model = ready(tiny.gemma3, "eager")
    with torch.inference_mode():
        alone = model(**text("left"))[0]
        with regard.use(model) as used:
            out = model(**text("left"))[0]
    real = PADDINGS["left"].bool()
    hold(alone[real], out[real])
    all_taken(used)


def test_a_caller_who_wants_the_weights_gets_them() -> None:
    model = ready(tiny.bert, "eager")
    with torch.no_grad():
        alone = model(**text("left"), output_attentions=True).attentions
        with regard.use(model) as used:
            found = model(**text("left"), output_attentions=True).attentions
    assert all(torch.equal(*pair) for pair in zip(alone, found, strict=True))
    assert "output_attentions" in used.kept["encoder.layer.0.attention.self"]
    assert used.calls["encoder.layer.0.attention.self"] == {OWN: 1}


def test_a_function_that_computes_something_else_is_found_out() -> None:
    """Registered by a user: scores are squared. It is asked for a few queries, and kept."""

    def squared(module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Any, **more: Any) -> Any:
        weights = torch.softmax((query @ key.mT).square(), -1)
        return (weights @ value).transpose(1, 2), None

    hf.AttentionInterface.register("squared", squared)
    hf.AttentionMaskInterface.register("squared", hf.masking_utils.sdpa_mask)
    model = ready(tiny.vit, "sdpa")
    model.config._attn_implementation = "squared"
    pixels = torch.randn(2, 3, 15, 15, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        alone = model(pixels)[0]
        with regard.use(model) as used:
            out = model(pixels)[0]
    assert torch.equal(alone, out)
    assert "computes something else" in used.kept["layers.0.attention"]


def test_a_function_that_cannot_be_tried_is_kept() -> None:
    def picky(module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Any, **more: Any) -> Any:
        if query.shape[2] != key.shape[2]:
            raise ValueError("as many queries as keys")
        return hf.integrations.sdpa_attention.sdpa_attention_forward(module, query, key, value, attention_mask, **more)

    hf.AttentionInterface.register("picky", picky)
    model = ready(tiny.vit, "sdpa")
    model.config._attn_implementation = "picky"
    with torch.no_grad(), regard.use(model) as used:
        model(torch.zeros(1, 3, 15, 15))
    assert "could not be tried on a few queries: as many queries as keys" in used.kept["layers.0.attention"]


def test_generate_does_not_compile_a_model_in_use() -> None:
    """As it does by itself on a GPU with a cache of fixed size; here because it is told to on every device."""
    model = ready(tiny.llama, "sdpa")
    compiling = hf.CompileConfig(backend="eager", fullgraph=False, mode=None)
    compiling._compile_all_devices = True
    given = {**text("left"), "max_new_tokens": 4, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    alone = model.generate(**given, cache_implementation="static")
    with regard.use(model) as used:
        out = model.generate(**given, cache_implementation="static", compile_config=compiling)
    assert torch.equal(alone, out)
    assert {counts.total() for counts in used.calls.values()} == {4}
    assert "_valid_auto_compile_criteria" in hf.generation.utils.GenerationMixin.__dict__


def test_a_mask_is_asked_for_in_other_words() -> None:
    """By a release of the library that names its arguments otherwise: it gets its own mask."""
    from regard.bridges.transformers_masks import answering

    def sdpa_mask(**given: Any) -> str:
        return "own"

    model = ready(tiny.llama, "sdpa")
    with pytest.MonkeyPatch.context() as patch, regard.use(model):
        patch.setattr(hf.masking_utils, "sdpa_mask", sdpa_mask)
        look_up = answering(lambda self, key: sdpa_mask)
        made = look_up(None, "sdpa")(batch_size=1, cache_position=torch.arange(3), config=model.config)
    assert made == "own"


def test_a_mask_that_the_caller_made_is_read_from_its_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    """A 4-D tensor that the caller made himself is read as before."""
    mask = torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril()[None, None].expand(2, 1, -1, -1)
    model = ready(tiny.llama, "sdpa")
    with torch.no_grad():
        alone = model(ids(), attention_mask=mask)[0]
    found = requests(monkeypatch, model, lambda model: hold(alone, model(ids(), attention_mask=mask)[0]))
    assert [asked.words() for asked, *_ in found] == ["causal", "causal"]


def test_a_function_that_is_called_by_keyword(monkeypatch: pytest.MonkeyPatch) -> None:
    """As models outside of the library may."""
    own = hf.AttentionInterface.get_interface
    model = ready(tiny.vit, "sdpa")

    def by_keyword(self: Any, name: Any, default: Any) -> Any:
        function = own(self, name, default)
        names = ("query", "key", "value", "attention_mask")
        return lambda module, *args, **more: function(module, **dict(zip(names, args, strict=True)), **more)

    pixels = torch.randn(2, 3, 15, 15, generator=torch.Generator().manual_seed(2))
    with torch.no_grad(), regard.use(model) as used:
        reached = hf.AttentionInterface.get_interface
        monkeypatch.setattr(hf.AttentionInterface, "get_interface", by_keyword)
        own = reached
        out = model(pixels)[0]
        monkeypatch.undo()
    with torch.no_grad():
        hold(model(pixels)[0], out)
    all_taken(used)


@pytest.mark.data
@pytest.mark.slow
def test_gemmas_own_weights() -> None:
    """600 tokens, which is more than its window of 512; then four more, one by one."""
    folder = needed("gemma3-270m")
    model = hf.AutoModelForCausalLM.from_pretrained(folder, local_files_only=True).eval()
    prompt = torch.randint(1000, 200_000, (1, 600), generator=torch.Generator().manual_seed(0))
    alone, out, used = both(model, {"input_ids": prompt})
    hold(alone, out)
    assert len(used.calls) == 18
    given = {"input_ids": prompt, "max_new_tokens": 4, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    given["attention_mask"] = torch.ones_like(prompt)
    with regard.use(model):
        tokens = model.generate(**given)
    assert torch.equal(tokens, model.generate(**given))


@pytest.mark.data
def test_minilms_own_weights() -> None:
    model = hf.AutoModel.from_pretrained(needed("minilm"), local_files_only=True).eval()
    prompt = torch.randint(1000, 20_000, (2, 100), generator=torch.Generator().manual_seed(0))
    real = torch.arange(100) < torch.tensor([[100], [40]])
    alone, out, used = both(model, {"input_ids": prompt, "attention_mask": real.long()})
    hold(alone[real], out[real])
    assert len(used.calls) == 6
