"""The sections of a run's settings. A task has those that it uses; what is in none of them is no setting.

A new kind of data brings a section of its own here, and one line in `Settings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

STRICT = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataSettings(BaseModel):
    """Which rows, and how they are parted.

    `source` names a data set (see `tasks.sources`), `path` a file or folder; exactly one of them is needed to train.
    `columns`: what a file's columns are called, where they are not called by what they are for: {"text": "review"}.
    `test_rows` and `validation_rows`: how many rows are held out, as a whole number (>= 1) or a share (< 1).
    A `test_path`, or a named set `test_source`, holds the test part; then `test_rows` is not used.
    """

    model_config = STRICT

    source: str | None = None
    path: str | None = None
    columns: dict[str, str] = Field(default_factory=dict, description="what a column is for = its name in the file")
    test_path: str | None = None
    test_source: str | None = None
    test_rows: float = Field(default=0.2, gt=0)
    validation_rows: float = Field(default=0.1, gt=0)
    train_rows: int | None = Field(default=None, ge=1, description="use only so many training rows")
    split_seed: int = Field(default=0, ge=0)
    skip_refused: bool = False

    @model_validator(mode="before")
    @classmethod
    def _older(cls, values: Any) -> Any:
        """Runs of before `columns` wrote two of them as settings of their own; and a column that is called by what it
        is for needs no entry, so that equal settings are equal."""
        if not isinstance(values, Mapping):
            return values
        moved = {role: values[role] for role in ("text", "label") if role in values}
        rest = {key: value for key, value in values.items() if key not in moved}
        columns = rest.get("columns", {})
        if isinstance(columns, Mapping):
            rest["columns"] = {role: name for role, name in {**columns, **moved}.items() if name != role}
        return rest

    def column(self, role: str) -> str:
        """What the column for this is called."""
        return self.columns.get(role, role)


class TokenSettings(BaseModel):
    """How text becomes numbers. `longest` is in tokens; `keep` says which of a longer text's tokens are read."""

    model_config = STRICT

    kind: Literal["auto", "words", "subwords", "characters"] = "auto"
    size: int = Field(default=20_000, ge=10, description="most entries in the vocabulary")
    least: int = Field(default=2, ge=1, description="how often a token must occur in the training part to be an entry")
    longest: int = Field(default=256, ge=1, description="most tokens read of a text")
    keep: Literal["first", "ends"] = "ends"
    lowercase: bool = True


class HiddenSettings(BaseModel):
    """Which part of the input is hidden, for the model to guess (Devlin et al. 2018, arXiv 1810.04805, §3.1)."""

    model_config = STRICT

    share: float = Field(default=0.15, gt=0, lt=1, description="share of the tokens that are to be guessed")
    kept: float = Field(default=0.1, ge=0, lt=1, description="of those, the share that stays as it is")
    other: float = Field(default=0.1, ge=0, lt=1, description="of those, the share that is replaced by another token")


class WritingSettings(BaseModel):
    """How a text is written, symbol by symbol, from what was read. The beam is for answers: the best epoch is chosen by
    the loss."""

    model_config = STRICT

    vocabulary: Literal["auto", "shared", "own"] = Field(
        default="auto", description="one for both sides, or one each; auto: one each where their scripts differ"
    )
    longest: int = Field(default=128, ge=2, description="most symbols that are written, the end included")
    beam: int = Field(default=4, ge=1, description="hypotheses that go on side by side; 1 is greedy")
    alpha: float = Field(default=0.6, ge=0, description="how much longer answers are favoured")


class ImageSettings(BaseModel):
    """How pictures are read: brought to `size` x `size` pixels, and cut into tokens of `patch` x `patch`."""

    model_config = STRICT

    size: int = Field(default=32, ge=2, description="pixels a side")
    channels: Literal[1, 3] = 3
    stem: Literal["patches", "convolution"] = "convolution"
    patch: int = Field(default=4, ge=1, description="pixels a side of a token")
    shift: int = Field(default=0, ge=0, description="in training: most pixels that a picture is moved by")
    flip: bool = Field(default=False, description="in training: half of the pictures are mirrored")


class SeriesSettings(BaseModel):
    """Which stretches of series are read and foretold. Counts are of the series' own steps (half-hours, days, ...).

    "auto" is decided by how far the times are apart. Half-hours: 4 weeks are read, a day is foretold, `season` is a
    week, and a patch half a day; days: 8 weeks, a week, a week, a week; months: 3 years, a year, a year, 3 months.
    `known`: columns that are known for the times to come as well (holidays, a forecast of the weather); `past`: columns
    known only up to now. No column is used unless it is named here: what was measured in the hours to come (a
    temperature, say) would be a leak.
    """

    model_config = STRICT

    context: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(default="auto", description="steps read")
    horizon: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(default="auto", description="steps foretold")
    season: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        default="auto", description="after how many steps things come again; what errors are scaled by"
    )
    patch: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(default="auto", description="steps of a token")
    every: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        default="auto", description="steps between two forecasts that are scored; auto: as many as are foretold"
    )
    stride: int = Field(default=1, ge=1, description="steps between two windows to train on")
    known: tuple[str, ...] = Field(default=(), description="columns known ahead")
    past: tuple[str, ...] = Field(default=(), description="columns known only up to now")
    calendar: tuple[Literal["hour", "weekday", "month"], ...] | Literal["auto"] = Field(
        default="auto", description="what of the times themselves is told"
    )
    zone: str | None = Field(default=None, description="time zone whose clock the calendar goes by (Europe/Paris)")
    unsorted: Literal["refuse", "sort"] = Field(default="refuse", description="rows that are not in order of time")
    quantiles: tuple[float, ...] = Field(default=(0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95))


class EventSettings(BaseModel):
    """How people's events are read. Rows of fewer than `least` events a user are refused; `longest` of a user's latest
    items are read at once."""

    model_config = STRICT

    longest: int = Field(default=100, ge=1, description="most past items read")
    least: int = Field(default=3, ge=3, description="fewest events of a user: one to learn, to choose, and to test")
    gaps: int = Field(default=0, ge=0, description="buckets for the time since the item before; 0: times are not read")
    unit: float = Field(default=60.0, gt=0, description="the first bucket's end, in seconds (or steps)")
    again: bool = Field(default=False, description="may an item that the user has had be recommended again?")


class TableSettings(BaseModel):
    """What a table's columns are. A column is of numbers where at least nine in ten of its cells that are not empty
    are numbers (its other cells are refused), else of categories, unless it is named here. `skip`: columns that are
    not read (numbers of rows, names). `answer`: a class, or a number."""

    model_config = STRICT

    answer: Literal["auto", "class", "number"] = "auto"
    numbers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    empty: tuple[str, ...] = Field(default=(), description="words that stand in an empty cell, such as NA")


class SymbolSettings(BaseModel):
    """How sequences of symbols (bases, letters of a code) are read: a token for every `stride` of them, which sees the
    `kmer` around. A sequence of more than `longest` symbols is refused."""

    model_config = STRICT

    kmer: int = Field(default=1, ge=1, description="symbols that a token sees; `stride` or more")
    stride: int = Field(default=1, ge=1, description="symbols that a token stands for")
    longest: int = Field(default=512, ge=1, description="most symbols of a sequence")


class AnswerSettings(BaseModel):
    """How a question is answered: by a place in the text or the question, read out word for word, or by one of the
    answers of the training part. "auto": by a place where nearly all training answers stand there."""

    model_config = STRICT

    by: Literal["auto", "place", "class"] = "auto"


class SoundSettings(BaseModel):
    """How recordings are heard, and what is asked of the files. Sounds are cut into frames of log-mel power, `step`
    seconds from one to the next, and convolutions make one token of `stride` frames.

    `said`: what is learned and scored of a text; "spoken": in lower case, without signs that cannot be heard.
    `ctc`: the share that a second way of writing has in the loss and in the choice among answers: each moment of the
    sound names its character (connectionist temporal classification), which keeps the decoder on the sound.
    """

    model_config = STRICT

    rate: int | None = Field(default=None, ge=1000, description="samples a second; null: what most recordings have")
    channels: Literal["refuse", "mix"] = Field(default="refuse", description="recordings of several channels")
    other_rate: Literal["refuse", "resample"] = Field(default="refuse", description="recordings of another rate")
    mels: int = Field(default=40, ge=1, description="bands of pitch")
    step: float = Field(default=0.01, gt=0, description="seconds from one frame to the next")
    stride: Literal[1, 2, 4, 8] = Field(default=4, description="frames a token")
    said: Literal["spoken", "as written"] = "spoken"
    ctc: float = Field(default=0.3, ge=0, lt=1)
    masks: int = Field(default=2, ge=0, description="in training: bands, and stretches of time, that are blanked")
    speed: float = Field(default=0.1, ge=0, lt=0.5, description="in training: at most so much faster, or slower")


class FindingSettings(BaseModel):
    """How things are found in a picture: each of `queries` looks at the patches, and claims one thing or none.

    `guide`: weight of the loss, in training alone, by which patches learn whose middle they hold.
    """

    model_config = STRICT

    queries: int = Field(default=10, ge=1, description="most things that are found in a picture")
    guide: float = Field(default=1.0, ge=0)


class SeenSettings(BaseModel):
    """Which of a picture and its text the model is given."""

    model_config = STRICT

    use: Literal["both", "text", "picture"] = "both"


class CoreSettings(BaseModel):
    """The model. `dim` is the width of a token's vector; `hidden` the LSTM's per direction, or the block's inner.

    `dropout` is on token vectors and on the pooled vector; `block_dropout` inside a transformer's blocks, attention
    weights included, which costs time: no fused kernel drops weights on a CPU.

    `budget`: layer by layer, those tokens that receive most attention go on, and they alone are pooled (see
    `regard.nn.Pruning`).
    """

    model_config = STRICT

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

    `epochs` "auto": 8, or as many as make 400 steps where there are few rows. `tokens`: a step takes as many rows of
    about one length as keep rows x longest row within it, and `batch` is then the most rows. `precision` None: as
    launched (float32, unless accelerate was told otherwise). `init`: the folder of a run from which whatever fits is
    taken over.
    """

    model_config = STRICT

    epochs: Annotated[int, Field(ge=1)] | Literal["auto"] = 5
    batch: int = Field(default=64, ge=1, description="rows a step, over all processes")
    tokens: int | None = Field(default=None, ge=1, description="tokens a step, padding included; batch: the most rows")
    precision: Literal["float32", "bfloat16", "float16"] | None = None
    init: str | None = Field(default=None, description="folder of a run to take weights from")
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
