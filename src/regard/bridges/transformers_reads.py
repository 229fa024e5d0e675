"""How the answer of a transformers model is read: as classes, as tokens that come next, as a span."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from regard.lens.answers import class_of, class_score, sequence_score
from regard.spec.errors import SpecError
from regard.spec.value import described

__all__ = ["Reads", "reads_of"]


@dataclass(frozen=True, eq=False)
class Reads:
    """target: in words. score: ids (b, tokens), present (b, tokens) -> (b,). before: (1, any) ids that stand behind the
    input: all but the last of the tokens that come next. moves: False where places mean something. next_token: whether
    the answer is what comes next; encoder: whether an encoder reads the input. places: the last so many places are read
    from, None where that is to be found; decoder: how many places the decoder has, where there is an encoder."""

    target: str
    score: Callable[[Tensor, Tensor], Tensor]
    before: Tensor | None = None
    moves: bool = True
    next_token: bool = False
    encoder: bool = False
    places: int | None = None
    decoder: int | None = None

    def readout(self, tokens: int) -> Tensor | None:
        """(tokens,) shares; of an encoder-decoder, of the decoder's."""
        if self.places is None:
            return None
        length = tokens if self.decoder is None else self.decoder
        shares = torch.zeros(length, dtype=torch.float64)
        shares[length - self.places :] = 1 / self.places
        return shares


def reads_of(model: nn.Module, encoded: Mapping[str, Tensor], target: Any, *, tokenizer: Any, written: str) -> Reads:
    """Asks the model once, to see what it answers with.

    Raises `SpecError` for a target that is not there, and for a model without a head.
    """
    call = _Call(model, encoded)
    if bool(getattr(model.config, "is_encoder_decoder", False)) and _writes(model):
        return _decoded(call, target, tokenizer, written)
    if written:
        raise SpecError("written= is for encoder-decoders; of a decoder, what is written is part of the input")
    if _writes(model) and _causal(model):
        return _next(call, target, tokenizer)
    with torch.no_grad():
        output = call(encoded["input_ids"], torch.ones_like(encoded["input_ids"], dtype=torch.bool))
    if getattr(output, "start_logits", None) is not None:
        return _span(call, output, target, encoded["input_ids"], tokenizer)
    logits = getattr(output, "logits", None)
    if not isinstance(logits, Tensor) or logits.dim() not in (2, 3):
        raise SpecError(
            f"{type(model).__name__} answers nothing that could be explained: load it with its head, such as "
            "AutoModelForSequenceClassification or AutoModelForCausalLM"
        )
    if logits.dim() == 2:
        return _class(call, logits, target)
    return _place(call, logits, target, encoded["input_ids"], tokenizer)


class _Call:
    """Calls the model on other ids, with what else it was given."""

    def __init__(self, model: nn.Module, encoded: Mapping[str, Tensor]) -> None:
        self.model, self.encoded = model, encoded
        named = inspect.signature(model.forward).parameters
        self.keeps = "logits_to_keep" in named
        self.masked = "attention_mask" in named
        self.quiet = {"use_cache": False} if "use_cache" in named else {}
        kinds = encoded.get("token_type_ids")
        self.kinds = kinds if kinds is not None and bool(kinds.any()) else None
        self.first = encoded["input_ids"].shape[1]

    def __call__(self, ids: Tensor, present: Tensor, **more: Any) -> Any:
        given: dict[str, Any] = dict(self.quiet)
        if self.masked:
            given["attention_mask"] = self._present(present)
        if self.kinds is not None:
            given["token_type_ids"] = self.kinds.expand(len(ids), -1)
        return self.model(input_ids=ids, **given, **more)

    def _present(self, present: Tensor) -> Tensor:
        """With the padding that the input came with."""
        own = self.encoded.get("attention_mask")
        found = present.long()
        if own is not None and present.shape[1] >= self.first and not bool(own.all()):
            found[:, : self.first] *= own
        return found


def _class(call: _Call, logits: Tensor, target: Any) -> Reads:
    names = getattr(call.model.config, "id2label", None) or {}
    labels = [str(names[place]) for place in range(len(names))] if len(names) == max(2, logits.shape[1]) else None
    chosen, name = class_of(target, logits[0], labels)
    several = getattr(call.model.config, "problem_type", None) == "multi_label_classification"

    def score(ids: Tensor, present: Tensor) -> Tensor:
        return class_score(call(ids, present).logits, chosen, several=several)

    return Reads(name, score, moves=call.kinds is None)


def _place(call: _Call, logits: Tensor, target: Any, ids: Tensor, tokenizer: Any) -> Reads:
    """A class, or a token, of one place."""
    hidden = getattr(tokenizer, "mask_token_id", None)
    place, wanted = target if isinstance(target, tuple) and len(target) == 2 else (None, target)
    if place is None:
        masked = torch.nonzero(ids[0] == hidden)[:, 0].tolist() if hidden is not None else []
        if not masked:
            raise SpecError(f"target={described(target)}: expected (place, label), the place of a token from 0")
        place = masked[0]
    if not isinstance(place, int) or not 0 <= place < ids.shape[1]:
        raise SpecError(f"target={described(target)}: expected a place from 0 to {ids.shape[1] - 1}")
    names = getattr(call.model.config, "id2label", None) or {}
    if _writes(call.model):  # a token is hidden there
        chosen = _one_token(wanted, tokenizer) if wanted is not None else int(logits[0, place].argmax())
        name = _text(tokenizer, [chosen])
    else:
        labels = [str(names[one]) for one in range(len(names))] if len(names) == logits.shape[2] else None
        chosen, name = class_of(wanted, logits[0, place], labels)

    def score(rows: Tensor, present: Tensor) -> Tensor:
        return class_score(call(rows, present).logits[:, place], chosen)

    return Reads(f"{name} at place {place}", score, moves=False)


def _span(call: _Call, output: Any, target: Any, ids: Tensor, tokenizer: Any) -> Reads:
    if target is None:
        start = int(output.start_logits[0].argmax())
        end = start + int(output.end_logits[0, start:].argmax())
    elif isinstance(target, tuple) and len(target) == 2 and all(isinstance(one, int) for one in target):
        start, end = target
    else:
        raise SpecError(f"target={described(target)}: expected (start, end), places of tokens, both included")
    if not 0 <= start <= end < ids.shape[1]:
        raise SpecError(f"target=({start}, {end}): expected places from 0 to {ids.shape[1] - 1}, start before end")

    def score(rows: Tensor, present: Tensor) -> Tensor:
        found = call(rows, present)
        return class_score(found.start_logits, start) + class_score(found.end_logits, end)

    return Reads(_text(tokenizer, ids[0, start : end + 1].tolist()), score, moves=False)


def _next(call: _Call, target: Any, tokenizer: Any) -> Reads:
    """The tokens that come next, of a decoder: those but the last stand behind the input."""
    ids = call.encoded["input_ids"]
    wanted = _wanted(target, tokenizer, ids[0].tolist())
    if wanted is None:
        with torch.no_grad():
            more = {"logits_to_keep": 1} if call.keeps else {}
            logits = call(ids, torch.ones_like(ids, dtype=torch.bool), **more).logits
        wanted = [int(logits[0, -1].argmax())]
    asked = torch.tensor(wanted)

    def score(rows: Tensor, present: Tensor) -> Tensor:
        lengths = present.sum(-1)
        keep = int(rows.shape[1] - lengths.min()) + len(wanted)
        more = {"logits_to_keep": keep} if call.keeps else {}
        logits = call(rows, present, **more).logits
        last = lengths - 1 - (rows.shape[1] - logits.shape[1])
        return sequence_score(logits, last, asked)

    before = asked[None, :-1] if len(wanted) > 1 else None
    return Reads(_text(tokenizer, wanted), score, before=before, next_token=True, places=len(wanted))


def _decoded(call: _Call, target: Any, tokenizer: Any, written: str) -> Reads:
    """The tokens that come next, of an encoder-decoder, behind what it has written."""
    begin = getattr(call.model.config, "decoder_start_token_id", None)
    if begin is None:
        begin = getattr(call.model.config, "bos_token_id", None)
    if begin is None:
        raise SpecError(f"{type(call.model).__name__} does not say which token its decoder begins with")
    so_far = [int(begin), *(_ids(written, tokenizer) if written else [])]
    wanted = _wanted(target, tokenizer, None)
    if wanted is None:
        with torch.no_grad():
            ids = call.encoded["input_ids"]
            made = call(ids, torch.ones_like(ids, dtype=torch.bool), decoder_input_ids=torch.tensor([so_far])).logits
        wanted = [int(made[0, -1].argmax())]
    asked, given = torch.tensor(wanted), torch.tensor([so_far + wanted[:-1]])

    def score(rows: Tensor, present: Tensor) -> Tensor:
        logits = call(rows, present, decoder_input_ids=given.expand(len(rows), -1)).logits
        return sequence_score(logits, torch.full((len(rows),), given.shape[1] - 1), asked)

    text = _text(tokenizer, wanted)
    return Reads(text, score, next_token=True, encoder=True, places=len(wanted), decoder=given.shape[1])


def _wanted(target: Any, tokenizer: Any, before: list[int] | None) -> list[int] | None:
    """The ids of the tokens that are meant. before: those of the input, as which a text may be cut with it."""
    if target is None:
        return None
    if isinstance(target, int) and not isinstance(target, bool):
        return [target]
    if not isinstance(target, str) or not target:
        raise SpecError(f"target={described(target)}: expected a text, or the id of a token")
    return _ids(target, tokenizer)


def _ids(text: str, tokenizer: Any) -> list[int]:
    if tokenizer is None:
        raise SpecError("a text was given without tokenizer=: pass the model's own, or ids")
    found: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    if not found:
        raise SpecError(f"target={described(text)}: the tokenizer makes no tokens of it")
    return found


def _one_token(wanted: Any, tokenizer: Any) -> int:
    if isinstance(wanted, int) and not isinstance(wanted, bool):
        return wanted
    found = _ids(str(wanted), tokenizer)
    if len(found) != 1:
        raise SpecError(f"target={described(wanted)} is {len(found)} tokens, and one is hidden: expected one")
    return found[0]


def _text(tokenizer: Any, ids: list[int]) -> str:
    return " ".join(map(str, ids)) if tokenizer is None else str(tokenizer.decode(ids))


def _writes(model: nn.Module) -> bool:
    """Whether its head tells tokens of the vocabulary."""
    found = getattr(model, "get_output_embeddings", None)
    return callable(found) and found() is not None


def _causal(model: nn.Module) -> bool:
    """Whether it tells the token after each, and not the one that is hidden."""
    name = type(model).__name__
    return "MaskedLM" not in name and ("CausalLM" in name or "LMHead" in name or bool(model.can_generate()))  # type: ignore[operator]
