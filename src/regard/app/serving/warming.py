"""What a server does before it listens, so that no request waits for it: compiling, the first use of libraries, and
choosing how many of torch's threads answer."""

from __future__ import annotations

import gc
import time
from itertools import product

import torch

import regard
from regard.app.serving.answering import Answering
from regard.kernels import loops
from regard.tasks.task import Given
from regard.train.run import Run

_QUERIES, _KEYS, _BATCHES = (1, 8, loops.MOST), (8, 64, 256, 1024), (1, 16)


_LONG = 0.02  # seconds of a batch: reading and writing its requests takes about 5 ms, which wants a core of its own
_SAMPLE, _TIMES = "a b c d e f g h " * 12, 3  # 96 words


def warm(answering: Answering, *, threads: int | None = None) -> int:
    """Answers something where it can, and compiles what the planner may choose for this run's attention.

    threads: of torch's, to answer with; by default as many as torch has by itself, but one where that answers a batch
    of texts in less than `_LONG`: the threads of small models wait for each other while requests are read and written.
    Gives their number.

    What is there then stays out of garbage collections, each of which would hold all requests up for a fifth of a
    second.
    """
    run = answering.run
    if _may_run_loops(run):
        query = torch.zeros(1, 1, 1, 8, dtype=_dtype(run))
        regard.attend(query, query, query, kernel="loops")
    if run.task.typed is not None:
        list(run.told(run.typed([_SAMPLE])))
    if threads is not None:
        torch.set_num_threads(threads)
    elif run.task.typed is not None:
        _choose_threads(run)
    gc.collect()
    gc.freeze()
    return torch.get_num_threads()


def _choose_threads(run: Run) -> None:
    """One, or as many as torch has by itself."""
    given, every = run.typed([_SAMPLE] * 16), torch.get_num_threads()
    torch.set_num_threads(1)
    if min(_timed(run, given) for _ in range(_TIMES)) >= _LONG:
        torch.set_num_threads(every)


def _timed(run: Run, given: Given) -> float:
    began = time.perf_counter()
    list(run.told(given))
    return time.perf_counter() - began


def _may_run_loops(run: Run) -> bool:
    """Whether the planner chooses the compiled loops for self-attention of this run's shape at some length."""
    core = run.settings.core
    if core.kind != "transformer" or not loops.installed():
        return False
    size = max(1, core.dim // core.heads)
    for queries, keys, batch in product(_QUERIES, _KEYS, _BATCHES):
        if queries <= keys:
            query, key = (torch.empty(batch, core.heads, count, size, dtype=_dtype(run)) for count in (queries, keys))
            with torch.inference_mode():
                masks = (None, regard.Padding(torch.full((batch,), keys - 1)))
                if any(regard.plan(query, key, key, mask=mask).kernel == "loops" for mask in masks):
                    return True
    return False


def _dtype(run: Run) -> torch.dtype:
    return next(run.model.parameters()).dtype
