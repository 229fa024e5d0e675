"""Goes through a large csv as training does, and says how much memory that took: run as a process of its own."""

import resource
import sys
from pathlib import Path

from regard.tasks.event import unheard
from regard.tasks.part import BatchSize
from regard.tasks.readers.large_parts import part_large
from regard.tasks.readers.lazy_part import encoding, raw_part, stored_part
from regard.tasks.readers.records import records_of
from regard.tasks.readers.store import stored
from regard.tasks.readers.survey import surveyed
from regard.tasks.settings import TokenSettings
from regard.tasks.table_reading import labelled_text
from regard.tasks.vocabulary import train_vocabulary


def judge(record):
    return labelled_text(record, "text", "label")


def write(path, rows):
    with path.open("w") as file:
        file.write("text,label\n")
        for row in range(rows):
            words = " ".join(f"word{(row * 31 + place * 7) % 997}" for place in range(row % 13 + 3))
            file.write(f"row {row} {words},{'ab'[row % 2]}\n")


def main(folder, rows):
    path = Path(folder) / "rows.csv"
    write(path, rows)
    survey = surveyed(records_of(path), judge, ["text", "label"], "survey", unheard)
    parts = part_large(survey, test_rows=100, validation_rows=100, seed=0)
    texts = (row.text for row in parts.train.sample(judge, 2000))
    vocabulary = train_vocabulary(texts, TokenSettings(least=1, size=2000), "words")

    def encode(found):
        return {"ids": vocabulary.ids([row.text for row in found]), "label": [[ord(row.label)] for row in found]}

    count = len(parts.train)
    store = stored("store", {"ids": "int32", "label": "int32"}, count, encoding(parts.train, judge, encode), unheard)
    encoded = stored_part(store, lambda columns: [len(one) for one in columns["ids"]])
    raw = raw_part(parts.train, judge, lambda columns: [row.number for row in columns["rows"]])
    for part in (encoded, raw):
        order = part.order(BatchSize(64), 0)
        seen = sum(len(part.batch(batch)) for batch in order.batches(0))
        assert seen == count > 0.9 * rows - 300, (seen, count)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)  # kilobytes on Linux: the most that was held at once


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
