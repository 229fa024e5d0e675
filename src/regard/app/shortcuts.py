"""Settings that have an option of their own on the command line: one table, from which `regard train` has its options.

All other settings are typed as --set NAME=VALUE.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from regard.app.share import share

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Shortcut:
    """One option: its name, the dotted path of its setting, what kind of value it takes, and its line of help. read:
    what makes the value of what was typed, None where its kind does."""

    name: str
    path: str
    kind: type
    help: str
    read: Callable[[str], Any] | None = None


TRAINING = (
    Shortcut("test", "data.test_path", Path, "A file that is the test part; else a part is held out."),
    Shortcut("text", "data.columns.text", str, "Column with the texts. [text]"),
    Shortcut("label", "data.columns.label", str, "Column with the labels. [label]"),
    Shortcut("epochs", "train.epochs", int, "Passes over the training part."),
    Shortcut("seed", "train.seed", int, "Decides order, first weights and dropout."),
    Shortcut("init", "train.init", Path, "A finished run: whatever fits of its weights is taken over."),
    Shortcut("focus", "train.focus", float, "Train attention towards this breadth: effective tokens a text."),
    Shortcut("budget", "core.budget", float, "Of a text's tokens, what a transformer's layers process. [1]", share),
    Shortcut("precision", "train.precision", str, "float32, bfloat16 or float16. [float32]"),
)


def with_options(shortcuts: tuple[Shortcut, ...]) -> Callable[[Function], Function]:
    """Gives a command one option for each shortcut, in place of its `**typed`; those that were not typed are None."""

    def decorated(function: Function) -> Function:
        own = [
            one for one in inspect.signature(function, eval_str=True).parameters.values() if one.kind != one.VAR_KEYWORD
        ]
        options = [
            inspect.Parameter(
                one.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[one.kind | None, typer.Option(help=one.help, parser=one.read)],
            )
            for one in shortcuts
        ]
        keyword = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own]
        function.__signature__ = inspect.Signature([*keyword, *options])  # type: ignore[attr-defined]
        function.__annotations__ = {one.name: one.annotation for one in [*keyword, *options]} | {"return": None}
        return function

    return decorated


def typed_settings(shortcuts: tuple[Shortcut, ...], typed: Mapping[str, Any]) -> dict[str, Any]:
    """What was typed, by the paths of the settings."""
    found = {one.path: typed[one.name] for one in shortcuts if typed.get(one.name) is not None}
    return {path: str(value) if isinstance(value, Path) else value for path, value in found.items()}
