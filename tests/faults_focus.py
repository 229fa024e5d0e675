"""Deliberate faults in `Focus`, as tests/faults.py has them for the other kernels: in what is asked and counted, in
what the sketch says, in what is picked, in how it is read, and in the sums."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from tests.faults import Patch, around, no_sink, within
from tests.faults_strips import put
from torch import Tensor

from regard.kernels import focus, focus_choice, focus_look, focus_pick, focus_read, focus_tile, focus_tiles
from regard.kernels.focus_read import Read
from regard.kernels.sketch import Sketch

# --- what is asked, and what it may cost


def query(change: Any) -> Patch:
    """`change(query)` gives other queries (lanes, rows, groups, d)."""
    return around(focus, "ready", lambda f, *a: (change(f(*a)[0]), f(*a)[1]))


def other_groups(asked: Tensor) -> Tensor:
    """Query heads h, h + kv_heads, ... share a key head, of the two there are."""
    by_head = asked.unflatten(0, (-1, 2)).transpose(2, 3).flatten(1, 2)  # (batch, heads, rows, d)
    return by_head.unflatten(1, (-1, 2)).transpose(1, 2).transpose(2, 3).flatten(0, 1)


def first_item(original: Any, *args: Any) -> Any:
    allowed, *seen = original(*args)
    return (allowed, *seen) if allowed is None else (allowed[:1].expand(len(allowed), -1, -1), *seen)


def all_there_are(original: Any, sketch: Any, budget: Any, prices: Any, shape: Any, seen: list[int]) -> Any:
    """As if each query saw as many keys as the one that sees most."""
    return original(sketch, budget, prices, shape, [max(seen)] * len(seen))


ASKED: dict[str, Patch] = {
    "scale 1 % off": query(lambda asked: asked * 1.01),
    "wrong heads share a key head": query(other_groups),
    "item 0's mask for all items": around(focus, "seen_by", first_item),
    "budget of the keys there are, not of those that are seen": around(focus, "_shares", all_there_are),
    "the sketch costs nothing": around(
        focus.Prices, "keys", lambda f, self, left, seen: f(replace(self, key=0.0), left, seen)
    ),
    "keys behind the sketch cost nothing": around(
        focus.Prices, "expected", lambda f, policy, dim, value_dim, tail: f(policy, dim, value_dim, 0)
    ),
    "bytes without what is fixed": around(
        focus.Prices, "spent", lambda f, self, seen, read: f(self, seen, read) - self.fixed
    ),
    "sink ignored": around(focus, "with_sink", no_sink),
    "lse to the base of 2": around(focus, "looked", lambda f, look: (f(look)[0], f(look)[1] * focus.LOG2E)),
}

# --- what the sketch says


def basis(change: Any) -> Patch:
    """`change(basis)` gives another one to judge by."""
    return around(
        focus_look,
        "judged",
        lambda f, sketch, query: f(replace(sketch, basis=change(sketch.basis)), query),
    )


def halves_turned(original: Any, sketch: Any, query: Any) -> Any:
    turned = sketch.basis.query.roll(sketch.basis.rank // 2, 2)
    return original(replace(sketch, basis=replace(sketch.basis, query=turned)), query)


def next_block(original: Any, sketch: Any, query: Any) -> Any:
    scores, bases = original(sketch, query)
    return scores, bases.roll(1, -1)


JUDGED: dict[str, Patch] = {
    "middle of the steps forgotten": put(focus_look, "MIDDLE", 8.0),
    "basis of another key head": basis(lambda b: replace(b, query=b.query.roll(1, 0))),
    "upper and lower numbers turned round": around(focus_look, "judged", halves_turned),
    "one direction left out": basis(
        lambda b: replace(b, query=torch.cat((0 * b.query[..., :1], b.query[..., 1:]), -1))
    ),
    "mean keys of the next block": around(focus_look, "judged", next_block),
    "keys behind the sketch dropped": around(focus_look, "_behind", lambda f, look: f(look).fill_(-torch.inf)),
    "keys behind the sketch without their mask": around(
        focus_look, "_behind", lambda f, look: f(replace(look, allowed=None))
    ),
}

# --- what is picked


def choosing(change: Any) -> Patch:
    """`change(weights, policy, allotted, allowed, whole)` gives other arguments."""
    return around(focus_look, "picked", lambda f, *a: f(*change(*a)))


def of_the_first_query(original: Any, *args: Any) -> Any:
    found = original(*args)
    return replace(found, keys=found.keys[:, :1].expand_as(found.keys).contiguous())


def smallest(weights: Tensor, *rest: Any) -> tuple[Any, ...]:
    return (weights.amax(-1, keepdim=True) - weights, *rest)


PICKED: dict[str, Patch] = {
    "the first head chooses for its group": choosing(lambda w, *a: (w[:, :, :1], *a)),
    "heads of a group are not of one weight": choosing(lambda w, *a: (w.sum(2, keepdim=True), *a)),
    "the keys of least weight": choosing(smallest),
    "latest ignored": choosing(lambda w, p, n, *a: (w, p, replace(n, latest=0 * n.latest), *a)),
    "first ignored": choosing(lambda w, p, *a: (w, replace(p, first=0), *a)),
    "one key less": choosing(lambda w, p, n, *a: (w, p, replace(n, most=n.most - 1), *a)),
    "keys of partly open blocks not read": around(
        focus_pick, "_masked", lambda f, *a: f(*a[:-1], torch.ones_like(a[-1]))
    ),
    "all that was picked taken for valid": around(
        focus_look, "picked", lambda f, *a: replace(f(*a), valid=torch.ones_like(f(*a).valid))
    ),
    "the first query chooses for all": around(focus_look, "picked", of_the_first_query),
}

# --- how it is read


def reading(change: Any) -> Patch:
    """`change(sketch)` gives another one to read from."""
    original = Read.of
    return lambda monkeypatch: monkeypatch.setattr(Read, "of", lambda sketch, *rest: original(change(sketch), *rest))


def steps(**changed: Any) -> Patch:
    """Each `changed(basis)` gives another step."""
    return reading(
        lambda sketch: replace(
            sketch, basis=replace(sketch.basis, **{name: change(sketch.basis) for name, change in changed.items()})
        )
    )


def swapped(original: Any, self: Any, rounded: Tensor, into: Tensor) -> Tensor:
    return original(self, rounded >> 4 | rounded << 4 if self.policy.bits == 4 else rounded, into)


READ: dict[str, Patch] = {
    "middle of the rounded numbers forgotten": put(
        Sketch, "middle", property(lambda self: float(1 << (self.policy.bits - 1)))
    ),
    "steps of the keys for the values": steps(value_step=lambda b: b.key_step.repeat(1, 1, 2)[..., :23]),
    "steps of another key head for keys": steps(key_step=lambda b: b.key_step.roll(1, 0)),
    "steps of another key head for values": steps(value_step=lambda b: b.value_step.roll(1, 0)),
    "numbers of a byte swapped": around(Sketch, "widened", swapped),
    "keys of another lane": around(focus_read, "taken", lambda f, rows, keys: f(rows.roll(1, 0), keys)),
    "the key before": around(focus_read, "taken", lambda f, rows, keys: f(rows, (keys - 1).clamp_min(0))),
    "the first keys not as they are": around(focus_read, "_best", lambda f, *a: f(*a[:-1], 0)),
    "one key less as it is": around(focus_read, "_best", lambda f, s, p, most, first: f(s, p, max(0, most - 1), first)),
    "values of the best left rounded": around(Read, "_again", lambda f, *a: torch.zeros_like(f(*a))),
}

# --- the sums


def unlessened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Means of blocks stand for what was not read as if all of it had been left."""
    context, beyond = Read.context, Read._beyond

    def changed(self: Read, value: Tensor, inside: Tensor, outside: Tensor) -> Tensor:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Read, "_beyond", lambda me, weights: beyond(me, inside.flatten(0, 1)))
            return context(self, value, inside, outside)

    monkeypatch.setattr(Read, "context", changed)


def lse_of_what_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    context, looked, sums = Read.context, focus_look.looked, []

    def counted(self: Read, value: Tensor, inside: Tensor, outside: Tensor) -> Tensor:
        sums.append((inside.sum(-1), outside.sum(-1)))
        return context(self, value, inside, outside)

    def changed(look: Any) -> tuple[Tensor, Tensor]:
        output, lse = looked(look)
        inside, outside = sums.pop()
        return output, lse + (inside / (inside + outside)).log2()

    monkeypatch.setattr(Read, "context", counted)
    monkeypatch.setattr(focus, "looked", changed)


def left_in_the_periphery(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read counts once more by its sketch: it is put back among the weights of all 152 sketched keys."""
    original = Tensor.scatter_
    monkeypatch.setattr(
        Tensor, "scatter_", lambda self, *args: self if self.shape[-1] == 152 else original(self, *args)
    )


def shift_of_the_periphery(factor: Any) -> Patch:
    """`factor(x)` in place of 2^x where the periphery is brought to the scale of what was read."""
    return within(focus_look, "torch", exp2=lambda x: factor(x) if x.shape[-1] == 1 else torch.exp2(x))


SUMS: dict[str, Patch] = {
    "means not lessened by what was read": unlessened,
    "lse of what was read alone": lse_of_what_was_read,
    "what was read left in the periphery": left_in_the_periphery,
    "periphery dropped": shift_of_the_periphery(torch.zeros_like),
    "periphery on another scale": shift_of_the_periphery(torch.ones_like),
    "periphery at e for 2": shift_of_the_periphery(torch.exp),
}

# --- tiles


def shifted(original: Any, *args: Any) -> Any:
    keys, unread = original(*args)
    return (keys + 1) % 152, unread


TILES: dict[str, Patch] = {
    "scale 1 % off": around(focus_tiles, "ready", lambda f, *a: (f(*a)[0] * 1.01, f(*a)[1])),
    "mask of what only some may see ignored": around(
        focus_tiles.Seen, "of", lambda f, *a: replace(f(*a), forbidden=None)
    ),
    "plain keys dropped": around(
        focus_tiles.Seen, "of", lambda f, *a: replace(f(*a), plain=f(*a).plain[:0], forbidden=None)
    ),
    "one block forgotten": around(focus_tiles.Seen, "of", lambda f, *a: replace(f(*a), blocks=f(*a).blocks[1:])),
    "the key after the one picked": around(focus_choice, "_picked", shifted),
    "what was read left in the periphery": around(
        focus_choice, "_picked", lambda f, *a: (f(*a)[0], torch.full_like(f(*a)[1], 8))
    ),
    "one key stands for a block": around(focus_choice, "_picked", lambda f, *a: (f(*a)[0], f(*a)[1].clamp_max(1))),
    "the periphery dropped": around(focus_tile, "parts", lambda f, *a: f(*a)[:1]),
    "basis of another key head": around(focus_choice, "_judged", lambda f, s, lane, *a: f(s, lane ^ 1, *a)),
    "the first query judges alone": around(
        focus_choice, "_picked", lambda f, sketch, lane, query, *a: f(sketch, lane, query[:1], *a)
    ),
    "first keys not read in any case": put(focus_choice, "FIRST", 0.0),
    "sink ignored": around(focus_tiles, "with_sink", no_sink),
    "lse to the base of 2": put(focus_tiles, "LOG2E", 1.0),
    "bytes of what is judged by left out": around(
        focus_tiles.Choice, "of", lambda f, *a: replace(f(*a), bytes=f(*a).bytes - 84)
    ),
}


def eight_times(original: Any, sums: Any, sketch: Sketch) -> None:
    """Keys are in blocks of 8."""
    for _ in range(8):
        original(sums, sketch)


BACK: dict[str, Patch] = {
    "means send nothing back": put(focus_tiles, "_shared", lambda *a: None),
    "every key gets what is its block's": around(focus_tiles, "_shared", eight_times),
    "lse sends nothing back": around(focus_tile, "sent_back", lambda f, *a: f(*a[:4], (a[4][0], a[4][1] * 0), a[5])),
    "scores to the base of e": put(focus_tile, "LN2", 1.0),
    "forbidden keys are sent something": around(
        focus_tile, "sent_back", lambda f, c, *a: f(replace(c, forbidden=None), *a)
    ),
    "the mean of another block": around(
        focus_tile,
        "_with_targets",
        lambda f, c, *a: f(replace(c, blocks=None if c.blocks is None else c.blocks.flip(0)), *a),
    ),
}

FAULTS_FOCUS = {"focus": ASKED | JUDGED | PICKED | READ | SUMS, "focus-tiles": TILES | BACK}
