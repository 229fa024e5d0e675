"""The tasks there are: the one table that the command line, its help and the tests are made from."""

from __future__ import annotations

from regard.tasks.answer import ANSWER
from regard.tasks.caption import CAPTION
from regard.tasks.classify import CLASSIFY, SENTIMENT
from regard.tasks.detect import DETECT
from regard.tasks.forecast import FORECAST
from regard.tasks.image_text import IMAGE_TEXT
from regard.tasks.images import IMAGES
from regard.tasks.language_model import LANGUAGE_MODEL
from regard.tasks.masked_images import MASKED_IMAGES
from regard.tasks.masked_text import MASKED_TEXT
from regard.tasks.music import MUSIC
from regard.tasks.recommend import RECOMMEND
from regard.tasks.segment import SEGMENT
from regard.tasks.speech import SPEECH
from regard.tasks.summarise import SUMMARISE
from regard.tasks.symbols import SYMBOLS
from regard.tasks.tabular import TABULAR
from regard.tasks.tag import TAG
from regard.tasks.task import Task
from regard.tasks.translate import TRANSLATE
from regard.tasks.two_readers import TWO_READERS

TASKS: tuple[Task, ...] = (
    SENTIMENT,
    CLASSIFY,
    IMAGES,
    LANGUAGE_MODEL,
    MASKED_TEXT,
    MASKED_IMAGES,
    TRANSLATE,
    SUMMARISE,
    ANSWER,
    TAG,
    SYMBOLS,
    MUSIC,
    FORECAST,
    RECOMMEND,
    TABULAR,
    SPEECH,
    CAPTION,
    IMAGE_TEXT,
    DETECT,
    SEGMENT,
    TWO_READERS,
)
