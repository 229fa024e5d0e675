"""`use`: run a model as ever, with its attention computed by regard, exactly or on a budget."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from torch import nn

from regard.allocate.allocation import Allocation
from regard.allocate.evicting import Evicting, opened
from regard.allocate.eviction import Eviction
from regard.allocate.spending import Spending
from regard.allocate.used import Used
from regard.engine.attend import FEW_QUERIES
from regard.engine.seams import reach
from regard.spec.budget import Budget
from regard.spec.errors import SpecError
from regard.spec.value import described

__all__ = ["Used", "use"]


@contextmanager
def use(
    model: nn.Module,
    budget: Allocation | Budget | None = None,
    *,
    at_most: int | None = FEW_QUERIES,
    eviction: Eviction | None = None,
) -> Iterator[Used]:
    """Run every attention call that `model` makes in this block and thread through `regard.attend`: exact, and faster
    where a mask's structure can be used (windows, documents, padding, caches).

        with use(model) as used:
            model(**inputs)          # or model.generate(...), or loss.backward(): gradients flow, dropout drops
        print(used)

    The output is the model's own up to the rounding of its dtype, since sums are made in another order (float32: 1e-5
    relative); rows that are padding may hold other numbers than before. Reached are torch's
    scaled_dot_product_attention, nn.MultiheadAttention and nn.TransformerEncoder, and every model on transformers'
    attention interface under `sdpa` and `eager`; their masks are taken from the model's own description, not from an
    n x n tensor, where the library tells it. A call that cannot be taken over runs as ever and is named, with the
    reason, in `used.kept`; attention that no call is seen of, in `used.unseen`.

    budget: what a query may read of the keys and values it may attend to: a `Budget`, the same for every head, or an
    `Allocation`, which says it head by head (`regard allocate`) and brings along what sketches start from. Then the
    output is not the model's own any more. Each query is served as if it were decoded by itself. Layers with a window
    of at most 1,024 keys run exact under a `Budget` (an allocation is followed there too). at_most: calls of more
    queries than this run exact (a prompt is read whole, what follows it on the budget); None for no such limit. So do
    calls that cannot be budgeted (dropout, a gradient is wanted). `used.spending.left` names what runs exact, and why;
    `print(used)` shows the bytes that were read. A policy that cannot do a call, or not for so little, leaves its
    budget to window + sinks (`used.spending.plain`); so do `HeavyHitters` and `ObservedWindow`, which go by what a
    prompt's queries looked at, where no prompt was read exactly in the block.

    eviction: cut the model's key-value cache back as it grows (`Eviction`; transformers' decoders). The output is
    attention over the keys that are held, and over a sketch of the others where the eviction keeps one; `used.eviction`
    tells what was. Not together with a budget.

    Layers that are computed again in the backward pass (gradient checkpointing) need the backward pass in the block.

    Raises `SpecError` for what is no module, for a compiled or scripted model, for an allocation that was made for
    another model, for a budget and an eviction together, and where a model is being watched or used in this thread
    already; in the block, for a cache that cannot be cut back.
    """
    if eviction is not None and budget is not None:
        raise SpecError(
            "a budget and an eviction were given: expected one, for each takes keys from the other's choice"
        )
    used = Used(type(model).__name__, _spending(model, budget, at_most))
    with reach(model, used.handle, answers=True) as reaching:
        used.reaching = reaching
        used.eviction = None if eviction is None else Evicting(eviction, reaching)
        with nullcontext() if used.eviction is None else opened(used.eviction):
            yield used


def _spending(model: nn.Module, budget: Allocation | Budget | None, at_most: int | None) -> Spending | None:
    if budget is None:
        return None
    if not isinstance(budget, (Allocation, Budget)):
        raise SpecError(f"use(model, {described(budget)}): expected an Allocation, a Budget, or nothing")
    if at_most is not None and (isinstance(at_most, bool) or not isinstance(at_most, int) or at_most < 1):
        raise SpecError(f"use(at_most={described(at_most)}): expected a number of queries, at least 1, or None")
    if isinstance(budget, Allocation):
        budget.check(model)
    return Spending(budget, at_most)
