"""One output for each row, one token after another: what greedy decoding and sampling share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from regard.nn.decoding.steps import Limits, Output, Steps, log_probabilities

Choose = Callable[[Tensor], Tensor]  # (rows, vocab) log-probabilities -> (rows,) int64 ids


@torch.no_grad()
def walk(steps: Steps, context: object, limits: Limits, choose: Choose, *, each: int = 1) -> list[Output]:
    """`each` outputs for every source, side by side: those of source 0 first. Rows that have ended are dropped."""
    state = steps.start(context)
    ids: Tensor = state.first
    going = torch.arange(len(ids), device=ids.device).repeat_interleave(each)
    if each > 1:
        state.select(going)
        ids, going = ids[going], torch.arange(len(going), device=ids.device)
    totals = torch.zeros(len(going), device=ids.device)
    written: list[list[int]] = [[] for _ in going]
    ended = [False] * len(going)
    for _ in range(limits.longest):
        if not len(going):
            break
        logs = log_probabilities(steps.step(state, ids), limits, len(going))
        ids = choose(logs)
        totals = totals.to(logs.dtype).index_add(0, going, logs.gather(1, ids[:, None])[:, 0])
        for row, token in zip(going.tolist(), ids.tolist(), strict=True):
            if token == limits.end:
                ended[row] = True
            else:
                written[row].append(token)
        if limits.end is not None and bool((ids == limits.end).any()):
            kept = (ids != limits.end).nonzero()[:, 0]
            ids, going = ids[kept], going[kept]
            state.select(kept)
    ends = zip(written, totals.tolist(), ended, strict=True)
    return [Output(tuple(tokens), total, total, done) for tokens, total, done in ends]
