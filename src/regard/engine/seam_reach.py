"""One model being reached: where in it we are, which calls were seen, and what the handler is told of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, _get_current_function_mode

from regard.engine.seam_look import kind_of, looks_like_attention, why_unseen
from regard.engine.seam_mask import MaskReader
from regard.spec.request import Request

Explains = Callable[[Request, Any], "str | None"]


def _trusted(request: Request, out: Any) -> None:
    """For ways in that say exactly what is computed."""


@dataclass(frozen=True, eq=False)
class Reached:
    """One attention call of a model.

    name: path of the module that made it. kind: "self" or "cross". turn: how many times the model, or a part of it, had
    been called from outside by then, this time included (a decoding step is one). request: the call as regard would be
    asked for it; where `kind` is "cross" its positions mean nothing.
    compute: runs the model's own computation, unchanged, and gives what the model is to get (call it once). explains:
    given what `compute` gave, None, or in words how the request fails to account for it.
    """

    name: str
    kind: str
    turn: int
    request: Request
    compute: Callable[[], Any]
    explains: Callable[[Any], str | None]


Handler = Callable[[Reached], Any]
Reader = Callable[["Reaching", tuple[Any, ...], dict[str, Any]], Request]


@dataclass(eq=False)
class Frame:
    """A module that is running."""

    module: nn.Module
    path: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    calls: int = 0  # attention calls seen in it so far
    told: bool = False  # one inside it was reported as unseen


@dataclass(eq=False)
class Reaching:
    """The state of one `reach`. `functions` and `modules` are the rows of the seam table that apply."""

    names: dict[int, str]  # id of a module -> its path
    handler: Handler
    functions: dict[Callable[..., Any], Reader]
    modules: dict[Callable[..., Any], Callable[[Reaching, Frame, Callable[..., Any]], Any]]
    fast: tuple[type[nn.Module], ...]  # these look for a function mode, and compute other bits when there is one
    unseen: dict[str, str] = field(default_factory=dict)
    turn: int = 0  # calls from outside so far
    masks: MaskReader = field(default_factory=MaskReader)
    _stack: list[Frame] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)
    _paused: bool = False

    def __post_init__(self) -> None:
        self._sight = _Sight(self)
        self._sighted = False

    @property
    def inside(self) -> Frame | None:
        """The innermost module that is running, unless a call in it is being dealt with already."""
        return None if self._paused or not self._stack else self._stack[-1]

    @property
    def outer(self) -> list[Frame]:
        """The modules that are running, outermost first."""
        return self._stack

    def visit(self, module: nn.Module, inner: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> Any:
        """Run a module of the model; what attends in it is seen."""
        path = self.names.get(id(module))
        if path is None or self._paused or (not self._stack and _in_backward()):
            return inner(*args, **kwargs)
        self.turn += not self._stack
        frame = Frame(module, path, args, kwargs)
        self._stack.append(frame)
        was = self._sight_for(module)
        try:
            own = self.modules.get(type(module).forward)
            return inner(*args, **kwargs) if own is None else own(self, frame, inner)
        finally:
            self._turn_sight(was)
            self._leave()

    def offer(
        self,
        read: Callable[[], Request],
        compute: Callable[[], Any],
        *,
        name: str | None = None,
        kind: str | None = None,
        explains: Explains = _trusted,
    ) -> Any:
        """Hand one call to the handler, under the name of the module that runs if no other is given. A call that
        cannot be read is listed, and runs as ever."""
        frame = self._stack[-1]
        name = name or frame.path
        self._paused = True
        try:
            try:
                request = read()
            except Exception as error:  # whatever it is, the model runs; if the call itself is wrong, it says so
                self.doubt(name, f"its call could not be read: {error}")
                return compute()
            kind = kind or kind_of(frame.module, frame.path, frame.args, frame.kwargs)
            self._seen.add(name)
            frame.calls += 1
            return self.handler(Reached(name, kind, self.turn, request, compute, lambda out: explains(request, out)))
        finally:
            self._paused = False

    def attended(self, asked: Request, compute: Callable[[], Tensor]) -> Tensor:
        """A call of `regard.attend` in this context."""
        if self.inside is None:
            return compute()
        out: Tensor = self.offer(lambda: asked, compute)
        return out

    def doubt(self, name: str, reason: str) -> None:
        """Attention that runs at `name` and cannot be seen, or not be trusted."""
        self.unseen[name] = reason
        for frame in self._stack:
            frame.told = True

    def _leave(self) -> None:
        frame = self._stack.pop()
        if not frame.calls and not frame.told and frame.path not in self._seen and looks_like_attention(frame.module):
            self.unseen.setdefault(frame.path, why_unseen(frame.module))
            frame.told = True
        if self._stack:
            self._stack[-1].calls += frame.calls
            self._stack[-1].told |= frame.told

    def _sight_for(self, module: nn.Module) -> bool:
        was = self._sighted
        self._turn_sight(not isinstance(module, self.fast))
        return was

    def _turn_sight(self, on: bool) -> None:
        """Push or pop our function mode. Under a mode of the model's own, ours cannot be taken away, and need not:
        that one keeps torch's layers from their fast path with or without us."""
        if on and not self._sighted:
            self._sight.__enter__()  # type: ignore[no-untyped-call]
            self._sighted = True
        elif not on and self._sighted and _top_mode() is self._sight:
            self._sight.__exit__(None, None, None)  # type: ignore[no-untyped-call]
            self._sighted = False


class _Sight(TorchFunctionMode):
    """Sees torch functions that attend. torch takes a mode off the stack while it answers, so no call is seen twice."""

    def __init__(self, reaching: Reaching) -> None:
        super().__init__()
        self._reaching = reaching

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        reaching, given = self._reaching, kwargs or {}
        reader = reaching.functions.get(func)
        if reader is None or reaching.inside is None or torch.compiler.is_compiling():
            return func(*args, **given)
        return reaching.offer(lambda: reader(reaching, args, given), lambda: func(*args, **given))


def _top_mode() -> object:
    return _get_current_function_mode()  # type: ignore[no-untyped-call]


def _in_backward() -> bool:
    """True while autograd runs a backward pass: a checkpointed layer computes again there what was seen before."""
    return torch._C._current_graph_task_id() != -1
