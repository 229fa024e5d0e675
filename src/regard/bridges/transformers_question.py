"""Questions about the answers of transformers models: a text or a picture in; a class, tokens, or a span out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from regard.bridges.transformers_reads import reads_of
from regard.lens import grouping
from regard.lens.put import Embedding
from regard.lens.question import Question
from regard.lens.token_question import TokenInput, token_question
from regard.lens.units import Units
from regard.spec.errors import DataError, SpecError
from regard.spec.value import described

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["ask"]


def ask(
    model: nn.Module,
    inputs: str | tuple[str, str] | Tensor | Mapping[str, Tensor] | Image,
    target: Any = None,
    *,
    tokenizer: Any = None,
    processor: Any = None,
    words: bool = False,
    written: str = "",
    others: Sequence[Any] = (),
    seed: int = 0,
) -> Question:
    """The question about one input of a transformers model.

    inputs: a text, or a question and a text, with `tokenizer`; token ids; what a tokenizer or a processor gives; or a
    picture (Pillow's, or an array) with `processor`. target, by what the model answers with:

    - classes: a label or its index
    - the next token (decoders, encoder-decoders): a text, whose tokens' probabilities are multiplied, or a token's id.
      `written`: what an encoder-decoder has written so far
    - hidden tokens: (place, token), by default of the first mask
    - a class for each token: (place, label)
    - a span (question answering): (start, end), places of tokens, both included

    By default what the model answers itself. words: units are words instead of tokens. others: more inputs, to draw
    tokens or patches from.

    Raises:
        SpecError: a target that is not there, a text without tokenizer, a model without a head that answers.
        DataError: a text without tokens.
    """
    picture = _picture(model, inputs, processor)
    if picture is not None:
        from regard.bridges.transformers_picture import picture_question

        more = [found for one in others if (found := _picture(model, one, processor)) is not None]
        return picture_question(model, picture, target, others=more)
    encoded = _encoded(inputs, tokenizer)
    fixed = _special(encoded, tokenizer)
    ids = encoded["input_ids"]
    if bool(fixed.all()):
        raise DataError("the text has no tokens but special ones: there is nothing to weigh")
    reads = reads_of(model, encoded, target, tokenizer=tokenizer, written=written)
    units, tokens = _units(inputs, encoded, fixed, tokenizer, words=words)
    if reads.before is not None:  # what the answer is made of stands behind the input, and always stays
        ids = torch.cat((ids, reads.before), 1)
        tokens = torch.cat((tokens, torch.full((reads.before.shape[1],), -1)))
    drawn = [one for other in others if len(one := _drawn(other, tokenizer))]
    if reads.encoder:  # which may hold an embedding of its own, or share the decoder's
        embedding = Embedding.found(model, ids, lambda: reads.score(ids, torch.ones_like(ids, dtype=torch.bool)))
    else:
        embedding = Embedding(model.get_input_embeddings())  # type: ignore[operator]
    given = TokenInput(
        ids=ids,
        units=units,
        tokens=tokens,
        target=reads.target,
        score=reads.score,
        model=model,
        embedding=embedding,
        replacement=None if reads.next_token and not reads.encoder else _replacement(tokenizer),
        padding=_number(getattr(tokenizer, "pad_token_id", None), getattr(model.config, "pad_token_id", None)),
        moves=reads.moves,
        others=torch.cat(drawn) if drawn else None,
        mean=_mean(embedding.module, ids),
        readout=reads.readout(ids.shape[1]),
        name=type(model).__name__,
        seed=seed,
    )
    return token_question(given)


def _encoded(inputs: Any, tokenizer: Any) -> dict[str, Tensor]:
    """One input as tensors, (1, tokens) each."""
    if isinstance(inputs, Tensor):
        inputs = {"input_ids": inputs[None] if inputs.dim() == 1 else inputs}
    if isinstance(inputs, Mapping) and "input_ids" in inputs:
        found = {name: one for name, one in inputs.items() if isinstance(one, Tensor)}
        if found["input_ids"].dim() != 2 or found["input_ids"].shape[0] != 1:
            raise SpecError(f"input_ids={described(found['input_ids'])}: expected (1, tokens), one input at a time")
        return found
    texts = inputs if isinstance(inputs, tuple) else (inputs,)
    if not all(isinstance(text, str) for text in texts) or not 1 <= len(texts) <= 2:
        raise SpecError(f"inputs={described(inputs)}: expected a text, (question, text), token ids, or a picture")
    if tokenizer is None:
        raise SpecError("a text was given without tokenizer=: pass the model's own, AutoTokenizer.from_pretrained(...)")
    made = tokenizer(
        *texts, return_tensors="pt", return_offsets_mapping=bool(getattr(tokenizer, "is_fast", False)), verbose=False
    )
    return dict(made)


def _special(encoded: Mapping[str, Tensor], tokenizer: Any) -> Tensor:
    """(tokens,) bool: True for what always stays: special tokens, padding."""
    ids = encoded["input_ids"][0]
    named = set() if tokenizer is None else set(tokenizer.all_special_ids)
    fixed = torch.tensor([one in named for one in ids.tolist()])
    present = encoded.get("attention_mask")
    return fixed if present is None else fixed | (present[0] == 0)


def _units(
    inputs: Any, encoded: dict[str, Tensor], fixed: Tensor, tokenizer: Any, *, words: bool
) -> tuple[Units, Tensor]:
    """The units of the tokens that may go, and the unit of each place, -1 for those that stay."""
    places = torch.nonzero(~fixed)[:, 0].tolist()
    spans = encoded.pop("offset_mapping", None)
    ids = encoded["input_ids"][0]
    names = [str(one) for one in ids.tolist()] if tokenizer is None else tokenizer.convert_ids_to_tokens(ids.tolist())
    if isinstance(inputs, str) and spans is not None:
        bounds = tuple((int(spans[0, place, 0]), int(spans[0, place, 1])) for place in places)
        units = Units(tuple(inputs[start:end] for start, end in bounds), "token", spans=bounds, source=inputs)
    else:
        units = Units(tuple(str(names[place]) for place in places), "token")
    owner = list(range(len(places)))
    if words:
        grouped = grouping.words(units)
        units, owner = grouped.units, list(grouped.of)
    tokens = torch.full((len(ids),), -1)
    tokens[torch.tensor(places)] = torch.tensor(owner)
    return units, tokens


def _drawn(inputs: Any, tokenizer: Any) -> Tensor:
    encoded = _encoded(inputs, tokenizer)
    return encoded["input_ids"][0][~_special(encoded, tokenizer)]


def _replacement(tokenizer: Any) -> tuple[int, str] | None:
    """A token that stands for no word: the mask, or the unknown token where that is a token of its own."""
    edges = [getattr(tokenizer, name, None) for name in ("bos_token", "eos_token")]
    for name in ("mask_token", "unk_token"):
        text = getattr(tokenizer, name, None)
        if text is not None and text not in edges:
            return int(getattr(tokenizer, f"{name}_id")), str(text)
    return None


def _mean(embedding: nn.Module, ids: Tensor) -> Tensor | None:
    """(dim,) the vocabulary's mean vector, as large as the embedding makes its vectors (some multiply them)."""
    table = getattr(embedding, "weight", None)
    if not isinstance(table, Tensor) or table.dim() != 2:
        return None
    with torch.no_grad():
        own, made = table[ids[0]].float(), embedding(ids)[0].float()
        if own.shape != made.shape:
            return None
        scale = (own * made).sum() / (own * own).sum().clamp(min=1e-30)
        mean: Tensor = table.float().mean(0) * scale
        return mean


def _number(*given: Any) -> int:
    return next((int(one) for one in given if isinstance(one, int)), 0)


def _picture(model: nn.Module, inputs: Any, processor: Any) -> Tensor | None:
    """Pixel values (1, channels, rows, cols), where a picture was given."""
    if isinstance(inputs, Mapping) and "pixel_values" in inputs and "input_ids" not in inputs:
        found: Tensor = inputs["pixel_values"]
        return found
    if isinstance(inputs, Tensor) and inputs.is_floating_point() and inputs.dim() == 4:
        return inputs
    if isinstance(inputs, (str, tuple, Tensor, Mapping)):
        return None
    if processor is None:
        raise SpecError(
            f"inputs={described(inputs)} was given without processor=: pass the model's own, "
            "AutoImageProcessor.from_pretrained(...), or a text with tokenizer="
        )
    made: Tensor = processor(images=inputs, return_tensors="pt")["pixel_values"]
    return made
