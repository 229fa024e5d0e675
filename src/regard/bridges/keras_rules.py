"""How the projections of a Keras layer are begun, held down and bounded, and the projections made so."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import keras

_FREE = "abcdefgh"  # letters of the axes that a projection leaves alone
_KINDS = {"initializer": keras.initializers, "regularizer": keras.regularizers, "constraint": keras.constraints}


@dataclass(frozen=True)
class Rules:
    """Keras's initializers, regularizers and constraints, by the names its layers give them."""

    kernel_initializer: Any
    bias_initializer: Any
    kernel_regularizer: Any
    bias_regularizer: Any
    activity_regularizer: Any
    kernel_constraint: Any
    bias_constraint: Any

    @classmethod
    def of(cls, **given: Any) -> Rules:
        """From names, configs or objects, as Keras's layers take them."""
        return cls(**{name: _kind(name).get(value) for name, value in given.items()})

    def config(self) -> dict[str, Any]:
        """For `get_config`."""
        return {f.name: _kind(f.name).serialize(getattr(self, f.name)) for f in fields(self)}

    def split(self, shape: Any, heads: int, size: int, **more: Any) -> Any:
        """A built projection (batch, ..., dim) -> (batch, ..., heads, size)."""
        free = _FREE[: len(shape) - 1]
        dense = self._dense(f"{free}x,xyz->{free}yz", (*shape[1:-1], heads, size), ends="yz", **more)
        dense.build(shape)
        return dense

    def join(self, shape: Any, heads: int, size: int, made: tuple[int, ...], **more: Any) -> Any:
        """A built projection (batch, ..., heads, size) -> (batch, ..., *made); `shape` (batch, ..., dim)."""
        free, ends = _FREE[: len(shape) - 1], "opqrstuvw"[: len(made)]
        dense = self._dense(f"{free}yz,yz{ends}->{free}{ends}", (*shape[1:-1], *made), ends=ends, **more)
        dense.build((*shape[:-1], heads, size))
        return dense

    def _dense(self, equation: str, output_shape: Any, *, ends: str, use_bias: bool, **more: Any) -> Any:
        rules = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in ("kernel_initializer", "bias_initializer"):  # one each: one used twice gives the same numbers
            rules[name] = type(rules[name]).from_config(rules[name].get_config())
        axes = ends if use_bias else None
        lengths = len(output_shape) - len(ends)
        shape = (*([None] * lengths), *output_shape[lengths:])
        dense = keras.layers.EinsumDense(equation, output_shape=shape, bias_axes=axes, **rules, **more)
        dense.supports_masking = True  # each token is projected alone
        return dense


def _kind(name: str) -> Any:
    return _KINDS[name.rsplit("_", 1)[1]]
