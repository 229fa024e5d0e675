"""Speech to text: short recordings, from wav files to what is said in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from regard.tasks.baselines.labels import most_frequent
from regard.tasks.baselines.nearest import nearest_pictures
from regard.tasks.baselines.sounds import mean_frames
from regard.tasks.scores.measure import Measure
from regard.tasks.scores.transcripts import character_errors, word_errors
from regard.tasks.sections import (
    CoreSettings,
    DataSettings,
    SoundSettings,
    TokenSettings,
    TrainSettings,
    WritingSettings,
)
from regard.tasks.settings import Settings
from regard.tasks.sound_front import mel_of
from regard.tasks.speech_alignment import explain_heard, tell_heard
from regard.tasks.speech_data import digest_speech, prepare_speech, read_more_speech, reading_of
from regard.tasks.task import Prepared, Setup, Task
from regard.tasks.transcriber import answer_heard, build_transcriber, judge_heard


def _measures(setup: Setup) -> tuple[Measure, ...]:
    """Character errors, then word errors, of texts as they are learned."""
    said = reading_of(setup.settings)
    return character_errors(said), word_errors(said)


def _baselines(data: Prepared) -> Mapping[str, Any]:
    texts, mel = data.train.truths, mel_of(data.setup)  # type: ignore[union-attr]
    known, asked = (
        mean_frames(mel, (part.batch(np.array([row])).given[0] for row in range(len(part))))
        for part in (data.train, data.test)
    )
    nearest = nearest_pictures(known, asked)[:, 0]
    usual = most_frequent(texts)
    return {
        f"always {usual!r}": [usual] * len(data.test),
        "the text of the recording nearest in mean log-mel": [texts[row] for row in nearest],
    }


_PROMPTS = Settings(
    task="speech",
    data=DataSettings(source="prompts-en"),
    tokens=TokenSettings(kind="characters", size=200, least=1),
    writing=WritingSettings(longest=300),
    sound=SoundSettings(),
    core=CoreSettings(kind="transformer", dim=128, hidden=512, layers=4, dropout=0.1, block_dropout=0.1),
    train=TrainSettings(epochs=150, batch=16, tokens=4000, rate=2e-3, label_smoothing=0.1, warmup=0.1),
)

SPEECH = Task(
    name="speech",
    about="what is said in short recordings, character by character",
    example="regard train speech --data examples/sounds/speech.csv --epochs 60",
    beside="always the most frequent text; the text of the recording nearest in mean log-mel",
    takes="about 10 minutes on two cores (estimated from processor time of 80 of its 150 epochs)",
    files="csv, tsv or jsonl with a wav file and its text a row, or a folder of such tables; rows of one group (a "
    "speaker) stay in one part",
    presets={
        "transformer": _PROMPTS,
        "bilstm": _PROMPTS.model_copy(
            update={"core": CoreSettings(kind="bilstm", dim=128, hidden=128, layers=2, dropout=0.2)}
        ),
    },
    digest=digest_speech,
    prepare=prepare_speech,
    build=build_transcriber,
    judge=judge_heard,
    answer=answer_heard,
    measures=_measures,
    baselines=_baselines,
    chosen_by="loss",
    unused=(
        "core.budget",
        "core.token_dropout",
        "train.focus",
        "tokens.kind",
        "tokens.longest",
        "tokens.keep",
        "tokens.lowercase",
        "writing.vocabulary",
    ),
    roles=("path", "text", "group"),
    read=read_more_speech,
    tell=tell_heard,
    explain=explain_heard,
)
