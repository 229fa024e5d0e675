"""One input of a model, and the ways to run the model on it: whole, or token after token as in decoding."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from regard.allocate.fingerprint import digest
from regard.spec.errors import SpecError
from regard.spec.value import described

_IDS = "input_ids"
_WHOLE = (torch.int64, torch.int32)


@dataclass(frozen=True, eq=False)
class Sample:
    """What a model is called with. ids: (batch, length) whole numbers, where it is tokens; else None."""

    args: tuple[Tensor, ...]
    named: Mapping[str, Any]
    ids: Tensor | None

    @classmethod
    def of(cls, given: object) -> Sample:
        """From a dict of arguments, a tensor, or a row of token ids (a list, or a tensor with one axis).

        Raises:
            SpecError: it is something else.
        """
        if isinstance(given, Mapping):
            return cls((), given, _tokens(given.get(_IDS)))
        if isinstance(given, (list, tuple)) and given and all(type(each) is int for each in given):
            given = torch.tensor(given)
        if not isinstance(given, Tensor):
            raise SpecError(
                f"a sample is {described(given)}: expected what the model takes, a tensor or a dict of arguments, or a "
                "list of token ids"
            )
        row = given[None] if given.dim() == 1 and given.dtype in _WHOLE else given
        return cls((row,), {}, _tokens(row))

    @property
    def hash(self) -> str:
        """Of the contents, to know the sample again."""
        tensors = [*self.args, *(each for _, each in sorted(self.named.items()) if isinstance(each, Tensor))]
        return digest(tensors)

    def run(self, model: nn.Module, **more: Any) -> Any:
        """Call the model once on the whole of it, on the model's device; `more` as far as the model takes it."""
        if "labels" in self.named:  # a loss is made of all logits
            more.pop("logits_to_keep", None)
        device = next((part.device for part in model.parameters()), torch.device("cpu"))
        args = [each.to(device) for each in self.args]
        named = {name: each.to(device) if isinstance(each, Tensor) else each for name, each in self.named.items()}
        return model(*args, **(taken(model, more) | named))


def _tokens(given: object) -> Tensor | None:
    return given if isinstance(given, Tensor) and given.dtype in _WHOLE and given.dim() == 2 else None


def taken(model: nn.Module, named: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the arguments that the model's `forward` has a name for."""
    names = inspect.signature(model.forward).parameters
    return {name: value for name, value in named.items() if name in names}


def decodes(model: nn.Module, sample: Sample) -> bool:
    """Whether the model reads this sample from left to right and keeps what it has read, as transformers' decoders do:
    `use_cache=` and `past_key_values=`, and attention that is causal."""
    causal = any(getattr(module, "is_causal", False) is True for module in model.modules())
    whole = getattr(getattr(model, "config", None), "is_encoder_decoder", False)
    fit = sample.ids is not None and not set(sample.named) - {_IDS, "attention_mask"}
    return bool(fit and causal and not whole and len(taken(model, {"use_cache": 1, "past_key_values": 1})) == 2)


def check_row(sample: Sample, least: int) -> Tensor:
    """The ids (1, length) of a sample that is to be decoded.

    Raises:
        SpecError: several rows, padding, or fewer than `least` tokens.
    """
    ids, mask = sample.ids, sample.named.get("attention_mask")
    assert ids is not None
    if ids.shape[0] != 1 or (isinstance(mask, Tensor) and not bool(mask.bool().all())):
        raise SpecError(
            f"a sample is a batch of {ids.shape[0]}, or padded: expected one text a sample, without padding"
        )
    check_length(ids, least)
    return ids


def check_length(ids: Tensor, least: int) -> None:
    """Raises `SpecError` where ids (batch, length) are fewer than `least` tokens."""
    length = ids.shape[1]
    if length < least:
        raise SpecError(f"a sample has {length} token{'s' * (length != 1)}: expected at least {least}")


def read_prompt(model: nn.Module, ids: Tensor) -> Any:
    """The cache that holds `ids` (1, length)."""
    return _call(model, ids, None, logits_to_keep=1).past_key_values


def continued(model: nn.Module, ids: Tensor, prompt: int, cache: Any, width: int) -> Iterator[tuple[range, Any]]:
    """(places, what the model gives) for the tokens from `prompt` on, `width` at a time, after `cache`, which grows."""
    for start in range(prompt, ids.shape[1], width):
        places = range(start, min(start + width, ids.shape[1]))
        yield places, _call(model, ids[:, places.start : places.stop], cache)


def copied(cache: Any) -> Any:
    """A cache of its own, to go on from the same prompt once more."""
    return copy.deepcopy(cache)


def _call(model: nn.Module, ids: Tensor, cache: Any, **more: Any) -> Any:
    device = next(part.device for part in model.parameters())
    return model(ids.to(device), past_key_values=cache, use_cache=True, **taken(model, more))


def logits_of(output: Any) -> Tensor | None:
    """(..., classes) what a model says of the next token or of the class, or None where it says no such thing."""
    found = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", None)
    return found if isinstance(found, Tensor) else None


def main_of(output: Any) -> Tensor:
    """The tensor that a model's output comes down to. Raises `SpecError` where there is none."""
    if isinstance(output, Tensor):
        return output
    parts = output.values() if isinstance(output, Mapping) else output if isinstance(output, (list, tuple)) else ()
    for part in parts:
        if isinstance(part, Tensor) and part.is_floating_point():
            return part
    raise SpecError(f"the model gives {described(output)}: expected a tensor, or several of which the first counts")
