"""Masks, scores and biases as a person types them: `"Causal() & Window(255, 0)"`. Read, never evaluated.

The text is parsed as Python and its tree is walked: names of the spec values, calls, numbers, lists (which become
tensors), & | ~, and nothing else. `ones(8, 64)` stands for a tensor of that shape where only the shape matters.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch

from regard import spec
from regard.spec.bias import Bias
from regard.spec.errors import SpecError
from regard.spec.mask import Mask
from regard.spec.score import Score

V = TypeVar("V")
_LONGEST = 1000  # characters; far more than any sensible expression, far less than Python's parser can take
_JOINS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {ast.BitAnd: operator.and_, ast.BitOr: operator.or_}


def mask_from(text: str) -> Mask:
    """The mask of an expression. Raises `SpecError` for anything that is no mask."""
    return _value(text, Mask, "--mask", 'a mask such as "Causal() & Window(255, 0)"')


def score_from(text: str) -> Score:
    """The score of an expression. Raises `SpecError` for anything that is no score."""
    return _value(text, Score, "--score", 'a score such as "ScaledDot(softcap=50)"')


def bias_from(text: str) -> Bias:
    """The bias of an expression. Raises `SpecError` for anything that is no bias."""
    return _value(text, Bias, "--bias", 'a bias such as "ALiBi.for_heads(8)"')


def names(kind: type) -> tuple[str, ...]:
    """The names of the spec values of a kind, sorted: `names(Mask)` is Causal, Dense, ..."""
    found = ((name, getattr(spec, name)) for name in spec.__all__)
    return tuple(sorted(n for n, v in found if isinstance(v, type) and issubclass(v, kind) and v is not kind))


def _value(text: str, kind: type[V], option: str, example: str) -> V:
    if len(text) > _LONGEST:
        raise SpecError(f"{option}: {len(text)} characters, expected at most {_LONGEST}; shorten the expression")
    try:
        tree = ast.parse(text.strip(), mode="eval")
        found = _Reader(option, kind).read(tree.body)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, SpecError):
            raise
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise SpecError(f"{option} {text!r} cannot be read ({reason}); expected {example}") from None
    if not isinstance(found, kind):
        if callable(found):
            raise SpecError(f"{option} {text!r} is a name alone: write the brackets too; expected {example}")
        raise SpecError(f"{option} {text!r} is a {type(found).__name__}; expected {example}")
    return found


class _Reader:
    """Walks one expression. Only what `_known` lists can be named."""

    def __init__(self, option: str, kind: type) -> None:
        self.option = option
        self.known: dict[str, Any] = {name: getattr(spec, name) for name in names(kind)} | {"ones": _ones}
        if kind is Bias:
            self.known["ALiBi.for_heads"] = spec.ALiBi.for_heads
        if kind is Mask:
            self.known["Documents.packed"] = spec.Documents.packed

    def read(self, node: ast.expr) -> Any:
        if isinstance(node, ast.BinOp) and type(node.op) in _JOINS:
            return self._joined(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert | ast.USub):
            return self._turned(node.op, self.read(node.operand))
        if isinstance(node, ast.Call):
            return self._called(node)
        if isinstance(node, ast.Name | ast.Attribute):
            return self._named(node)
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str | None):
            return node.value
        if isinstance(node, ast.List | ast.Tuple):
            return self._tensor(node)
        raise SpecError(
            f"{self.option}: {ast.unparse(node)!r} is not allowed; expected names with brackets, numbers, lists, & | ~ "
            f"({self._listed()})"
        )

    def _joined(self, node: ast.BinOp) -> Any:
        left, right = self.read(node.left), self.read(node.right)
        for side, part in ((left, node.left), (right, node.right)):
            if not isinstance(side, Mask):
                raise SpecError(f"{self.option}: & and | join masks, but {ast.unparse(part)!r} is none")
        return _JOINS[type(node.op)](left, right)

    def _turned(self, op: ast.unaryop, value: Any) -> Any:
        if isinstance(op, ast.USub) and isinstance(value, int | float) and not isinstance(value, bool):
            return -value
        if isinstance(op, ast.Invert) and isinstance(value, Mask):
            return ~value
        raise SpecError(f"{self.option}: ~ turns a mask and - a number; it stands before something else")

    def _named(self, node: ast.Name | ast.Attribute) -> Any:
        name = ast.unparse(node)
        if name not in self.known:
            near = difflib.get_close_matches(name, self.known, n=1)
            asked = f" (did you mean {near[0]}?)" if near else ""
            raise SpecError(f"{self.option}: no {name!r} here{asked}; {self._listed()}")
        return self.known[name]

    def _called(self, node: ast.Call) -> Any:
        target = self.read(node.func)
        if not callable(target):
            raise SpecError(f"{self.option}: {ast.unparse(node.func)!r} cannot be called; {self._listed()}")
        if any(keyword.arg is None for keyword in node.keywords):
            raise SpecError(f"{self.option}: ** is not allowed; write the arguments out")
        given = [self.read(argument) for argument in node.args]
        named = {str(keyword.arg): self.read(keyword.value) for keyword in node.keywords}
        form = f"{ast.unparse(node.func)}{_parameters(target)}"
        try:
            inspect.signature(target).bind(*given, **named)
            return target(*given, **named)
        except SpecError:
            raise
        except (TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise SpecError(f"{self.option}: {ast.unparse(node)!r} does not fit {form}: {error}") from None

    def _tensor(self, node: ast.List | ast.Tuple) -> torch.Tensor:
        try:
            return torch.tensor(ast.literal_eval(node))
        except (TypeError, ValueError) as error:
            raise SpecError(f"{self.option}: the list {ast.unparse(node)!r} is no array of numbers ({error})") from None

    def _listed(self) -> str:
        return f"those there are: {', '.join(self.known)}"


def _ones(*sizes: int) -> torch.Tensor:
    """A float32 tensor of ones that takes no memory, for where only the shape matters."""
    return torch.ones(1).expand(sizes)


def _parameters(target: Any) -> str:
    """(before, after): the names of what a value takes, defaults included, without types."""
    parameters = inspect.signature(target).parameters.values()
    return "(" + ", ".join(str(one.replace(annotation=inspect.Parameter.empty)) for one in parameters) + ")"
