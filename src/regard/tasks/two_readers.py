"""Two text tasks on one core: sentiment of film reviews, and spam among mails."""

from __future__ import annotations

from regard.tasks.classify import CLASSIFY, SENTIMENT
from regard.tasks.sections import CoreSettings, DataSettings, TokenSettings, TrainSettings
from regard.tasks.settings import Settings
from regard.tasks.several import several

_BOTH = Settings(
    task="sentiment+spam",
    members={
        "sentiment": DataSettings(source="movie-reviews", test_rows=5000, validation_rows=1000),
        "spam": DataSettings(source="spam"),
    },
    tokens=TokenSettings(kind="words", longest=400),
    core=CoreSettings(kind="transformer", hidden=128, heads=2, dropout=0.5, token_dropout=0.3),
    train=TrainSettings(epochs=4),
)

TWO_READERS = several(
    {"sentiment": SENTIMENT, "spam": CLASSIFY},
    {"transformer": _BOTH, "bilstm": _BOTH.model_copy(update={"core": CoreSettings(dropout=0.5, token_dropout=0.3)})},
    name="sentiment+spam",
    about="two tasks on one core: whether a film review is positive, and whether a mail is spam",
    example="regard train sentiment+spam",
    takes="about 3 minutes on two cores (estimated from processor time)",
)
