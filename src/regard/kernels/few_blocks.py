"""Products of few queries with runs of a long cache, in float32 at least: each run is read from memory once.

Half types are widened run by run into one scratch that stays in the processor's cache: fresh memory costs several times
the conversion. Numbers of the dtype that is computed in are multiplied where they lie.

Shapes: `lanes` = batch * kv_heads, `rows` = groups * query_len.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

import torch
from torch import Tensor

from regard.kernels import online
from regard.spec.request import Request

BLOCK = 1 << 21  # numbers in a run of keys or values, over all lanes: 8 MiB of float32, within the last cache
LOG2E = math.log2(math.e)


@dataclass(frozen=True, eq=False)
class Blocks:
    """The products of one request, which must not be empty anywhere but in its vectors."""

    request: Request
    rows: Tensor  # (lanes, rows, d'): queries, with the score's scale in them
    none: Tensor  # (batch, heads, 0, d): no query, for a score that prepares keys
    scratch: Tensor  # room for one run; empty where none is needed
    grain: int  # keys in a run that stays in the processor's cache
    step: int  # keys in a run where the mask rules none out: larger where nothing is widened
    parts: int  # that a run is cut into, so that no thread is idle where lanes are few

    @classmethod
    def of(cls, request: Request) -> Blocks:
        key, value = request.key, request.value
        query = request.query.to(torch.promote_types(key.dtype, torch.float32))
        no_key = key[:, :, :0].to(query.dtype)
        form = request.score.prepare(query, no_key)
        scale = form.scale * LOG2E if form.curve.straight else form.scale
        parts, grain = _parts(request), min(_grain(request), request.place.key_len)
        direct = key.dtype == query.dtype and _folds(key) and _folds(value)
        whole = max(1, request.place.key_len // parts * parts)  # the keys that divide, then the few that are left
        step = whole if direct and form.key is no_key else grain
        room = 0 if direct else key.shape[0] * key.shape[1] * grain * max(key.shape[3], value.shape[3])
        ready = online.grouped(form.query * scale, request.groups).flatten(0, 1)
        return cls(request, ready, query[:, :, :0], _scratch(query, room), grain, step, parts)

    def scores(self, cols: range) -> Tensor:
        """(lanes, rows, len(cols)): a new tensor of log2 scores, before biases and mask."""
        form = self.request.score.prepare(self.none, self._wide(self.request.key, cols))
        keys, parts = _cut(form.key, self.parts)
        made = _joined(torch.bmm(_repeated(self.rows, parts), keys.mT), parts)
        return made if form.curve.straight else form.curve.apply_(made).mul_(LOG2E)

    def context(self, weights: Tensor, cols: range) -> Tensor:
        """(lanes, rows, e): weights (lanes, rows, len(cols)) times values."""
        values, parts = _cut(self._wide(self.request.value, cols), self.parts)
        return _summed(torch.bmm(_by_part(weights, parts), values), parts)

    def _wide(self, tensor: Tensor, cols: range) -> Tensor:
        """(batch, kv_heads, len(cols), x): a run of keys or values. It may lie in the scratch: good until the next."""
        run = tensor[:, :, cols.start : cols.stop]
        if run.dtype == self.scratch.dtype and _folds(run):
            return run
        return self.scratch[: run.numel()].view(run.shape).copy_(run)


_HELD = threading.local()


def _scratch(like: Tensor, room: int) -> Tensor:
    """(room,) numbers of `like`'s kind. On a CPU they are kept for this thread's next call: a step of decoding takes a
    millisecond, and 8 MiB fresh from the system half of one."""
    if like.device.type != "cpu":
        return like.new_empty(room)
    held: Tensor | None = getattr(_HELD, "scratch", None)
    if held is None or held.dtype != like.dtype or held.numel() < room:
        with torch.inference_mode(False):  # else it could not be written to outside of inference mode
            held = _HELD.scratch = torch.empty(room, dtype=like.dtype)
    return held[:room]


def _grain(request: Request) -> int:
    """Keys in a run; a multiple of the parts."""
    key, parts = request.key, _parts(request)
    width = key.shape[0] * key.shape[1] * max(1, key.shape[3], request.value.shape[3])
    return max(1, max(16, BLOCK // width) // parts) * parts


def _parts(request: Request) -> int:
    """In how many parts a run is cut, so that no thread is idle where lanes are few."""
    lanes = request.key.shape[0] * request.key.shape[1]
    threads = torch.get_num_threads() if request.key.device.type == "cpu" else 1
    return threads // math.gcd(lanes, threads) if lanes < 4 * threads else 1


def _folds(run: Tensor) -> bool:
    """Whether the first two axes can be made one without a copy."""
    return run.shape[0] == 1 or run.shape[1] == 1 or run.stride(0) == run.shape[1] * run.stride(1)


def _cut(run: Tensor, parts: int) -> tuple[Tensor, int]:
    """(batch, kv_heads, keys, x) as (lanes * parts, keys / parts, x), and the parts: 1 where keys do not divide."""
    lanes = run.flatten(0, 1)
    if parts == 1 or lanes.shape[1] % parts:
        return lanes, 1
    return lanes.view(-1, parts, lanes.shape[1] // parts, lanes.shape[2]).flatten(0, 1), parts


def _repeated(rows: Tensor, parts: int) -> Tensor:
    return rows if parts == 1 else rows.repeat_interleave(parts, 0)


def _joined(scores: Tensor, parts: int) -> Tensor:
    """(lanes * parts, rows, keys / parts) as (lanes, rows, keys)."""
    if parts == 1:
        return scores
    return scores.view(-1, parts, *scores.shape[1:]).transpose(1, 2).contiguous().flatten(2, 3)


def _by_part(weights: Tensor, parts: int) -> Tensor:
    """(lanes, rows, keys) as (lanes * parts, rows, keys / parts)."""
    if parts == 1:
        return weights
    count, rows, keys = weights.shape
    return weights.view(count, rows, parts, keys // parts).transpose(1, 2).flatten(0, 1)


def _summed(context: Tensor, parts: int) -> Tensor:
    """(lanes * parts, rows, e) added up to (lanes, rows, e)."""
    return context if parts == 1 else context.view(-1, parts, *context.shape[1:]).sum(1)
