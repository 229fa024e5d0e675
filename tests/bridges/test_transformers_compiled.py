"""Models named "regard" under torch.compile: one graph, the same numbers; what torch's kernel has not is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import transformers as hf

import regard.transformers

SIZES: dict[str, Any] = {"vocab_size": 50, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1}
HEADS: dict[str, Any] = {"num_attention_heads": 2}


@pytest.fixture
def registered() -> Iterator[None]:
    regard.transformers.register()
    torch._dynamo.reset()
    yield
    regard.transformers.unregister()
    torch._dynamo.reset()


def both(model: Any, *, fullgraph: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of real tokens, by itself and compiled as "regard"; the second row is padded on the left."""
    ids, real = torch.randint(3, 50, (2, 7), generator=torch.Generator().manual_seed(0)), torch.ones(2, 7).long()
    real[1, :3] = 0
    with torch.no_grad():
        own = model(ids, attention_mask=real).logits[real.bool()]
        model.set_attn_implementation("regard")
        made = torch.compile(model, fullgraph=fullgraph)(ids, attention_mask=real).logits[real.bool()]
        model.set_attn_implementation("eager")
    return own, made


@pytest.mark.slow
@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("kind", ["Llama", "Bert"])
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_model_is_one_graph_with_the_same_numbers(kind: str) -> None:
    config = getattr(hf, f"{kind}Config")(**SIZES, **HEADS)
    name = "ForCausalLM" if kind == "Llama" else "ForMaskedLM"
    torch.manual_seed(0)
    own, made = both(getattr(hf, kind + name)(config).eval(), fullgraph=True)
    torch.testing.assert_close(made, own, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.usefixtures("registered")
@pytest.mark.filterwarnings("ignore")
def test_softcap_is_in_no_graph() -> None:
    """Asked for one graph torch refuses; else those layers run as they are, and the numbers are the same."""
    torch.manual_seed(0)
    model = hf.Gemma2ForCausalLM(
        hf.Gemma2Config(**SIZES, **HEADS, num_key_value_heads=1, head_dim=8, sliding_window=4)
    ).eval()
    with pytest.raises(torch._dynamo.exc.Unsupported):
        both(model, fullgraph=True)
    model.set_attn_implementation("eager")
    torch._dynamo.reset()
    own, made = both(model, fullgraph=False)
    torch.testing.assert_close(made, own, rtol=1e-5, atol=1e-5)
