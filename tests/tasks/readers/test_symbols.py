"""Sequences of symbols: characters or words, inside an alphabet."""

from regard.tasks.readers.symbols import alphabet_of, read_symbols


def test_bases_are_characters_and_strangers_are_refused(table, reasons):
    path = table("rows.csv", "symbols,label", "ACGT,ei", "ACXT,ie", ",n", "AA,")
    reading = read_symbols(path, label="label", alphabet="ACGT")
    assert [(row.symbols, row.label) for row in reading.rows] == [(("A", "C", "G", "T"), "ei")]
    assert reasons(reading) == {
        2: "symbol 'X' at place 3 is not in the alphabet (A C G T)",
        3: "empty text in column 'symbols'",
        4: "no label in column 'label'",
    }


def test_notes_are_words_in_every_row_once_any_row_has_a_space(table):
    reading = read_symbols(table("rows.csv", "symbols", "C4 D4", "E4"))
    assert [row.symbols for row in reading.rows] == [("C4", "D4"), ("E4",)]
    assert [row.symbols for row in read_symbols(table("one.csv", "symbols", "E4")).rows] == [("E", "4")]


def test_the_alphabet_counts_most_frequent_first(table):
    assert alphabet_of(read_symbols(table("rows.csv", "symbols", "abca", "ca")).rows) == (("a", 3), ("c", 2), ("b", 1))


def test_case_tells_sequences_apart(table):
    first, second, third = (row.identity for row in read_symbols(table("r.csv", "symbols", "Aa", "aa", "Aa")).rows)
    assert first == third != second


def test_pieces_stay_together(table, reasons):
    reading = read_symbols(table("rows.csv", "symbols,group", "AB,one", "BA,"))
    assert [row.identity.group for row in reading.rows] == ["one"]
    assert reasons(reading) == {2: "no group in column 'group'"}


def test_what_parts_symbols_may_be_said_and_longer_sequences_are_refused(table):
    path = table("rows.csv", "symbols", "c4", "ABC")
    assert [row.symbols for row in read_symbols(path, words=True).rows] == [("c4",), ("ABC",)]
    reading = read_symbols(path, longest=2)
    assert [row.symbols for row in reading.rows] == [("c", "4")]
    assert str(reading.refused[0]) == "row 2 (line 3): 3 symbols, expected at most 2"
