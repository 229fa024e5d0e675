"""Few queries against a long cache in compiled loops (numba): what they take. The loops are in kernels/compiled.

Nothing is loaded before it is needed: numba takes a second to load, and may be missing.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

import torch
from torch import Tensor

from regard.spec.bias import ALiBi
from regard.spec.request import Request

MOST = 64  # queries
ROOM = 2048  # scores of a query that are held at once, at most


@cache
def installed() -> bool:
    """Whether numba is there."""
    return find_spec("numba") is not None


def fits(request: Request) -> str | None:
    """Why this kernel cannot do the request, or is not meant for it; None if it can."""
    count = request.place.query_len
    if count > MOST:
        return f"is made for at most {MOST} queries, got {count}"
    if not all(type(bias) is ALiBi for bias in request.biases):
        return "takes no bias but ALiBi and sink logits"
    if torch.compiler.is_compiling():
        return "cannot be traced by torch.compile"
    return None if installed() else "needs numba: pip install 'regard[fast]'"


def run(request: Request) -> tuple[Tensor, Tensor]:
    """(output, lse); no gradient. Compiled when first called, for each dtype: some ten seconds, then kept."""
    from regard.kernels.compiled import few  # takes a second

    return few.run(request)
