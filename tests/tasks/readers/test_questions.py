"""Questions: all three texts are there; where the answer stands in the context."""

from regard.tasks.readers.questions import read_questions

HEADER = "context,question,answer"


def test_questions_and_where_their_answers_stand(table, reasons):
    mary = "Mary is in the hall. A hall?,Where is Mary?,hall"
    path = table("rows.csv", HEADER, mary, "It rains.,Does it?,yes", ",What?,a", "A.,,a", "A.,What?,")
    reading = read_questions(path)
    assert [row.span for row in reading.rows] == [(15, 19), None]
    assert reading.rows[0].context[15:19] == reading.rows[0].answer == "hall"
    assert reasons(reading) == {
        3: "empty text in column 'context'",
        4: "empty text in column 'question'",
        5: "empty text in column 'answer'",
    }


def test_questions_to_be_answered(table):
    path = table("rows.jsonl", '{"context": "a b", "question": "c?"}')
    (row,) = read_questions(path, answer=None).rows
    assert (row.answer, row.span, row.group) == ("", None, None)


def test_one_context_with_two_questions_is_two_inputs(table):
    first, second, third = read_questions(table("rows.csv", HEADER, "a,b,c", "a,d,c", "A,B,e")).rows
    assert first.identity.given != second.identity.given
    assert first.identity.given == third.identity.given
    assert first.identity.whole != third.identity.whole
