"""One model being reached: where in it we are, which calls were seen, and what the handler is told of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, _get_current_function_mode

from regard.engine.seam_habits import Habits
from regard.engine.seam_look import kind_of, looks_like_attention, why_unseen
from regard.engine.seam_mask import MaskReader
from regard.spec.errors import SpecError
from regard.spec.request import Request

Explains = Callable[[Request, Any], "str | None"]


def _trusted(request: Request, out: Any) -> None:
    """For ways in that say exactly what is computed."""


def _known(request: Request) -> str | None:
    """For ways in whose computation is known from their arguments."""


@dataclass(frozen=True, eq=False)
class Answer:
    """How a caller is given an output that it did not compute itself.

    give: (batch, heads, query_len, value_dim) -> what the caller expects. kept: why nothing but the caller's own
    computation will do, or None. tried: asks the caller's own function for a few queries, beside the call, and says in
    words how the request fails to account for what it gives; None where it does not, or where no trial is needed.
    """

    give: Callable[[Tensor], Any]
    kept: str | None = None
    tried: Callable[[Request], str | None] = _known


@dataclass(frozen=True, eq=False)
class Reached:
    """One attention call of a model.

    name: path of the module that made it. kind: "self" or "cross". turn: how many times the model, or a part of it, had
    been called from outside by then, this time included (a decoding step is one). request: the call as regard would be
    asked for it; where `kind` is "cross" its positions mean nothing.
    compute: runs the model's own computation, unchanged, and gives what the model is to get (call it once). explains:
    given what `compute` gave, None, or in words how the request fails to account for it. answer: how to give the model
    another output than its own.
    """

    name: str
    kind: str
    turn: int
    request: Request
    compute: Callable[[], Any]
    explains: Callable[[Any], str | None]
    answer: Answer

    def give(self, output: Tensor) -> Any:
        """`output` (batch, heads, query_len, value_dim), attention as `request` says, as what this caller expects.

        Not where `answer.kept` says why only the model's own computation will do.
        """
        return self.answer.give(output)


Handler = Callable[[Reached], Any]


class Way(NamedTuple):
    """How the arguments of a torch function are read, and how its caller is answered."""

    read: Callable[[Reaching, tuple[Any, ...], dict[str, Any]], Request]
    answer: Callable[[tuple[Any, ...], dict[str, Any]], Answer]


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
    functions: dict[Callable[..., Any], Way]
    modules: dict[Callable[..., Any], Callable[[Reaching, Frame, Callable[..., Any]], Any]]
    fast: tuple[type[nn.Module], ...]  # these look for a function mode, and compute other bits when there is one
    answers: bool = False  # the handler means to give outputs of its own
    configs: frozenset[int] = frozenset()  # ids of the configurations that the model's modules hold
    unseen: dict[str, str] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)  # those of `unseen` whose calls came, and could not be read
    written: Counter[str] = field(default_factory=Counter)  # masks that were laid out in full, by what asked for it
    held: set[str] = field(default_factory=set)  # descriptions of masks that held at a few queries, in words
    turn: int = 0  # calls from outside so far
    masks: MaskReader = field(default_factory=MaskReader)
    habits: Habits = field(default_factory=Habits)
    wrapped: dict[Any, Any] = field(default_factory=dict)  # a bridge's wrappers, made once
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
        # a checkpointed layer computes again in the backward pass: that was seen before, but must be answered again
        if path is None or self._paused or (not self._stack and not self.answers and _in_backward()):
            return inner(*args, **kwargs)
        if self.answers and self._stack and self.habits.quiet(path):
            return inner(*args, **kwargs)
        if self.answers and not self._stack and _compiled():
            raise SpecError(
                "the model in use is being called by compiled code (torch.compile), in which its attention cannot be "
                "answered: call the model itself"
            )
        self.turn += not self._stack
        frame = Frame(module, path, args, kwargs)
        self._stack.append(frame)
        was = self._sighted
        self._turn_sight(self._looks(module, path))
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
        answer: Answer,
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
                self.unread[name] = f"its call could not be read: {error}"
                self.doubt(name, self.unread[name])
                return compute()
            kind = kind or kind_of(frame.module, frame.path, frame.args, frame.kwargs)
            self._seen.add(name)
            frame.calls += 1
            told = Reached(name, kind, self.turn, request, compute, lambda out: explains(request, out), answer)
            return self.handler(told)
        finally:
            self._paused = False

    def attended(self, asked: Request, compute: Callable[[], Tensor]) -> Tensor:
        """A call of `regard.attend` in this context."""
        if self.inside is None:
            return compute()
        out: Tensor = self.offer(lambda: asked, compute, _OWN)
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
        if self.answers:
            self.habits.left(frame.path, attends=bool(frame.calls or frame.told))
        if self._stack:
            self._stack[-1].calls += frame.calls
            self._stack[-1].told |= frame.told

    def _looks(self, module: nn.Module, path: str) -> bool:
        """Whether torch functions are looked at while `module` runs. Where calls are to be answered, torch's own layers
        are to see that they are, and to leave the path on which they compute everything at once."""
        fast = isinstance(module, self.fast)
        return not fast if not self.answers else fast or self.habits.calls(path)

    def _turn_sight(self, on: bool) -> None:
        """Push or pop our function mode. Under a mode of the model's own, ours cannot be taken away, and need not:
        that one keeps torch's layers from their fast path with or without us."""
        if on and not self._sighted:
            self._sight.__enter__()  # type: ignore[no-untyped-call]
            self._sighted = True
        elif not on and self._sighted and _top_mode() is self._sight:
            self._sight.__exit__(None, None, None)  # type: ignore[no-untyped-call]
            self._sighted = False


_OWN = Answer(lambda output: output, kept="it calls regard.attend itself: there is nothing to take over")


class _Sight(TorchFunctionMode):
    """Sees torch functions that attend. torch takes a mode off the stack while it answers, so no call is seen twice."""

    def __init__(self, reaching: Reaching) -> None:
        super().__init__()
        self._reaching = reaching

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        reaching, given = self._reaching, kwargs or {}
        way = reaching.functions.get(func)
        if way is None or reaching.inside is None or torch.compiler.is_compiling():
            return func(*args, **given)
        reaching.habits.direct.add(reaching.inside.path)
        return reaching.offer(
            lambda: way.read(reaching, args, given), lambda: func(*args, **given), way.answer(args, given)
        )


def _top_mode() -> object:
    return _get_current_function_mode()  # type: ignore[no-untyped-call]


def _compiled() -> bool:
    """True in what torch.compile runs: its callback is then set, with nothing else in torch telling of it."""
    found = getattr(getattr(torch._C, "_dynamo", None), "eval_frame", None)
    asked = getattr(found, "get_eval_frame_callback", None)
    return asked is not None and callable(asked())


def _in_backward() -> bool:
    """True while autograd runs a backward pass: a checkpointed layer computes again there what was seen before."""
    return torch._C._current_graph_task_id() != -1
