"""Events to tokens: gaps in buckets by hand, features, order, padding that may hold anything."""

from __future__ import annotations

import pytest
import torch

from regard.nn.front_ends import EventFrontEnd
from regard.spec import DataError, Learned, ShapeError, Sinusoidal, SpecError

ITEMS = torch.tensor([[3, 1, 4, 1], [5, 2, 0, 0]])
TIMES = torch.tensor([[0, 59, 119, 100_000], [7, 7, 0, 0]])
LENGTHS = torch.tensor([4, 2])


def test_gaps_double_from_bucket_to_bucket() -> None:
    front_end = EventFrontEnd(6, 4, gaps=5, unit=60.0)
    times = torch.tensor([[0, 59, 119, 239, 479, 1_000_000, 1_000_000]])
    # gaps 59, 60, 120, 240, 999521, 0: below 1 unit, 1 to 2, 2 to 4, 4 to 8, without end
    assert front_end.buckets(times).tolist() == [[5, 0, 1, 2, 3, 4, 0]]
    assert EventFrontEnd(6, 4, gaps=1).buckets(times).tolist() == [[1, 0, 0, 0, 0, 0, 0]]
    assert EventFrontEnd(6, 4, gaps=2, unit=0.5).buckets(torch.tensor([[0.0, 0.25, 0.75]]).double()).tolist() == [
        [2, 0, 1]
    ]


def test_a_token_is_item_plus_gap_plus_position_plus_features() -> None:
    front_end = EventFrontEnd(6, 4, gaps=5, unit=60.0, features=2, positions=Learned(4))
    features = torch.randn(2, 4, 2)
    made = front_end(ITEMS, TIMES, LENGTHS, features=features)
    assert front_end.gap_table is not None
    assert front_end.features is not None
    items, gaps, places = front_end.embedding.table, front_end.gap_table, front_end.placing.layer.table
    want = items[4] + gaps[1] + places[2] + front_end.features(features[0, 2])
    torch.testing.assert_close(made.tokens[0, 2], want)
    torch.testing.assert_close(made.tokens[1, 0], items[5] + gaps[5] + places[0] + front_end.features(features[1, 0]))
    assert not made.tokens[1, 2:].any()
    assert [unit.words() for unit in made.covered(1)] == ["item 0", "item 1"]
    assert front_end.longest == 4


def test_sinusoids_raise_what_is_trained_to_their_size() -> None:
    front_end = EventFrontEnd(6, 4, gaps=2, positions=Sinusoidal())
    made = front_end(ITEMS[:, :1], TIMES[:, :1])
    assert front_end.gap_table is not None
    want = 2 * (front_end.embedding.table[3] + front_end.gap_table[2]) + torch.tensor([0.0, 1, 0, 1])
    torch.testing.assert_close(made.tokens[0, 0], want)


def test_padding_may_hold_anything_of_its_kind() -> None:
    front_end = EventFrontEnd(6, 4, gaps=3, features=1)
    times = TIMES.double()
    times[1, 2:] = float("nan")
    features = torch.ones(2, 4, 1)
    features[1, 2:] = float("inf")
    made = front_end(ITEMS, times, LENGTHS, features=features)
    assert front_end.buckets(times, LENGTHS)[1].tolist() == [3, 0, 3, 3]
    alone = front_end(ITEMS[1:, :2], times[1:, :2], features=features[1:, :2])
    torch.testing.assert_close(made.tokens[1:, :2], alone.tokens)
    assert front_end(ITEMS[:, :0], times[:, :0], features=features[:, :0]).tokens.shape == (2, 0, 4)
    assert not front_end(ITEMS, times, torch.tensor([0, 0]), features=features).tokens.any()


def test_times_out_of_order_are_named() -> None:
    front_end = EventFrontEnd(6, 4, gaps=3)
    with pytest.raises(DataError, match=r"times\[1, 2\] = 0 follows 7: events must be in the order of their times"):
        front_end(ITEMS, TIMES)
    missing = TIMES.double()
    missing[0, 1] = float("nan")
    with pytest.raises(DataError, match=r"times\[0, 1\] = nan follows 0"):
        front_end(ITEMS, missing, LENGTHS)


def test_what_does_not_fit_is_named() -> None:
    plain, timed = EventFrontEnd(6, 4), EventFrontEnd(6, 4, gaps=3)
    with pytest.raises(ShapeError, match=r"times is an int64 tensor.*expected None: it was built for none"):
        plain(ITEMS, TIMES)
    with pytest.raises(ShapeError, match=r"times is None, expected int64 or float64 of shape \(2, 4\)"):
        timed(ITEMS)
    with pytest.raises(ShapeError, match="times is a float32 tensor"):
        timed(ITEMS, TIMES.float(), LENGTHS)
    with pytest.raises(ShapeError, match=r"features is None, expected floats of shape \(2, 4, 3\)"):
        EventFrontEnd(6, 4, features=3)(ITEMS)
    with pytest.raises(SpecError, match="ids run from 0 to 6"):
        plain(torch.tensor([[0, 6]]))
    with pytest.raises(ShapeError, match=r"lengths\[0\] = 5"):
        plain(ITEMS, None, torch.tensor([5, 1]))
    for settings, words in (({"gaps": -1}, "gaps=-1"), ({"unit": 0.0}, "a time above 0"), ({"features": 1.5}, "1.5")):
        with pytest.raises(SpecError, match=words):
            EventFrontEnd(6, 4, **settings)  # type: ignore[arg-type]
    assert plain(ITEMS).positions is None
