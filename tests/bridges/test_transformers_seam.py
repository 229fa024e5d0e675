"""The way into transformers: open while it is used, for the one who uses it, and wary of what it cannot read."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers as hf
from tests.bridges import tiny
from tests.bridges.tiny import PADDINGS, ids, ready
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS, AttentionInterface

from regard.bridges import transformers as bridge
from regard.bridges.transformers_calls import Call, read_call
from regard.engine.seam_mask import MaskReader
from regard.engine.seams import reach
from regard.kernels import reference
from regard.lens.watch import watch
from regard.spec import SpecError

INPUTS = {"input_ids": ids(), "attention_mask": PADDINGS["left"]}
OWN = AttentionInterface.__dict__["get_interface"]


@pytest.fixture(autouse=True)
def _untouched() -> Any:
    yield
    assert AttentionInterface.__dict__["get_interface"] is OWN
    assert [look_up._users for look_up in (bridge._FUNCTIONS, bridge._MASKS, bridge._COMPILING)] == [0, 0, 0]


def test_the_library_is_itself_again_also_after_an_exception() -> None:
    model = ready(tiny.llama, "sdpa")
    with watch(model):
        assert AttentionInterface.__dict__["get_interface"] is not OWN
        # outside of the model, the function is the library's own
        assert ALL_ATTENTION_FUNCTIONS.get_interface("sdpa", None) is ALL_ATTENTION_FUNCTIONS["sdpa"]
    with pytest.raises(ZeroDivisionError), watch(model):
        raise ZeroDivisionError


def test_the_models_configuration_stays_as_it_is() -> None:
    model = ready(tiny.llama, "eager")
    before = model.config.to_dict()
    with watch(model):
        model(**INPUTS)
        assert model.config.to_dict() == before
        assert model.config._attn_implementation == "eager"


def test_output_attentions_are_what_they_are_unwatched() -> None:
    model = ready(tiny.bert, "eager")
    alone = model(**INPUTS, output_attentions=True).attentions
    with watch(model):
        seen = model(**INPUTS, output_attentions=True).attentions
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(seen, alone, strict=True))


def test_one_thread_watches_and_another_does_not() -> None:
    watched, plain = ready(tiny.llama, "sdpa"), ready(tiny.bert, "eager")
    expected, found = plain(**INPUTS)[0], {}
    at = threading.Barrier(2)

    def unwatched() -> None:
        torch.get_num_threads()  # or this thread's first product is on another number of threads
        at.wait()
        found["out"] = plain(**INPUTS)[0]
        found["same model"] = watched(**INPUTS)[0]
        at.wait()

    thread = threading.Thread(target=unwatched)
    thread.start()
    with watch(watched) as seen:
        at.wait()
        out = watched(**INPUTS)[0]
        at.wait()
    thread.join()
    assert torch.equal(found["out"], expected)
    assert torch.equal(found["same model"], out)
    assert seen.runs == 1
    assert len(seen.trace().layers) == 2


def test_two_threads_watch_two_models() -> None:
    found: dict[str, list[str]] = {}
    at = threading.Barrier(2)

    def run(name: str, build: Any) -> None:
        model = ready(build, "sdpa")
        with watch(model) as seen:
            at.wait()
            model(**INPUTS)
            at.wait()
        found[name] = [layer.name for layer in seen.trace().layers]

    threads = [threading.Thread(target=run, args=pair) for pair in (("gpt2", tiny.gpt2), ("bert", tiny.bert))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found["gpt2"] == ["transformer.h.0.attn", "transformer.h.1.attn"]
    assert found["bert"] == ["encoder.layer.0.attention.self", "encoder.layer.1.attention.self"]


def test_a_function_someone_registered_is_read_if_it_computes_attention() -> None:
    def plain(module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **kwargs: Any) -> Any:
        return hf.models.bert.modeling_bert.eager_attention_forward(module, query, key, value, attention_mask, **kwargs)

    def sharper(module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **kwargs: Any) -> Any:
        return plain(module, 3 * query, key, value, attention_mask, **kwargs)

    for function, expected in ((plain, 2), (sharper, 0)):
        AttentionInterface._global_mapping["mine"] = function
        hf.AttentionMaskInterface.register("mine", hf.masking_utils.eager_mask)
        try:
            model = ready(tiny.bert, "mine")
            with watch(model) as seen:
                model(**INPUTS)
            if expected:
                assert len(seen.trace().layers) == expected
            else:
                with pytest.raises(SpecError, match="does not give the model's own output"):
                    seen.trace()
        finally:
            del AttentionInterface._global_mapping["mine"]
            del hf.masking_utils.AttentionMaskInterface._global_mapping["mine"]


def test_a_model_beside_the_interface_is_listed_by_name() -> None:
    bloom = hf.BloomModel(hf.BloomConfig(vocab_size=53, hidden_size=32, n_layer=2, n_head=4)).eval()
    with watch(bloom) as seen:
        bloom(**INPUTS)
    assert list(seen.unseen) == ["h.0.self_attention", "h.1.self_attention"]
    with pytest.raises(SpecError, match=r"no attention of BloomModel could be seen: h\.0\.self_attention computes"):
        seen.trace()


def test_a_layer_used_again_in_one_pass_is_a_layer_each_time() -> None:
    config = hf.AlbertConfig(
        vocab_size=53,
        hidden_size=32,
        embedding_size=16,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=24,
        attn_implementation="sdpa",
    )
    model = hf.AlbertModel(config).eval()
    with watch(model) as seen:
        model(**INPUTS)
    name = "encoder.albert_layer_groups.0.albert_layers.0.attention"
    assert [layer.name for layer in seen.trace().layers] == [name, f"{name}#2", f"{name}#3"]


# calls of kernels that do not run here, read all the same


def flash_attention_forward(module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **kwargs: Any) -> Any:
    raise AssertionError


def qkv(queries: int = 5, keys: int = 7) -> dict[str, torch.Tensor]:
    source = torch.Generator().manual_seed(1)
    query = torch.randn(2, 4, queries, 8, generator=source)
    key, value = (torch.randn(2, 2, keys, 8, generator=source) for _ in "kv")
    return {"query": query, "key": key, "value": value}


def allowed(given: dict[str, Any], *, causal: bool = True) -> torch.Tensor:
    """(batch, queries, keys): where a flash kernel's call lets a query look."""
    module = SimpleNamespace(is_causal=causal)
    call = Call(flash_attention_forward, "flash_attention_2", {"module": module, **qkv(), **given})
    request = read_call(MaskReader(), call)
    return torch.from_numpy(reference.steps(request).allowed)[:, 0]


def test_flash_kernels_are_told_padding_and_window_apart() -> None:
    query, key = torch.arange(2, 7)[:, None], torch.arange(7)  # the last query sits on the last key
    real = torch.arange(7) >= torch.tensor([[0], [2]])
    full = torch.ones(5, 7, dtype=torch.bool).expand(2, -1, -1)
    assert torch.equal(allowed({"attention_mask": None}), (key <= query).expand(2, -1, -1))
    assert torch.equal(allowed({"attention_mask": None}, causal=False), full)
    assert torch.equal(allowed({"attention_mask": real}), (key <= query) & real[:, None])
    window = {"attention_mask": None, "sliding_window": 3}
    assert torch.equal(allowed(window), ((key <= query) & (key > query - 3)).expand(2, -1, -1))
    assert torch.equal(allowed(window, causal=False), ((key - query).abs() < 3).expand(2, -1, -1))
    assert torch.equal(allowed({"attention_mask": real}, causal=False), full & real[:, None])


def eager_attention_forward(module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **kwargs: Any) -> Any:
    raise AssertionError


def test_calls_that_cannot_be_read_say_why() -> None:
    def read(**given: Any) -> Any:
        known = {"module": SimpleNamespace(), "attention_mask": None, **qkv(), **given}
        return read_call(MaskReader(), Call(eager_attention_forward, "eager", known))

    with pytest.raises(SpecError, match="paged cache"):
        read(cache=object())
    with pytest.raises(SpecError, match=r"its mask is \(5, 7\): expected"):
        read(attention_mask=torch.zeros(5, 7))
    with pytest.raises(SpecError, match="its mask is a object: expected a tensor or a BlockMask"):
        read(attention_mask=object())
    assert read(query=qkv()["query"][:1]).place.batch == 2  # learned queries, the same for every item


def test_a_block_mask_of_flex_attention_is_written_out() -> None:
    from torch.nn.attention.flex_attention import create_block_mask

    block = create_block_mask(lambda b, h, q, k: k <= q, 2, None, 7, 7, device="cpu", BLOCK_SIZE=4)
    given = {"module": SimpleNamespace(), "attention_mask": block, **qkv(7, 7)}
    request = read_call(MaskReader(), Call(eager_attention_forward, "flex_attention", given))
    assert request.mask.words() == "causal"


def test_without_the_library_loaded_nothing_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge.sys, "modules", {})
    with bridge.opened():
        assert AttentionInterface.__dict__["get_interface"] is OWN


class Keeps(torch.nn.Module):
    """Takes the function and calls it later."""

    def forward(self) -> Any:
        self.function = ALL_ATTENTION_FUNCTIONS.get_interface("sdpa", None)
        return self.function


def test_a_function_called_outside_of_the_model_is_the_librarys() -> None:
    model, seen = Keeps(), []
    inputs = qkv(7, 7)
    module = SimpleNamespace(is_causal=False, num_key_value_groups=2)
    with reach(model, seen.append):
        function = model()
        out = function(module, *inputs.values(), None)[0]
    assert not seen
    assert torch.equal(out, ALL_ATTENTION_FUNCTIONS["sdpa"](module, *inputs.values(), None)[0])


def test_what_the_handler_gives_is_what_the_model_gets() -> None:
    model = ready(tiny.bert, "sdpa")
    with reach(model, lambda reached: (torch.zeros_like(reached.compute()[0]), None)):
        zeroed = model(**INPUTS)[0]
    assert not torch.equal(zeroed, model(**INPUTS)[0])
