"""What the named sets of texts, sounds and notes write is what the readers of users' own files read, all of it."""

import pytest

from regard.tasks.readers.documents import read_documents
from regard.tasks.readers.pairs import read_pairs
from regard.tasks.readers.questions import read_questions
from regard.tasks.readers.speech import read_speech
from regard.tasks.readers.symbols import read_symbols
from regard.tasks.sources import source
from regard.tasks.table_reading import read_table

pytestmark = pytest.mark.data


def held(name):
    return int(source(name).holds.split()[0].replace(",", ""))


@pytest.mark.parametrize(
    "name", ["help-en-de", "help-en-fr", "help-en-zh", "verses-en-es", "verses-old-modern", "package-summaries"]
)
def test_pairs_with_their_groups(needed, name):
    reading = read_pairs(needed(name))
    assert (len(reading.rows), reading.refused) == (held(name), ())
    assert all(row.group for row in reading.rows)


@pytest.mark.parametrize(("name", "spans"), [("tomi", 5993), ("quartz", None)])
def test_questions(needed, name, spans):
    reading = read_questions(needed(name))
    assert (len(reading.rows), reading.refused) == (held(name), ())
    assert spans in (None, sum(row.span is not None for row in reading.rows))


@pytest.mark.parametrize("name", ["prompts-en", "prompts-es", "prompts-fr", "prompts-it", "prompts-ru"])
def test_speech(needed, name):
    reading = read_speech(needed(name))
    assert (len(reading.rows), reading.refused, reading.notes) == (held(name), (), ())


@pytest.mark.parametrize("name", ["bach", "folk-tunes"])
def test_symbols_are_words(needed, name):
    reading = read_symbols(needed(name))
    assert (len(reading.rows), reading.refused) == (held(name), ())
    assert min(len(row.symbols) for row in reading.rows) > 10


@pytest.mark.parametrize("name", ["austen", "shakespeare"])
def test_documents(needed, name):
    reading = read_documents(needed(name))
    assert (len(reading.rows), reading.refused) == (held(name), ())


def test_mails(needed):
    table = read_table(needed("spam"), text="text", label="label")
    assert (len(table.rows), table.refused, table.labels) == (held("spam"), (), ("ham", "spam"))
