"""Events: order, rare users, unknown items, and what is held out."""

import numpy as np
import pytest

from regard.spec.errors import DataError
from regard.tasks.readers.events import leave_last_out, read_events

HEADER = "user,item,time"


def test_events_are_in_order_of_user_and_time(table):
    path = table("rows.csv", HEADER, "u2,x,5", "u1,y,3", "u2,y,1", "u1,x,3", "u1,z,2")
    events = read_events(path)
    assert (events.user_names, events.item_names) == (("u1", "u2"), ("x", "y", "z"))
    assert events.users.tolist() == [0, 0, 0, 1, 1]
    assert [events.item_names[one] for one in events.items] == ["z", "y", "x", "y", "x"]  # equal times: as in the file
    assert events.numbers.tolist() == [5, 2, 4, 3, 1]
    assert events.starts.tolist() == [0, 3, 5]
    assert np.isnan(events.values).all()
    assert (events.kind, len(events), events.again) == ("step", 5, 0)


def test_what_is_refused_by_row(table, reasons):
    path = table("rows.csv", f"{HEADER},value", "u,x,2020-01-01,5", ",x,2020-01-02,5", "u,,2020-01-02,5", "u,x,,5",
                 "u,x,7,5", "u,x,2020-01-02,y", "one,x,2020-01-03,5", "u,y,2020-01-04,4")  # fmt: skip
    events = read_events(path, value="value")
    assert events.values.tolist() == [5, 4]
    assert reasons(events) == {
        2: "no user in column 'user'",
        3: "no item in column 'item'",
        4: "no time in column 'time'",
        5: "column 'time' holds a step, those before it are dates",
        6: "column 'value' holds 'y', expected a number",
        7: "user 'one' has one event, expected at least 2",
    }
    with pytest.raises(DataError, match="6 of 8 rows"):
        events.usable()
    assert events.usable(skip_refused=True) is events
    assert len(read_events(path, value="value", least=1)) == 3


def test_items_that_training_does_not_know_are_refused(table, reasons):
    path = table("rows.csv", HEADER, "u,x,1", "u,new,2", "u,x,3")
    assert reasons(read_events(path, known_items=["x", "y"])) == {2: "item 'new' occurs in no training row"}


def test_events_that_occur_again_are_counted_not_dropped(table):
    events = read_events(table("rows.csv", HEADER, "u,x,1", "u,x,1", "u,x,1", "u,x,2"))
    assert (len(events), events.again) == (4, 2)


def test_the_last_event_of_each_user_is_held_out(table):
    path = table("rows.csv", HEADER, "a,x,1", "a,y,2", "a,z,3", "a,x,4", "b,x,1", "b,y,2", "c,z,9")
    events = read_events(path, least=1)
    parts = leave_last_out(events)
    told = {name: [(events.user_names[events.users[p]], int(events.times[p])) for p in getattr(parts, name)]
            for name in ("train", "validation", "test")}  # fmt: skip
    assert told == {
        "train": [("a", 1), ("a", 2), ("b", 1), ("c", 9)],
        "validation": [("a", 3)],
        "test": [("a", 4), ("b", 2)],
    }


def test_a_file_without_usable_events(table):
    with pytest.raises(DataError, match="1 of 1 rows"):
        read_events(table("rows.csv", HEADER, "u,x,1")).usable(skip_refused=True)
