"""The settings of a run: everything that was asked for, checked once, and written to `config.json`.

Unknown keys are refused, so that a typing error can never be a setting that does nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from regard.spec.errors import SpecError

_STRICT = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataSettings(BaseModel):
    """Which rows, and how they are parted.

    `source` names a data set (see `tasks.sources`), `path` a file; exactly one of them is needed to train.
    `test_rows` and `validation_rows`: how many rows are held out, as a whole number (>= 1) or a share (< 1).
    A `test_path` holds the test part in a file of its own; then `test_rows` is not used.
    """

    model_config = _STRICT

    source: str | None = None
    path: str | None = None
    text: str = "text"
    label: str = "label"
    test_path: str | None = None
    test_rows: float = Field(default=0.2, gt=0)
    validation_rows: float = Field(default=0.1, gt=0)
    train_rows: int | None = Field(default=None, ge=1, description="use only so many training rows")
    split_seed: int = Field(default=0, ge=0)
    skip_refused: bool = False


class TokenSettings(BaseModel):
    """How text becomes numbers. `longest` is in tokens; `keep` says which of a longer text's tokens are read."""

    model_config = _STRICT

    kind: Literal["auto", "words", "subwords", "characters"] = "auto"
    size: int = Field(default=20_000, ge=10, description="most entries in the vocabulary")
    least: int = Field(default=2, ge=1, description="how often a token must occur in the training part to be an entry")
    longest: int = Field(default=256, ge=1, description="most tokens read of a text")
    keep: Literal["first", "ends"] = "ends"
    lowercase: bool = True


class CoreSettings(BaseModel):
    """The model. `dim` is the width of a token's vector; `hidden` the LSTM's per direction, or the block's inner.

    `dropout` is on token vectors and on the pooled vector; `block_dropout` inside a transformer's blocks, attention
    weights included, which costs time: no fused kernel drops weights on a CPU.

    `budget`: layer by layer, those tokens that receive most attention go on, and they alone are pooled (see
    `regard.nn.Pruning`).
    """

    model_config = _STRICT

    kind: Literal["bilstm", "transformer"] = "bilstm"
    dim: int = Field(default=64, ge=1)
    hidden: int = Field(default=64, ge=1)
    layers: int = Field(default=1, ge=1)
    heads: int = Field(default=4, ge=1, description="transformer only")
    dropout: float = Field(default=0.3, ge=0, lt=1)
    block_dropout: float = Field(default=0.0, ge=0, lt=1, description="transformer only")
    token_dropout: float = Field(default=0.0, ge=0, lt=1, description="share of training tokens hidden as <unknown>")
    budget: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="share of a text's tokens that the layers process, their mean; transformer only",
    )


class TrainSettings(BaseModel):
    """The training. `rate` is the peak learning rate, `warmup` a share of all steps, `clip` a gradient norm.

    `epochs` "auto": 8, or as many as make 400 steps where there are few rows.
    """

    model_config = _STRICT

    epochs: Annotated[int, Field(ge=1)] | Literal["auto"] = 5
    batch: int = Field(default=64, ge=1, description="rows a step, over all processes")
    optimizer: Literal["adam", "adamw", "sgd"] = "adamw"
    rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    momentum: float = Field(default=0.9, ge=0, lt=1, description="sgd only")
    schedule: Literal["constant", "cosine"] = "cosine"
    warmup: float = Field(default=0.05, ge=0, lt=1)
    clip: float | None = Field(default=1.0, gt=0)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    focus: float | None = Field(
        default=None,
        ge=1,
        description="train the pooling's attention towards this breadth (effective number of tokens)",
    )
    focus_weight: float = Field(default=0.1, gt=0, description="of the focus loss beside the task's own")
    patience: int | None = Field(
        default=None, ge=1, description="stop after so many epochs without a better validation score"
    )
    non_finite_limit: int = Field(default=10, ge=0, description="most losses that may be NaN or infinite")
    checkpoint_seconds: float = Field(
        default=20.0, ge=0, description="a checkpoint at least so often, and after every epoch"
    )
    seed: int = Field(default=0, ge=0)


class Settings(BaseModel):
    """One run. Two runs with equal settings, data and software give equal numbers on the same machine."""

    model_config = _STRICT

    task: str
    data: DataSettings = DataSettings()
    tokens: TokenSettings = TokenSettings()
    core: CoreSettings = CoreSettings()
    train: TrainSettings = TrainSettings()


def settings_from(values: Mapping[str, Any], *, where: str = "settings") -> Settings:
    """Checked settings from plain values (of JSON, say). `where` names their origin in messages.

    Raises:
        SpecError: for an unknown key (with the keys there are), a value out of its range, or a budget for a model that
            cannot keep one; one line for all.
    """
    try:
        found = Settings.model_validate(values)
    except ValidationError as error:
        raise SpecError(f"{where}: " + "; ".join(_sentences([dict(e) for e in error.errors()]))) from None
    if found.core.kind != "transformer" and found.core.budget < 1:
        raise SpecError(
            f"{where}: core.budget was {found.core.budget:g}, and a {found.core.kind} reads every token: only a "
            "transformer has a budget (--core transformer)"
        )
    return found


def changed(settings: Settings, changes: Mapping[str, Any], *, where: str = "settings") -> Settings:
    """The settings with some values replaced, named by dotted paths: `{"train.epochs": 3}`.

    Raises:
        SpecError: for a path that is no setting, or a value out of its range.
    """
    values = settings.model_dump()
    for path, value in changes.items():
        *rooms, key = path.split(".")
        inner = values
        for room in rooms:
            inner = inner.get(room, {})
            if not isinstance(inner, dict) or not inner:
                raise SpecError(f"{where}: {path} is no setting{_nearest(path)}")
        inner[key] = value
    return settings_from(values, where=where)


def names() -> tuple[str, ...]:
    """The dotted path of every setting, in order: `task`, `data.source`, ... (for command-line help)."""
    return tuple(
        f"{name}.{inner}" if inner else name for name, field in Settings.model_fields.items() for inner in _inner(field)
    )


def differences(left: Settings, right: Settings) -> tuple[str, ...]:
    """Which settings differ, one sentence each: `train.seed: 0 there, 1 here`."""
    old, new = left.model_dump(), right.model_dump()
    return tuple(f"{path}: {_at(old, path)!r} there, {_at(new, path)!r} here" for path in names()
                 if _at(old, path) != _at(new, path))  # fmt: skip


def _inner(field: Any) -> tuple[str, ...]:
    kind = field.annotation
    return tuple(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else ("",)


def _at(values: Mapping[str, Any], path: str) -> Any:
    room, _, key = path.partition(".")
    return values[room][key] if key else values[room]


def _sentences(errors: Sequence[Mapping[str, Any]]) -> list[str]:
    """One sentence for each setting; a setting that may be of two kinds has an error for each, joined by "or"."""
    found: dict[str, str] = {}
    for error in errors:
        path = ".".join(str(part) for part in error["loc"][:2])  # what follows is the kind that was tried
        told = f"{error['msg'][:1].lower()}{error['msg'][1:]}"
        if error["type"] == "extra_forbidden":
            found[path] = f"{path} is no setting{_nearest(path)}"
        elif error["type"] == "missing":
            found[path] = f"{path} is missing"
        else:
            found[path] = f"{found[path]}, or {told}" if path in found else f"{path} was {error['input']!r}: {told}"
    return list(found.values())


def _nearest(path: str) -> str:
    room = path.rpartition(".")[0]
    siblings = [name for name in names() if name.rpartition(".")[0] == room] or list(names())
    near = difflib.get_close_matches(path, names(), n=1)
    asked = f" (did you mean {near[0]}?)" if near else ""
    return f"{asked}; the settings there are: {', '.join(siblings)}"
