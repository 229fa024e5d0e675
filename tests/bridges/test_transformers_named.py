"""`attn_implementation="regard"`: the library's own logits, tokens, gradients and weights, by one explicit call."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf
from tests.bridges import tiny
from tests.bridges.tiny import LENGTH, PADDINGS, ids, ready
from torch import Tensor

import regard
import regard.transformers
from regard.bridges import transformers_named
from regard.engine.seam_exact import Exact
from regard.spec.errors import SpecError
from regard.spec.request import Request

EAGER_ONLY = (tiny.gemma2, tiny.gpt_oss)
WRITERS = (tiny.llama, tiny.mistral, tiny.gemma2, tiny.gemma3, tiny.phi3, tiny.gpt_oss, tiny.gpt2, tiny.llama4)
TEXT = (*WRITERS, tiny.bert, tiny.modernbert)


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    regard.transformers.register()
    yield
    regard.transformers.unregister()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """The requests that were computed."""
    found, own = [], Exact.run

    def run(self: Exact, request: Request) -> Tensor:
        found.append(request)
        return own(self, request)

    monkeypatch.setattr(Exact, "run", run)
    return found


def pair(build: Any) -> tuple[Any, Any]:
    """The same model on the library's attention, and on ours."""
    alone = ready(build, "eager" if build in EAGER_ONLY else "sdpa")
    ours = ready(build, "regard")
    ours.load_state_dict(alone.state_dict())
    return alone, ours


def text(padding: str = "none", **more: Any) -> dict[str, Any]:
    return {"input_ids": ids(), "attention_mask": PADDINGS[padding], **more}


def hold(alone: Tensor, out: Tensor) -> None:
    assert float((alone - out).abs().max()) <= 1e-5 * float(alone.abs().max())


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("build", TEXT, ids=lambda build: build.__name__)
def test_logits_are_those_of_the_librarys_attention(build: Any, padding: str, asked: list[Request]) -> None:
    alone, ours = pair(build)
    real, written = PADDINGS[padding].bool(), dict(transformers_named._KEPT.written)
    with torch.no_grad():
        hold(alone(**text(padding))[0][real], ours(**text(padding))[0][real])
    assert len(asked) == 2
    assert dict(transformers_named._KEPT.written) == written  # no mask was laid out


def test_t5_has_position_biases_and_attention_to_another_text(asked: list[Request]) -> None:
    alone, ours = pair(tiny.t5)
    given = text("right", decoder_input_ids=ids(1, 5))
    with torch.no_grad():
        hold(alone(**given)[0], ours(**given)[0])
    assert len(asked) == 6


def test_pictures_have_no_mask_at_all(asked: list[Request]) -> None:
    alone, ours = pair(tiny.vit)
    pixels = torch.randn(2, 3, 15, 15, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        hold(alone(pixels)[0], ours(pixels)[0])
    assert [request.mask for request in asked] == [None, None]


@pytest.mark.parametrize("cache", [None, "static"])
@pytest.mark.parametrize("build", WRITERS, ids=lambda build: build.__name__)
def test_generate_writes_the_same_tokens_behind_left_padding(build: Any, cache: str | None) -> None:
    alone, ours = pair(build)
    more = {} if cache is None else {"cache_implementation": cache}
    given = {**text("left"), "max_new_tokens": 6, "do_sample": False, "eos_token_id": None, "pad_token_id": 0, **more}
    assert torch.equal(alone.generate(**given), ours.generate(**given))


@pytest.mark.parametrize("build", [tiny.llama, tiny.gemma3], ids=lambda build: build.__name__)
def test_a_prompt_in_parts_stands_where_it_stands(build: Any) -> None:
    def read(model: Any) -> Tensor:
        cache = hf.DynamicCache(config=model.config)
        return torch.cat([model(part, past_key_values=cache)[0] for part in ids().split([5, 4, 2], 1)], 1)

    alone, ours = pair(build)
    with torch.no_grad():
        hold(read(alone), read(ours))


def test_masks_come_as_descriptions_and_are_cut_to_what_is_in_reach(asked: list[Request]) -> None:
    """A window of 4 keys: a token after a prompt of 11 in a cache that drops none."""
    _, ours = pair(tiny.mistral)
    cache = hf.DynamicCache()
    with torch.no_grad():
        ours(ids(), past_key_values=cache)
        ours(ids()[:, :1], past_key_values=cache)
    assert [request.mask.words() for request in asked] == ["window of 3 before and 0 after"] * 4
    cut = Exact().reduced(asked[-1])
    assert (asked[-1].place.key_len, cut.place.key_len, cut.mask) == (12, 4, None)


@pytest.mark.parametrize("build", [tiny.llama, tiny.gemma2, tiny.bert], ids=lambda build: build.__name__)
def test_gradients_are_those_of_the_librarys_attention(build: Any) -> None:
    real = PADDINGS["left"].bool()

    def gradients(model: Any) -> dict[str, Tensor]:
        model(**text("left"))[0][real].square().sum().backward()
        return {name: part.grad for name, part in model.named_parameters() if part.grad is not None}

    alone, ours = (gradients(model) for model in pair(build))
    assert alone.keys() == ours.keys()
    largest = max(float(part.abs().max()) for part in alone.values())
    for name, part in alone.items():
        assert float((part - ours[name]).abs().max()) <= 1e-5 * largest, name


def test_dropout_is_drawn_in_training_alone() -> None:
    model = ready(lambda **more: tiny.llama(attention_dropout=0.5, **more), "regard").train()
    torch.manual_seed(1)
    first, second = model(**text())[0], model(**text())[0]
    assert not torch.allclose(first, second)
    model.eval()
    assert torch.equal(model(**text())[0], model(**text())[0])


def test_weights_that_are_asked_for_are_the_true_ones() -> None:
    """Not an empty tuple, as under sdpa: those of eager, for rows that are no padding."""
    eager = ready(tiny.bert, "eager")
    ours = ready(tiny.bert, "regard")
    ours.load_state_dict(eager.state_dict())
    with torch.no_grad():
        expected = eager(**text("left"), output_attentions=True).attentions
        found = ours(**text("left"), output_attentions=True).attentions
    assert len(found) == 2
    for weights, truth in zip(found, expected, strict=True):
        torch.testing.assert_close(weights, truth, rtol=1e-5, atol=1e-6)
        assert weights.shape == (2, 4, LENGTH, LENGTH)


def test_weights_leave_out_what_a_sink_takes() -> None:
    eager = ready(tiny.gpt_oss, "eager")
    ours = ready(tiny.gpt_oss, "regard")
    ours.load_state_dict(eager.state_dict())
    with torch.no_grad():
        expected, found = (model(**text(), output_attentions=True).attentions for model in (eager, ours))
    for weights, truth in zip(found, expected, strict=True):
        torch.testing.assert_close(weights, truth, rtol=1e-4, atol=1e-6)
        assert float(weights.sum(-1).min()) < 0.999


def test_a_mask_of_the_callers_own_is_read_from_its_entries() -> None:
    mask = torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril()[None, None].expand(2, 1, -1, -1)
    alone, ours = pair(tiny.llama)
    with torch.no_grad():
        hold(alone(ids(), attention_mask=mask)[0], ours(ids(), attention_mask=mask)[0])


def test_a_model_under_the_name_can_be_watched() -> None:
    alone, ours = pair(tiny.llama)
    with torch.no_grad():
        with regard.watch(alone) as one:
            alone(**text("left"))
        with regard.watch(ours) as other:
            ours(**text("left"))
    assert not other.unseen
    for left, right in zip(one.trace().layers, other.trace().layers, strict=True):
        torch.testing.assert_close(left.received, right.received, rtol=1e-4, atol=1e-5)


def test_what_is_saved_loads_without_the_name(tmp_path: Path) -> None:
    ours = ready(tiny.llama, "regard")
    ours.save_pretrained(tmp_path)
    assert "regard" not in (tmp_path / "config.json").read_text()
    regard.transformers.unregister()
    alone = hf.AutoModelForCausalLM.from_pretrained(tmp_path, local_files_only=True)
    assert alone.config._attn_implementation == "sdpa"
    with pytest.raises(ValueError, match='attn_implementation="regard"` is not supported'):
        hf.AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation="regard", local_files_only=True)
    with torch.no_grad(), pytest.raises(KeyError, match="regard"):
        ours(ids())
    ours.set_attn_implementation("sdpa")
    with torch.no_grad():
        assert torch.equal(ours(ids())[0], alone(ids())[0])


def test_a_name_that_is_taken_is_left_alone() -> None:
    regard.transformers.unregister()
    hf.AttentionInterface.register("regard", print)
    try:
        with pytest.raises(SpecError, match="another AttentionInterface entry 'regard'"):
            regard.transformers.register()
        regard.transformers.unregister()
        assert hf.AttentionInterface._global_mapping["regard"] is print
        assert "regard" not in hf.AttentionMaskInterface._global_mapping
    finally:
        del hf.AttentionInterface._global_mapping["regard"]


def test_importing_regard_registers_nothing() -> None:
    code = (
        "import regard, sys; assert 'transformers' not in sys.modules; import transformers; "
        "import regard.transformers; assert 'regard' not in transformers.AttentionInterface._global_mapping"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
