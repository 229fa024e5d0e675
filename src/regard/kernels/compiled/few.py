"""Few queries against a long cache in compiled loops: torch's tensors in and out.

Keys and values are read where they lie, in any layout in which the numbers of a key follow each other.
"""

from __future__ import annotations

import ctypes
import math
import struct
from typing import cast

import torch
from torch import Tensor

from regard.kernels import streaming
from regard.kernels.compiled.pool import at_work, workers
from regard.kernels.compiled.splits import Words, joining, working
from regard.kernels.few_runs import Runs
from regard.kernels.loops import ROOM
from regard.kernels.sink import with_sink
from regard.spec.bias import ALiBi
from regard.spec.request import Request

LOG2E = math.log2(math.e)
SHARE = 1 << 16  # products of numbers that a thread should have to make, at least
TASKS = 4  # splits of lanes for each thread, where there are too few lanes: so that none waits for long
LEAST = 512  # keys in a split
SCORES, SMALLEST = 1 << 13, 64  # held at once; but of no fewer keys

_NAMES = {torch.float32: "float32", torch.bfloat16: "bfloat16", torch.float16: "float16"}
_NO_SLOPES = torch.empty(0)
_Place = ctypes.c_int64 * len(Words._fields)
_Counter = ctypes.c_int64 * 2


def run(request: Request) -> tuple[Tensor, Tensor]:
    """(output, lse); no gradient. Computed in float32.

    A result that is not finite may owe it to a key that nobody may look at: then `streaming` tells those apart.
    """
    if torch.is_grad_enabled():
        with torch.no_grad():
            return run(request)
    found = _attended(request)
    if found is None:
        return streaming.run(request)
    output, lse = with_sink(*found, request.sink)
    return output.to(request.query.dtype), lse


def _attended(request: Request) -> tuple[Tensor, Tensor] | None:
    """(output, lse), both float32; None where a number is not finite."""
    shape = request.output_shape
    runs = None if 0 in shape[:3] or not request.place.key_len else Runs.of(request)
    if runs is None or not runs.keys:
        return request.query.new_zeros(shape, dtype=torch.float32), torch.full(shape[:3], -torch.inf)
    query, cap = _asked(request)
    key, value, slopes = _rows(request.key), _rows(request.value), _slopes(request)
    output, lse = torch.empty(shape), torch.empty(shape[:3])
    batch, kv_heads, groups, queries = key.shape[0], key.shape[1], request.groups, request.place.query_len
    lanes, rows, width = batch * kv_heads, groups * queries, key.shape[3] + value.shape[3]
    threads = min(workers(), max(1, lanes * rows * runs.keys * width // SHARE))
    splits = _splits(lanes, threads, runs.keys)
    found = torch.empty(lanes * splits * rows * (value.shape[3] + 2))
    key_strides, value_strides = key.stride(), value.stride()
    counter, pieces = _Counter(0, 0), (ctypes.c_int64 * len(runs.pieces))(*runs.pieces)
    words = Words(
        counter=ctypes.addressof(counter),
        query=query.data_ptr(),
        key=key.data_ptr(),
        value=value.data_ptr(),
        runs=ctypes.addressof(pieces),
        allowed=runs.allowed.data_ptr(),
        slopes=slopes.data_ptr(),
        found=found.data_ptr(),
        output=output.data_ptr(),
        lse=lse.data_ptr(),
        lanes=lanes,
        kv_heads=kv_heads,
        groups=groups,
        queries=queries,
        dim=query.shape[-1],
        value_dim=value.shape[3],
        keys=runs.keys,
        key_batch=key_strides[0],
        key_head=key_strides[1],
        key_stride=key_strides[2],
        value_batch=value_strides[0],
        value_head=value_strides[1],
        value_stride=value_strides[2],
        key_numbers=_reach(key.shape, key_strides),
        value_numbers=_reach(value.shape, value_strides),
        pieces=len(pieces) // 3,
        mask_items=runs.allowed.shape[0],
        mask_heads=runs.allowed.shape[1],
        mask_keys=runs.allowed.shape[3],
        biases=len(slopes),
        start=request.place.query_start,
        cap=cap,
        splits=splits,
        block=max(SMALLEST, min(ROOM, SCORES // rows)),
    )
    given = _Place(*words)
    at_work(working(_NAMES[key.dtype]), given, min(threads, lanes * splits))
    at_work(joining(), given, 1)
    return (output, lse) if counter[1] else None


def _asked(request: Request) -> tuple[Tensor, int]:
    """(queries (batch, heads, queries, d) with the score's scale in them, the bits of its softcap or 0)."""
    query = request.query.to(torch.float32)
    form = request.score.prepare(query, query)
    cap = form.curve.cap
    scale = form.scale if cap is not None else form.scale * LOG2E
    bits = 0 if cap is None else struct.unpack("i", struct.pack("f", cap))[0]
    return (form.query * scale).contiguous(), bits


def _rows(part: Tensor) -> Tensor:
    """Keys or values whose numbers follow each other: almost always as they are."""
    return part.detach() if part.shape[3] < 2 or part.stride(3) == 1 else part.detach().contiguous()


def _slopes(request: Request) -> Tensor:
    """(heads,) in units of log 2, of all ALiBi; (0,) where there are none."""
    biases = cast("tuple[ALiBi, ...]", request.biases)
    if not biases:
        return _NO_SLOPES
    return torch.stack([each.slopes.detach().float() for each in biases]).sum(0).mul_(LOG2E)


def _splits(lanes: int, threads: int, keys: int) -> int:
    if threads == 1 or lanes >= TASKS * threads:
        return 1
    return max(1, min(-(-TASKS * threads // lanes), keys // LEAST))


def _reach(sizes: torch.Size, strides: tuple[int, ...]) -> int:
    """Numbers from the first to the last that is stored."""
    return 1 + sum([(size - 1) * stride for size, stride in zip(sizes, strides, strict=True)])
