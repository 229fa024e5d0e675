"""Small files of pairs whose translation is known: English sentences in German, word for word."""

import itertools
import json

from regard.tasks.sections import DataSettings
from regard.tasks.settings import changed
from regard.tasks.translate import TRANSLATE

SUBJECTS = {"cat": "Katze", "lamp": "Lampe", "mouse": "Maus", "cow": "Kuh", "clock": "Uhr"}
VERBS = {"waits": "wartet", "falls": "fällt", "sings": "singt", "sleeps": "schläft"}
PLACES = {"garden": "Garten", "cellar": "Keller", "big river": "großen Fluss", "car": "Wagen"}
SMALL = {
    "tokens.size": 600,
    "tokens.least": 1,
    "tokens.longest": 16,
    "writing.longest": 12,
    "writing.beam": 2,
    "core.dim": 32,
    "core.hidden": 32,
    "core.layers": 1,
    "core.heads": 2,
    "core.dropout": 0,
    "train.epochs": 35,
    "train.batch": 16,
    "train.rate": 0.01,
    "train.label_smoothing": 0,
}


def sentences():
    """("the cat waits in the garden", "die Katze wartet im Garten") and so on: 80 pairs, each word in its place."""
    return [
        (f"the {subject} {verb} in the {place}", f"die {SUBJECTS[subject]} {VERBS[verb]} im {PLACES[place]}")
        for subject, verb, place in itertools.product(SUBJECTS, VERBS, PLACES)
    ]


def write_pairs(path, pairs, **more):
    """A jsonl file; `more` has a list for each further column."""
    with path.open("w", encoding="utf-8") as file:
        for place, (source, target) in enumerate(pairs):
            row = {"source": source, "target": target} | {name: values[place] for name, values in more.items()}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return path


def settings(path, core="transformer", task=TRANSLATE, **more):
    """Small settings, the same that `typed` types; names with __ for dots."""
    small = {name: value for name, value in SMALL.items() if core == "transformer" or name != "core.heads"}
    own = {"data": DataSettings(path=str(path)).model_dump()}
    return changed(task.settings(core), own | small | {name.replace("__", "."): value for name, value in more.items()})


def typed():
    """The small settings as words of a command."""
    return [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
