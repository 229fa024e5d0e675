"""`use`: run a model as ever, with its attention computed by regard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from regard.allocate.used import Used
from regard.engine.seams import reach

__all__ = ["Used", "use"]


@contextmanager
def use(model: nn.Module) -> Iterator[Used]:
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

    Layers that are computed again in the backward pass (gradient checkpointing) need the backward pass in the block.

    Raises `SpecError` for what is no module, for a compiled or scripted model, and where a model is being watched or
    used in this thread already.
    """
    used = Used(type(model).__name__)
    with reach(model, used.handle, answers=True) as reaching:
        used.reaching = reaching
        yield used
