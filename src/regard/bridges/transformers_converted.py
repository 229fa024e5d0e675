"""A trained run as a model of transformers, and how far the two are apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from regard.nn.attention import MultiHeadAttention

State = dict[str, Tensor]
Logits = Callable[[Any, Tensor], Tensor]  # (a loaded model of transformers, ids (1, len)) -> logits (1, ..., vocab)


@dataclass(frozen=True, eq=False)
class Converted:
    """model: of transformers, with the run's weights. auto: the class that opens its folder. pipeline: the task's name
    for `transformers.pipeline`, where the library has one. own, theirs: logits of the run's model and of the other's
    for ids (1, len). longest: ids that are read at once. first: the id that every text begins with, None for none.
    differs: what is not alike, in words, though the logits are."""

    model: Any
    tokenizer: Any
    auto: str
    pipeline: str | None
    own: Callable[[Tensor], Tensor]
    theirs: Logits
    longest: int
    first: int | None = None
    differs: tuple[str, ...] = ()
    generation: Mapping[str, Any] = field(default_factory=dict)

    @property
    def architecture(self) -> str:
        return type(self.model).__name__


def linear(state: State, name: str, layer: Any) -> None:
    """One linear layer or normalisation, under another name."""
    state[f"{name}.weight"], state[f"{name}.bias"] = layer.weight.detach(), layer.bias.detach()


def projections(state: State, name: str, attention: MultiHeadAttention) -> None:
    """The four projections under the names that Bart and its kin use."""
    for theirs, ours in (("q_proj", "query"), ("k_proj", "key"), ("v_proj", "value"), ("out_proj", "output")):
        linear(state, f"{name}.{theirs}", getattr(attention, ours))


def filled(model: Any, state: State) -> Any:
    """The model with exactly these weights. Those that it makes itself, or holds twice, may be left out."""
    missing, unexpected = model.load_state_dict({name: one.clone() for name, one in state.items()}, strict=False)
    tied = set(getattr(model, "all_tied_weights_keys", None) or ())
    made = {name for name in missing if name in tied or "embed_positions" in name or "embed_tokens" in name}
    assert not unexpected, f"no such weights: {unexpected}"
    assert set(missing) <= made, f"weights without a value: {sorted(set(missing) - made)}"
    model.tie_weights()
    return model.eval()


def wrapped(library: Any, tokenizer: Tokenizer, longest: int, **signs: str) -> Any:
    """A tokenizer of the `tokenizers` library as transformers keeps one."""
    return library.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=longest, clean_up_tokenization_spaces=False, **signs
    )


def drawn_ids(longest: int, vocabulary: int, first: int | None, *, signs: int) -> list[Tensor]:
    """(1, len) ids at five lengths, drawn from the vocabulary beside its first `signs` entries."""
    draw = torch.Generator().manual_seed(0)
    lengths = sorted({1, min(2, longest), max(1, longest // 4), max(1, longest // 2), longest})
    found = []
    for length in lengths:
        ids = torch.randint(signs, max(vocabulary, signs + 1), (1, length), generator=draw)
        if first is not None:
            ids[0, 0] = first
        found.append(ids)
    return found
