"""Calls of foreign models over the keys in reach alone; what layers share is looked up once."""

import torch

from regard.engine.seam_exact import Exact
from regard.spec.membership import Dense
from regard.spec.positional import Causal, Window
from regard.spec.request import request


def drawn(queries, keys, **more):
    draw = torch.Generator().manual_seed(0)
    shapes = (1, 2, queries, 4), (1, 2, keys, 4), (1, 2, keys, 4)
    return request(*(torch.randn(shape, generator=draw) for shape in shapes), **more)


def by_hand(asked):
    query, key, value = asked.query, asked.key, asked.value
    scores = query @ key.mT / query.shape[-1] ** 0.5
    allowed = asked.mask.tile(asked.place.rows, asked.place.cols, asked.place)
    return scores.masked_fill(~allowed, -torch.inf).softmax(-1) @ value


def test_one_query_under_a_window_reads_what_the_window_holds():
    exact, asked = Exact(), drawn(1, 9, mask=Window(2, 0))
    reduced = exact.reduced(asked)
    assert (reduced.place.key_len, reduced.place.query_start, reduced.mask) == (3, 2, None)
    torch.testing.assert_close(exact.run(asked), by_hand(asked))


def test_room_that_a_cache_has_left_is_not_read():
    asked = drawn(3, 9, mask=Causal(), query_start=0)
    assert Exact().reduced(asked).place.key_len == 3
    torch.testing.assert_close(Exact().run(asked), by_hand(asked))


def test_a_mask_that_layers_share_is_fitted_once(monkeypatch):
    from regard.engine import seam_exact

    calls, own = [], seam_exact.fitted
    monkeypatch.setattr(seam_exact, "fitted", lambda mask, place: calls.append(mask) or own(mask, place))
    exact, mask = Exact(), Dense(torch.ones(1, 1, 1, 5, dtype=torch.bool))
    for _ in range(3):
        exact.run(drawn(5, 5, mask=mask))
    assert len(calls) == 1


def test_in_autocast_it_computes_in_its_dtype():
    asked = drawn(3, 3, mask=Causal())
    with torch.autocast("cpu", torch.bfloat16):
        assert Exact().run(asked).dtype == torch.bfloat16
    assert Exact().run(asked).dtype == torch.float32
