"""`watch`: run a model as ever, and keep where its attention went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn

from regard.engine.observation import Wanted
from regard.engine.seams import reach
from regard.lens.choice import Choice
from regard.lens.recording import Recording

__all__ = ["Recording", "watch"]


@contextmanager
def watch(
    model: nn.Module,
    *,
    top: int = 0,
    bins: tuple[int, int] | None = None,
    layers: str | Sequence[int | str] | None = None,
    heads: Sequence[int] | None = None,
    queries: range | None = None,
    sample: float | None = None,
    seed: int = 0,
    keep: bool = False,
) -> Iterator[Recording]:
    """Record where `model`'s attention goes while it runs in this block and thread.

        with watch(model, top=8) as seen:
            model(**inputs)          # or model.generate(...): every step is recorded, on the prompt's own token axis
        trace = seen.trace()

    The model computes what it computes without being watched, to the last bit; the figures are made beside it, one
    pass over the scores of each call, in linear memory. Reached are torch's scaled_dot_product_attention,
    nn.MultiheadAttention, nn.TransformerEncoder (its fast path too), every model on transformers' attention interface
    under any implementation, regard.nn and `regard.attend`. Attention in none of these is named in `trace.unseen`.

    top: how many of the heaviest keys of each query to keep. bins: (rows, cols) of a map of the weight that flows from
    bins of queries to bins of keys, of the first call of each layer. layers: which to record, by place in the order
    they run (0, 1, ...) or by pattern on the module path ("*.layers.3.*"). heads: indices. queries: a stretch of each
    call's queries. sample: a share of the queries in (0, 1], drawn with `seed`, for figures with a standard error at a
    part of the price. keep: hold on to each call's queries, keys and mask (`seen.calls`), for maps at any zoom
    afterwards.

    Raises `SpecError` for a compiled model, a watch inside a watch, and heads a layer has not (in the run);
    `seen.trace()` raises it where no attention was seen or a layer asked for did not run.
    """
    wanted = Wanted(
        top=top,
        bins=bins,
        heads=None if heads is None else tuple(heads),
        queries=queries,
        sample=sample,
        seed=seed,
    )
    recording = Recording(type(model).__name__, wanted, Choice.of(layers), keep=keep)
    with reach(model, recording.handle) as reaching:
        recording.unseen = reaching.unseen
        yield recording
