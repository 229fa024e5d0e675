"""Which model a file was made for: its class, its sizes, its configuration, and a few of its weights."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from regard.allocate.stored import exactly
from regard.spec.errors import DataError, SpecError
from regard.spec.value import described

_TENSORS = 32  # of the model's parameters, evenly spread, are looked at
_NUMBERS = 64  # of each of those
_LETTERS = 16  # of a hash: 64 bits
# What a configuration says that does not change what the model computes.
_ASIDE = (
    "dtype",
    "torch_dtype",
    "transformers_version",
    "architectures",
    "use_cache",
    "output_attentions",
    "output_hidden_states",
    "return_dict",
    "attn_implementation",
    "name_or_path",
)


@dataclass(frozen=True)
class Fingerprint:
    """kind: the model's class. parameters: how many numbers. shapes: a hash of the parameters' names and shapes.
    config: of the configuration, "" where there is none. weights: of some of the weights, rounded to bfloat16, so that
    a model in float32 and the same model in bfloat16 are one."""

    kind: str
    parameters: int
    shapes: str
    config: str
    weights: str

    def __post_init__(self) -> None:
        whole = isinstance(self.parameters, int) and not isinstance(self.parameters, bool)
        if not whole or not all(isinstance(getattr(self, each), str) for each in _TEXTS):
            raise DataError(f"{self!r}: expected a whole number of parameters, and texts")

    @classmethod
    def of(cls, model: nn.Module) -> Fingerprint:
        """The fingerprint of a model. Reads about 2,000 of its weights.

        Raises:
            SpecError: it is no module, or its weights are not there (on the device "meta").
        """
        if not isinstance(model, nn.Module):
            raise SpecError(f"{described(model)} is no torch.nn.Module: pass the model itself")
        parts = list(model.named_parameters())
        if any(part.is_meta for _, part in parts):
            raise SpecError(f"{type(model).__name__} has weights on the device 'meta': load them first")
        shapes = [(name, tuple(part.shape)) for name, part in parts]
        count = sum(part.numel() for _, part in parts)
        return cls(type(model).__name__, count, _hash(shapes), _config(model), _weights([part for _, part in parts]))

    def check(self, model: nn.Module, what: str) -> None:
        """Raises `SpecError` for another model than this is of; `what` names the thing that was made for it."""
        found = Fingerprint.of(model)
        if found == self:
            return
        if (found.kind, found.shapes) != (self.kind, self.shapes):
            told = (
                f"a {self.kind} of {self.parameters:,} parameters, and this is a {found.kind} of {found.parameters:,}"
            )
            if (found.kind, found.parameters) == (self.kind, self.parameters):
                told += ", of other shapes or names"
        elif found.config != self.config:
            told = f"a {self.kind} with another configuration"
        else:
            told = f"a {self.kind} with other weights (has it been trained since?)"
        raise SpecError(f"this {what} was made for {told}; make one for this model (regard profile, regard allocate)")

    def plain(self) -> dict[str, Any]:
        """As plain values, for a file."""
        return asdict(self)

    @classmethod
    def from_plain(cls, given: Any, where: str) -> Fingerprint:
        """What `plain` gave. Raises `DataError` for anything else."""
        return cls(**exactly(given, tuple(each.name for each in fields(cls)), where))


_TEXTS = ("kind", "shapes", "config", "weights")


def digest(tensors: list[Tensor]) -> str:
    """A hash of tensors' shapes and contents, whatever device they are on."""
    made = hashlib.blake2b()
    for tensor in tensors:
        plain = tensor.detach().to("cpu").contiguous()
        made.update(f"{plain.dtype} {tuple(plain.shape)} ".encode())
        made.update(plain.flatten().view(torch.uint8).numpy().tobytes() if plain.numel() else b"")
    return made.hexdigest()[:_LETTERS]


def _weights(parts: list[Tensor]) -> str:
    chosen = parts[:: max(1, len(parts) // _TENSORS)]
    few = []
    for part in chosen:
        flat = part.detach().reshape(-1)
        few.append(flat[:: max(1, len(flat) // _NUMBERS)][:_NUMBERS].to(torch.bfloat16))
    return digest(few)


def _config(model: nn.Module) -> str:
    config: Any = getattr(model, "config", None)
    told = config.to_dict() if hasattr(config, "to_dict") else config
    return _hash(_settled(told)) if isinstance(told, dict) else ""


def _settled(values: Any) -> Any:
    if not isinstance(values, dict):
        return values
    return {
        name: _settled(value)
        for name, value in values.items()
        if not str(name).startswith("_") and name not in _ASIDE and value is not None
    }


def _hash(values: Any) -> str:
    return hashlib.blake2b(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:_LETTERS]
