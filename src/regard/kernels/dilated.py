"""Dilated masks: the keys a query sees are scattered in memory, but side by side among those of its residue class.

Query and key positions of one class modulo `step` see only each other, and there `Dilated(step, before, after)` is a
plain `Window(before // step, after // step)`. So each class is a call of its own over strided views, for whichever
kernel does windows best. `& Causal()` and `& Window(...)` only narrow the reach.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from regard.kernels import streaming
from regard.spec.mask import Both, Mask
from regard.spec.positional import Causal, Dilated, Window
from regard.spec.request import Request

Kernel = Callable[[Request], tuple[Tensor, Tensor | None]]


def fits(request: Request) -> str | None:
    """Why this kernel cannot do the request, or None."""
    if _reach(request.mask) is None:
        return "is made for one Dilated mask, alone or with & Causal() and & Window(...)"
    if request.biases:
        return "takes no bias: it would have to be cut by residue class"
    return None


def run(request: Request, kernel: Kernel = streaming.run) -> tuple[Tensor, Tensor | None]:
    """(output, lse if `kernel` gives one), each class by `kernel`; differentiable where `kernel` is."""
    found = classes(request)
    if not found:
        return kernel(request)
    step, shape = window_of(request)[0], request.output_shape
    outputs = [request.query.new_zeros(*shape[:2], _count(first, step, shape[2]), shape[3]) for first in range(step)]
    sums: list[Tensor | None] = [
        part.new_full(part.shape[:3], -torch.inf, dtype=torch.promote_types(part.dtype, torch.float32))
        for part in outputs
    ]
    for part, rows in found:
        outputs[rows.start], sums[rows.start] = kernel(part)
    known = [each for each in sums if each is not None]
    lse = _together([each[..., None] for each in known], shape[2])[..., 0] if len(known) == len(sums) else None
    return _together(outputs, shape[2]), lse


def classes(request: Request) -> list[tuple[Request, slice]]:
    """One request over strided views for each residue class that has queries and keys, and which rows it is: a slice
    of the queries, starting below `step`."""
    (step, window), start = window_of(request), request.place.query_start
    queries = _apart(request.query, step)
    keys, values = _apart(request.key, step), _apart(request.value, step)
    found = []
    for first in range(min(step, request.place.query_len)):
        residue = (start + first) % step
        if residue >= request.place.key_len:
            continue
        query, key, value = queries[first], keys[residue], values[residue]
        place = replace(
            request.place,
            query_len=query.shape[2],
            key_len=key.shape[2],
            query_start=(start + first - residue) // step,
        )
        part = replace(request, query=query, key=key, value=value, mask=window, place=place)
        found.append((part, slice(first, None, step)))
    return found


def window_of(request: Request) -> tuple[int, Window]:
    """The mask's step, and the window that it leaves within a class. For a request that fits."""
    reach = _reach(request.mask)
    assert reach is not None
    return reach.step, Window(reach.before // reach.step, reach.after // reach.step)


def _reach(mask: Mask | None) -> Dilated | None:
    """The one Dilated mask that says the same, or None."""
    parts = _parts(mask)
    dilated = [part for part in parts if isinstance(part, Dilated)]
    if len(dilated) != 1 or not all(isinstance(part, (Dilated, Causal, Window)) for part in parts):
        return None
    before, after = dilated[0].before, dilated[0].after
    for part in parts:
        if isinstance(part, Window):
            before, after = min(before, part.before), min(after, part.after)
        if isinstance(part, Causal):
            after = 0
    return Dilated(dilated[0].step, before, after)


def _parts(mask: Mask | None) -> list[Mask]:
    """The masks that `&` joins."""
    if isinstance(mask, Both):
        return [*_parts(mask.left), *_parts(mask.right)]
    return [] if mask is None else [mask]


def _count(first: int, step: int, length: int) -> int:
    """How many of 0..length - 1 are first, first + step, ..."""
    return len(range(first, length, step))


def _apart(tensor: Tensor, step: int) -> list[Tensor]:
    """(batch, heads, length, x) as its `step` interleaved parts. Strided views where `step` divides the length; made
    this way, not by slices, so that the backward pass lays their gradients together once, not once a part."""
    length = tensor.shape[2]
    whole = pad(tensor, (0, 0, 0, -length % step)) if length % step else tensor
    parts = whole.reshape(*whole.shape[:2], whole.shape[2] // step, step, whole.shape[3]).unbind(3)
    return [part[:, :, : _count(first, step, length)] for first, part in enumerate(parts)]


def _together(parts: list[Tensor], length: int) -> Tensor:
    """`_apart` undone."""
    longest = -(-length // len(parts))
    even = [pad(part, (0, 0, 0, longest - part.shape[2])) if part.shape[2] < longest else part for part in parts]
    return torch.stack(even, 3).flatten(2, 3)[:, :, :length]
