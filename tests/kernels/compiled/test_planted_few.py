"""Planted errors in few queries' compiled loops: each must turn a short battery of comparisons red."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from tests.comparison import check, truth
from tests.faults import Patch, around, no_sink
from tests.focus_ways import needed
from tests.kernels.compiled.test_few import ALSO, ROW, long

from regard.kernels import few_runs
from regard.spec import Causal, Padding

needed()

from regard.kernels.compiled import few  # noqa: E402
from regard.kernels.compiled.splits import Words  # noqa: E402


def battery(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs and blocks of 16 keys, splits of 20 in two threads; masks, slopes, sink, softcap; NaN unseen and seen."""
    monkeypatch.setattr(few_runs, "SHORTEST", 16)
    monkeypatch.setattr(few, "SMALLEST", 16)
    monkeypatch.setattr(few, "SCORES", 1)
    monkeypatch.setattr(few, "LEAST", 20)
    monkeypatch.setattr(few, "SHARE", 1)
    monkeypatch.setattr(few, "workers", lambda: 2)
    for dtype in (torch.float32, torch.bfloat16):
        for mask in (None, Causal(), ALSO["sinks and window"], ALSO["for each head"]):
            asked = long(dtype, mask, start=90)
            check(ROW, asked, truth(asked, gradients=False), gradients=False)
    asked = long(torch.float32, Padding(torch.tensor([131, 17])))
    want = truth(asked, gradients=False)
    asked.key[1, :, 17:] = torch.nan
    check(ROW, asked, want, gradients=False)
    seen = long(torch.float32)
    seen.value[0, 0, 5] = torch.nan
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(few.streaming, "run", lambda asked: (torch.zeros(1), torch.zeros(1)))
        assert few.run(seen)[0].shape == (1,), "NaN is not told from numbers"


def words(**changed: Callable[[Words], int]) -> Patch:
    """Each `changed(words)` gives another of what the loops are called with."""
    return around(
        few,
        "_Place",
        lambda f, *given: f(*Words(*given)._replace(**{n: c(Words(*given)) for n, c in changed.items()})),
    )


def found(change: Callable[[Any, Words], None]) -> Patch:
    """`change(numbers, words)` spoils what the splits leave: contexts, sums and maxima, as one array of float32."""

    def patched(original: Any, function: Any, given: Any, threads: int) -> None:
        original(function, given, threads)
        asked = Words(*given)
        if threads > 1:
            rows = asked.lanes * asked.splits * asked.groups * asked.queries
            change((ctypes.c_float * (rows * (asked.value_dim + 2))).from_address(asked.found), asked)

    return around(few, "at_work", patched)


def first_split_without_its_maximum(numbers: Any, asked: Words) -> None:
    rows = asked.lanes * asked.splits * asked.groups * asked.queries
    numbers[rows * (asked.value_dim + 1)] += 1


def last_sum_doubled(numbers: Any, asked: Words) -> None:
    rows = asked.lanes * asked.splits * asked.groups * asked.queries
    numbers[rows * (asked.value_dim + 1) - 1] *= 2


def first_number_off(numbers: Any, asked: Words) -> None:
    for place in range(0, asked.lanes * asked.splits * asked.groups * asked.queries * asked.value_dim, asked.value_dim):
        numbers[place] *= 1.01


FAULTS: dict[str, Patch] = {
    "scale 1 % off": around(few, "_asked", lambda f, asked: (f(asked)[0] * 1.01, f(asked)[1])),
    "softcap left out": words(cap=lambda w: 0),
    "slopes left out": words(biases=lambda w: 0),
    "slopes not in units of log 2": around(few, "_slopes", lambda f, asked: f(asked) / few.LOG2E),
    "distances one off": words(start=lambda w: w.start + 1),
    "sink ignored": around(few, "with_sink", no_sink),
    "one mask for all items": words(mask_items=lambda w: 1),
    "one mask for all heads": words(mask_heads=lambda w: 1),
    "keys of the first head for all": words(key_head=lambda w: 0),
    "values of the first item for all": words(value_batch=lambda w: 0),
    "keys one number further": words(key=lambda w: w.key + 4),
    "values of the next key": words(value=lambda w: w.value + 2 * w.value_stride),
    "last key left out": words(keys=lambda w: w.keys - 1),
    "last run left out": words(pieces=lambda w: max(1, w.pieces - 1)),
    "mask one column off": around(few_runs, "_tile", lambda f, *a: f(*a).roll(1, -1)),
    "mask left out": around(few_runs, "_runs", lambda f, *a: ((cols, False) for cols, _ in f(*a))),
    "mixed runs taken for empty": around(few_runs, "_runs", lambda f, *a: (each for each in f(*a) if not each[1])),
    "splits joined by the wrong maximum": found(first_split_without_its_maximum),
    "a split's sum doubled": found(last_sum_doubled),
    "the first number of each split 1 % off": found(first_number_off),
    "bits of bfloat16 taken for half precision": around(
        few, "working", lambda f, kind: f("float16" if kind == "bfloat16" else kind)
    ),
    "what is not finite taken for finite": around(
        few, "_attended", lambda f, asked: f(asked) or (torch.zeros(asked.output_shape), torch.zeros(1))
    ),
}


def test_without_a_fault_the_battery_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    battery(monkeypatch)


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_seen(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    FAULTS[fault](monkeypatch)
    with pytest.raises(AssertionError):
        battery(monkeypatch)


def test_a_tile_of_other_rows_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    around(few, "_asked", lambda f, asked: (f(asked)[0].roll(1, 2), f(asked)[1]))(monkeypatch)
    with pytest.raises(AssertionError, match="output: off by"):
        check(ROW, replace(long()), truth(long(), gradients=False), gradients=False)
