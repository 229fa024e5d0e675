"""Calls put together: steps on one axis, runs apart, what was folded away."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import regard
from regard.engine.seam_reach import Answer, Reached
from regard.lens.choice import Choice
from regard.lens.part import valid_keys, words
from regard.lens.recording import Recording, _version
from regard.lens.watch import watch
from regard.spec import Causal, Dense, Padding, SpecError, Window


def tokens(length: int, batch: int = 1, seed: int = 1) -> Tensor:
    return torch.randn(batch, length, 8, generator=torch.Generator().manual_seed(seed))


class Alone(nn.Module):
    """`attend` itself: to itself, to what came before, or across."""

    def __init__(self, keep: int = 100) -> None:
        super().__init__()
        self.keep, self.past = keep, torch.zeros(1, 0, 8)

    def forward(self, x: Tensor) -> Tensor:
        seen = torch.cat((self.past, x), 1)
        self.past = seen[:, -self.keep :]
        return regard.attend(x, seen, seen, mask=Causal())


def test_steps_lie_one_behind_the_other() -> None:
    x, whole, steps = tokens(6), Alone(), Alone()
    with watch(whole, top=2) as once:
        whole(x)
    with watch(steps, top=2) as seen:
        steps(x[:, :3])
        for place in range(3, 6):
            steps(x[:, place : place + 1])
    mine, theirs = seen.trace().layers[0], once.trace().layers[0]
    assert mine.positions.tolist() == [0, 1, 2, 3, 4, 5]
    for name in ("received", "entropy", "distance", "lse", "top_weights"):
        torch.testing.assert_close(getattr(mine, name), getattr(theirs, name))
    assert torch.equal(mine.top_keys[..., 2:, :], theirs.top_keys[..., 2:, :])
    assert mine.population == 6


def test_rows_that_are_dropped_on_the_way_are_told() -> None:
    """Three sequences, of which one is finished after two steps."""
    model, x = Alone(), tokens(4, batch=3)
    model.past = torch.zeros(3, 0, 8)
    with watch(model) as seen:
        model(x[:, :1])
        model(x[:, 1:2])
        model.past = model.past[:2]
        model(x[:2, 2:3])
    with pytest.raises(SpecError, match=r"first call was of 3 rows and call 3 of 2: rows were dropped.*in one call"):
        seen.trace()
    model.past = torch.zeros(2, 0, 8)
    with watch(model) as seen:
        model(x[:2])
    assert seen.trace().layers[0].batch == 2


def test_a_cache_that_drops_old_keys_keeps_the_axis() -> None:
    model = Alone(keep=2)
    with watch(model, top=3) as seen:
        for place in range(5):
            model(tokens(5)[:, place : place + 1])
    (layer,) = seen.trace().layers
    assert layer.keys == 5
    assert layer.positions.tolist() == [0, 1, 2, 3, 4]
    looked = [sorted(key for key in row if key >= 0) for row in layer.top_keys[0, 0].tolist()]
    assert looked == [[0], [0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4]]
    torch.testing.assert_close(layer.received.sum(), torch.tensor(5.0))


class Masked(Alone):
    """Keeps all keys, and forbids all but the latest two by a dense mask."""

    def forward(self, x: Tensor) -> Tensor:
        self.past = torch.cat((self.past, x), 1)
        allowed = torch.arange(self.past.shape[1])[None] >= self.past.shape[1] - 2
        return F.scaled_dot_product_attention(x, self.past, self.past, attn_mask=allowed)


def test_keys_out_of_a_windows_reach_are_no_padding() -> None:
    model = Masked()
    with watch(model) as seen:
        for place in range(5):
            model(tokens(5)[:, place : place + 1])
    (layer,) = seen.trace().layers
    assert layer.keys_valid.tolist() == [[True] * 5]
    assert layer.queries_valid.tolist() == [[True] * 5]


def test_calls_are_not_held_on_to_unless_they_are_kept() -> None:
    def held(*, keep: bool) -> bool:
        model, alive = Alone(), []
        with watch(model, keep=keep) as seen:
            x = tokens(4)
            alive.append(weakref.ref(x))
            model(x)
            model.past = torch.zeros(1, 0, 8)
            del x
        gc.collect()
        assert seen.trace().layers
        return alive[0]() is not None or bool(seen.calls)

    assert held(keep=True)
    assert not held(keep=False)


def test_a_watch_that_begins_in_the_middle_starts_there() -> None:
    model = Alone()
    model(tokens(4))
    with watch(model) as seen:
        model(tokens(1, seed=2))
        model(tokens(1, seed=3))
    (layer,) = seen.trace().layers
    assert layer.positions.tolist() == [4, 5]
    assert layer.keys == 6


def test_runs_are_kept_apart() -> None:
    model = nn.MultiheadAttention(8, 2, batch_first=True)
    with watch(model, keep=True) as seen:
        for length in (3, 5):
            x = tokens(length)
            model(x, x, x)
    assert seen.runs == 2
    assert [call.place.key_len for call in seen.calls["MultiheadAttention"]] == [5]
    with pytest.raises(SpecError, match="ran 2 times while it was watched: pass run=0 to run=1"):
        seen.trace()
    assert [seen.trace(run=run).layers[0].keys for run in (0, 1)] == [3, 5]
    with pytest.raises(SpecError, match="run=2: expected 0 to 1"):
        seen.trace(run=2)


class Twice(nn.Module):
    """Uses one layer twice in a pass."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(2):
            x = x + self.layer(x, x, x)[0]
        return x


def test_a_second_use_in_one_pass_is_a_layer_of_its_own_in_every_run() -> None:
    model = Twice()
    with watch(model) as seen:
        model(tokens(3))
        model(tokens(4))
    assert seen.runs == 2
    for run, length in enumerate((3, 4)):
        trace = seen.trace(run=run)
        assert [(layer.name, layer.keys) for layer in trace.layers] == [("layer", length), ("layer#2", length)]


class Windows(nn.Module):
    """Whole attention, then attention in windows that are folded into the batch, as some image models do."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.local, self.last = (nn.MultiheadAttention(8, 2, batch_first=True) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x, x, x)[0]
        folded = x.reshape(-1, 2, 8)
        x = self.local(folded, folded, folded)[0].reshape(x.shape)
        return self.last(x, x, x)[0]


def test_windows_folded_into_the_batch_are_listed() -> None:
    model = Windows()
    with watch(model) as seen:
        model(tokens(6, batch=2))
    trace = seen.trace()
    assert [layer.name for layer in trace.layers] == ["first", "last"]
    ((name, why),) = trace.unseen
    assert name == "local"
    assert why.startswith("saw a batch of 6, most layers one of 2: windows or beams folded into the batch")


def asked(mask: regard.Mask | None, batch: int = 2) -> regard.Request:
    q = torch.zeros(batch, 1, 4, 2)
    return regard.request(q, q, q, mask=mask)


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (None, [[True] * 4] * 2),
        (Causal() & Window(1, 0), [[True] * 4] * 2),
        (Padding(torch.tensor([4, 2])), [[True] * 4, [True, True, False, False]]),
        (Causal() & Dense(torch.tensor([[1, 1, 1, 1], [0, 1, 1, 1]]).bool()[:, None, None]), [[1] * 4, [0, 1, 1, 1]]),
        (Dense(torch.tensor([[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]).bool()), [[1, 0, 1, 1]] * 2),
    ],
    ids=["none", "by place", "lengths", "row", "nobody looks"],
)
def test_padding_is_read_off_the_mask(mask: regard.Mask | None, expected: Any) -> None:
    assert torch.equal(valid_keys(asked(mask)), torch.tensor(expected).bool())


def test_masks_in_words() -> None:
    row = Dense(torch.ones(2, 1, 1, 4, dtype=torch.bool))
    assert words(None) == "none"
    assert words(Causal() & row) == "causal and padding"
    assert words(row & row) == "padding"
    assert words(Dense(torch.eye(4, dtype=torch.bool))) == "dense (4, 4)"


def test_what_padding_looks_at_is_of_no_account() -> None:
    model = nn.MultiheadAttention(8, 2, batch_first=True)
    ignored = torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
    x = tokens(5, 2)
    with watch(model) as seen:
        model(x, x, x, key_padding_mask=ignored)
    (layer,) = seen.trace().layers
    torch.testing.assert_close(layer.received.sum(-1), torch.tensor([[5.0, 5.0], [3.0, 3.0]]))
    assert layer.lse[1, :, 3:].isneginf().all()


ANSWER = Answer(lambda output: output)


def test_a_call_that_does_not_account_for_its_output_is_listed() -> None:
    q = torch.zeros(1, 1, 2, 2)
    reached = Reached("a", "self", 1, regard.request(q, q, q), lambda: "out", lambda out: f"{out} is odd", ANSWER)
    recording = Recording("M", regard.engine.observation.Wanted(), Choice.of(None))
    assert recording.handle(reached) == "out"
    assert recording.unseen == {"a": "out is odd"}
    with pytest.raises(SpecError, match="no attention of M could be seen: a out is odd"):
        recording.trace()


def test_figures_are_as_exact_under_autocast() -> None:
    x, traces = tokens(6), []
    for enabled in (False, True):
        model = Alone()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled), watch(model) as seen:
            model(x)
        traces.append(seen.trace().layers[0])
    assert torch.equal(traces[0].received, traces[1].received)
    assert torch.equal(traces[0].entropy, traces[1].entropy)


def test_a_package_that_is_not_there_has_no_version() -> None:
    assert _version("torch") is not None
    assert _version("a package of no one") is None


def test_nothing_seen_is_an_error_in_the_end() -> None:
    with watch(Twice()) as seen:
        F.scaled_dot_product_attention(*(torch.zeros(1, 1, 2, 2),) * 3)
    with pytest.raises(SpecError, match="did not run"):
        seen.trace()
