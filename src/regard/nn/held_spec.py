"""A spec value held by a module, so that optimisers, `.to()` and state dicts see its tensors."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Generic, TypeVar

from torch import Tensor, nn

from regard.spec.bias import ALiBi, TensorBias
from regard.spec.value import Value

V = TypeVar("V", bound=Value)

# Published as constants, so that their tensors are buffers. The tensors of all other scores and biases are trained.
FIXED: tuple[type[Value], ...] = (ALiBi, TensorBias)


class HeldSpec(nn.Module, Generic[V]):
    """Takes a score or bias apart, registers its tensors, and puts it together again on `value()`.

    Each tensor is registered under its field's name: as a parameter, or as a buffer if its class is in `FIXED`. An
    `nn.Parameter` stays the very same object (it may be shared with other layers); a plain tensor is copied. Freeze a
    parameter with `requires_grad_(False)`, as anywhere in torch.
    """

    def __init__(self, given: V) -> None:
        super().__init__()
        self.kind: type[V] = type(given)
        self.plain: dict[str, Any] = {}
        self.held: list[str] = []
        for field in fields(given):  # type: ignore[arg-type]
            part = getattr(given, field.name)
            if isinstance(part, nn.Parameter):
                self.register_parameter(field.name, part)
            elif isinstance(part, Tensor):
                self._copy(field.name, part)
            else:
                self.plain[field.name] = part
                continue
            self.held.append(field.name)
        self._constant = given if not self.held else None

    def _copy(self, name: str, tensor: Tensor) -> None:
        copied = tensor.detach().clone()
        if self.kind in FIXED or not copied.is_floating_point():
            self.register_buffer(name, copied)
        else:
            self.register_parameter(name, nn.Parameter(copied))

    def value(self) -> V:
        """The score or bias over the tensors as they are now (after a step, a move, a load)."""
        if self._constant is not None:
            return self._constant
        return self.kind(**self.plain, **{name: getattr(self, name) for name in self.held})

    def extra_repr(self) -> str:
        return repr(self.value())
