"""What the fused GPU kernels share: vectors in the call's own dtype, and care for what is not finite.

A fused kernel multiplies a weight of 0 with whatever lies under it, and 0 x NaN is NaN. So inputs that are not all
finite are computed with 0 in their place, and the queries that may attend to a broken entry are asked for and marked.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from regard.kernels import guard
from regard.spec.request import Request
from regard.spec.score import Dot, Prepared, ScaledDot

Attend = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]  # query, key, value -> output, lse


def prepared(request: Request) -> Prepared:
    """The score's dot form: made in float32 or better, then rounded to the call's dtype, which the kernels multiply in.

    The rounding shows in half types under scores that change the vectors (Cosine, General, ActivatedDot); Dot and
    ScaledDot leave them as they are.
    """
    if isinstance(request.score, (Dot, ScaledDot)):
        return request.score.prepare(request.query, request.key)
    working = torch.promote_types(request.query.dtype, torch.float32)
    form = guard.prepared(request.score, request.query.to(working), request.key.to(working))
    return form._replace(query=form.query.to(request.query.dtype), key=form.key.to(request.key.dtype))


def guarded(query: Tensor, key: Tensor, value: Tensor, attend: Attend, seen: Attend) -> tuple[Tensor, Tensor]:
    """`attend(query, key, value)`, in which only queries that may attend to a broken entry show it, as NaN.

    `seen` is as `attend`, but that every allowed key has the same score where query and key are 0: then the mean of
    values that are 1 where an entry is broken is above 0 for the queries that reach one.
    """
    if guard.finite(query, key, value):
        return attend(query, key, value)
    output, lse = attend(guard.zeroed(query), guard.zeroed(key), guard.zeroed(value))
    lost = guard.broken(key)[..., None]
    spoilt = torch.cat((lost | ~torch.isfinite(value), lost), -1).to(value.dtype)
    with torch.no_grad():
        reached = seen(torch.zeros_like(query), torch.zeros_like(key), spoilt)[0] > 0
    alone = (guard.broken(query) & ~torch.isneginf(lse))[..., None]
    return (
        output.masked_fill(reached[..., :-1] | alone, torch.nan),
        lse.masked_fill((reached[..., -1:] | alone)[..., 0], torch.nan),
    )
