"""The log: one event a line, and what a kill cut short is dropped."""

from regard.train.record import Record


def test_events_come_back_in_order(tmp_path):
    record = Record(tmp_path / "log.jsonl")
    assert record.lines() == []
    record.add("begin", 0, note="ü")
    record.add("step", 50, loss=0.25)
    assert record.lines() == [
        {"event": "begin", "step": 0, "note": "ü"},
        {"event": "step", "step": 50, "loss": 0.25},
    ]


def test_rewind_drops_what_came_after_and_a_line_cut_short(tmp_path):
    record = Record(tmp_path / "log.jsonl")
    for step in (0, 50, 100):
        record.add("step", step)
    with record.path.open("a") as file:
        file.write('{"event": "step", "st')
    assert [line["step"] for line in record.lines()] == [0, 50, 100]
    record.rewind(50)
    record.add("resume", 50)
    assert [(line["event"], line["step"]) for line in record.lines()] == [("step", 0), ("step", 50), ("resume", 50)]


def test_rewind_without_a_log_is_an_empty_one(tmp_path):
    record = Record(tmp_path / "log.jsonl")
    record.rewind(-1)
    assert record.lines() == []
