"""The planner's choices are remembered; a remembered choice must never answer for another request."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest
import torch
from tests.cases import TABLE

import regard
from regard.engine import attend as engine
from regard.engine import plan as planner
from regard.spec import (
    ActivatedDot,
    Additive,
    ALiBi,
    Causal,
    Cosine,
    Dot,
    General,
    KernelError,
    Prefix,
    Request,
    ScaledDot,
    SinkLogits,
    Window,
    request,
)

DIM = 4


def requests() -> list[Request]:
    """Requests of few sizes that differ in one or more of all the things that a choice may depend on."""
    u, learned = torch.ones(DIM), torch.ones(DIM, requires_grad=True)
    scores = [
        ScaledDot(),
        ScaledDot(0.5),
        ScaledDot(softcap=2.0),
        Dot(),
        Cosine(2.0),
        General(torch.eye(DIM)),
        General(torch.eye(DIM, requires_grad=True)),
        Additive(u),
        Additive(learned),
        *(ActivatedDot(u, 0.0, name) for name in ("identity", "sigmoid", "tanh", "relu")),
        ActivatedDot(learned, 0.0, "identity"),
    ]
    masks = [None, Causal(), Window(3, 0), Causal() & Prefix(3)]
    biases = [(), (ALiBi(torch.ones(1)),), (ALiBi(learned[:1]),), (SinkLogits(torch.ones(1)),)]
    made = []
    for queries, (score, mask, bias, start, dtype, grad, dropout) in itertools.product(
        (5, 4096),
        itertools.product(scores, masks, biases, (None, 0), (torch.float32, torch.bfloat16), (False, True), (0.0, 0.1)),
    ):
        q = torch.zeros(1, 1, 1, 1, dtype=dtype).expand(1, 1, queries, DIM).detach().requires_grad_(grad)
        k = torch.zeros(1, 1, 1, 1, dtype=dtype).expand(1, 1, 8192, DIM)
        more = {"score": score, "mask": mask, "bias": bias, "query_start": start, "dropout": dropout}
        made.append(request(q, k, k, **more))  # type: ignore[arg-type]
    return made


def test_a_remembered_choice_is_what_the_planner_would_say() -> None:
    """In any order, with the memory filling up as it goes."""
    asked = random.Random(1).sample(requests(), 2000)
    chosen: Counter[str] = Counter()
    for each in asked + asked[::-1]:
        found = engine.choose(each, None)
        assert found is planner.plan(each).chosen.row, planner.words(each)
        chosen[found.name] += 1
    assert engine._CHOSEN
    assert chosen["exact"] and chosen["streaming"] and chosen["additive"]  # noqa: PT018


def test_a_forced_kernel_is_asked_each_time_about_gradients() -> None:
    """The reference has none; that the first call wanted none must not open the door for the second."""
    q = torch.zeros(2, DIM)
    weight = torch.eye(DIM)
    regard.attend(q, q, q, score=General(weight), kernel="reference")
    with pytest.raises(KernelError, match="has no gradient"):
        regard.attend(q, q, q, score=General(weight.requires_grad_()), kernel="reference")
    with torch.no_grad():
        regard.attend(q, q, q, score=General(weight), kernel="reference")
    regard.attend(q, q, q, kernel="reference")
    learned = torch.zeros(2, DIM, requires_grad=True)
    for inputs in ((learned, q, q), (q, learned, q), (q, q, learned)):
        with torch.no_grad():
            regard.attend(*inputs, kernel="reference")
        with pytest.raises(KernelError, match="has no gradient"):
            regard.attend(*inputs, kernel="reference")


def test_the_forced_name_is_part_of_the_memory() -> None:
    q = torch.zeros(1, 1, 2, DIM)
    asked = request(q, q, q)
    able = [row.name for row in TABLE if not planner.reasons(row, asked)]
    assert {"exact", "blocks", "streaming", "dense"} <= set(able)
    assert [engine.choose(asked, name).name for name in able] == able
    assert engine.choose(asked, None).automatic


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_REMEMBERED", 3)
    for length in range(1, 20):
        q = torch.zeros(length, DIM)
        regard.attend(q, q, q)
        assert len(engine._CHOSEN) <= 3


def test_masks_of_one_size_are_remembered_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small tensor by what is in it; a large one, which may change and is not looked into, by its size."""
    asked: list[object] = []
    original = planner.choose
    monkeypatch.setattr(planner, "choose", lambda made, kernel: asked.append(made.mask) or original(made, kernel))
    q = torch.zeros(300, DIM)
    for size, planned in ((5, 2), (300, 1)):
        asked.clear()
        for _ in range(2):
            for allowed in (torch.ones(size, size, dtype=torch.bool), torch.zeros(size, size, dtype=torch.bool)):
                regard.attend(q[:size], q[:size], q[:size], mask=allowed)
        assert len(asked) == planned
