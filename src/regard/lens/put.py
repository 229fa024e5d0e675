"""Vectors put in the place of an embedding's own: the way into a model that takes token ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from regard.spec.errors import SpecError

__all__ = ["Embedding"]


@dataclass(frozen=True, eq=False)
class Embedding:
    """Where a model turns ids into vectors. module: what is called with ids (batch, tokens) and gives vectors (batch,
    tokens, dim). rest: (tokens or more, dim) what it adds to a token's own vector (positions), or None."""

    module: nn.Module
    rest: Tensor | None = None

    @classmethod
    def found(cls, model: nn.Module, ids: Tensor, run: Callable[[], object]) -> Embedding:
        """The first module of `model` to turn `ids` (batch, tokens) into vectors while `run` calls the model.

        Raises `SpecError` where none does.
        """
        seen: list[nn.Module] = []

        def look(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
            if isinstance(out, Tensor) and out.dim() == 3 and out.shape[:2] == ids.shape and _asks(args, kwargs, ids):
                seen.append(module)

        with ExitStack() as stack, torch.no_grad():
            for module in model.modules():
                if module is not model:
                    stack.enter_context(_hooked(module, look))
            run()
        if not seen:
            raise SpecError(
                f"no module of {type(model).__name__} turns these ids into vectors by itself: pass embedding=, the one "
                "that does"
            )
        return cls(seen[0])

    @contextmanager
    def replaced(self, ids: Tensor, vectors: Tensor) -> Iterator[None]:
        """The first time that the module is asked for `ids` (batch, tokens) in this block, it gives `vectors` (batch,
        tokens, dim), with the rest added."""
        done: list[bool] = []

        def give(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], out: Tensor) -> Tensor | None:
            if done or not _asks(args, kwargs, ids):
                return None
            done.append(True)
            return self._whole(vectors).to(out.dtype)

        with _hooked(self.module, give):
            yield
        if not done:
            raise SpecError(_unasked(self.module))

    @contextmanager
    def caught(self, ids: Tensor) -> Iterator[list[Tensor]]:
        """A list that holds, after the block, the vectors (batch, tokens, dim) that the module gave for `ids`, without
        the rest."""
        found: list[Tensor] = []

        def keep(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], out: Tensor) -> None:
            if not found and _asks(args, kwargs, ids):
                own = out.detach()
                found.append(own if self.rest is None else own - self.rest[: own.shape[1]].to(own))

        with _hooked(self.module, keep):
            yield found
        if not found:
            raise SpecError(_unasked(self.module))

    def vectors(self, ids: Tensor) -> Tensor:
        """(batch, tokens, dim) the module's vectors for ids (batch, tokens), without the rest."""
        made: Tensor = self.module(ids)
        return made if self.rest is None else made - self.rest[: made.shape[1]].to(made)

    def _whole(self, vectors: Tensor) -> Tensor:
        return vectors if self.rest is None else vectors + self.rest[: vectors.shape[1]].to(vectors)


@contextmanager
def _hooked(module: nn.Module, hook: Any) -> Iterator[None]:
    handle = module.register_forward_hook(hook, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def _asks(args: tuple[Any, ...], kwargs: dict[str, Any], ids: Tensor) -> bool:
    given = args[0] if args else next(iter(kwargs.values()), None)
    if not isinstance(given, Tensor) or given.shape != ids.shape or given.is_floating_point():
        return False
    return bool(torch.equal(given.to(ids.dtype), ids))


def _unasked(module: nn.Module) -> str:
    return (
        f"the embedding {type(module).__name__} was not asked for the tokens of this input: pass embedding=, the "
        "module that turns their ids into vectors"
    )
