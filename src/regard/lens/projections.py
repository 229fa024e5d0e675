"""What the outputs of a layer's heads are multiplied with before they are added up: found by what is called next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from regard.spec.request import Request


class Projections:
    """Watches a model's linear layers while its attention calls are counted: the first one to be called after a call,
    with an input as wide as all heads' outputs together, is that call's output projection."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._after: dict[int, list[tuple[int, Tensor]]] = {}  # number of the call -> (width of the input, weight)

    @contextmanager
    def looking(self, calls: Callable[[], int]) -> Iterator[None]:
        """`calls`: how many attention calls have ended so far."""

        def told(module: nn.Module, args: tuple[Any, ...]) -> None:
            if args and isinstance(args[0], Tensor):
                self._after.setdefault(calls() - 1, []).append((args[0].shape[-1], _weight(module)))

        handles = [module.register_forward_pre_hook(told) for module in self._model.modules() if _is_linear(module)]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def of(self, call: int, name: str, request: Request) -> Tensor | None:
        """(heads, value_dim, out) the projection of call number `call`, which the module called `name` made, cut by
        heads; None where there is none. torch's own layer projects inside of its call."""
        heads, size = request.place.heads, request.value.shape[3]
        layer = dict(self._model.named_modules()).get(name)
        if isinstance(layer, nn.MultiheadAttention):
            return layer.out_proj.weight.detach().mT.reshape(heads, size, -1)
        if not self._after.get(call):
            return None
        width, weight = self._after[call][0]
        if width != heads * size:
            return None
        return weight.detach().reshape(heads, size, -1)


def _is_linear(module: nn.Module) -> bool:
    """torch's, or transformers' Conv1D, which is one with its weight turned round."""
    return isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"


def _weight(module: nn.Module) -> Tensor:
    """(in, out)"""
    weight: Tensor = module.weight  # type: ignore[assignment]
    return weight.mT if isinstance(module, nn.Linear) else weight
