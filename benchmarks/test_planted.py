"""The planted tasks have the truth that they say, the hand-made model looks away from it, and a hit is a hit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.planted import RAW, best_method, hit, methods
from benchmarks.planted_models import AWAY, LooksAway, classifier_question, looks_away_question, solved
from benchmarks.planted_tasks import HIDDEN, LEFT, RIGHT, TASKS, cues_of
from regard.lens.explain import weigh


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_without_any_part_of_the_truth_the_class_is_another_and_without_the_rest_the_same(task: object) -> None:
    for ids, label, truth in task.cases(50, seed=0):  # type: ignore[attr-defined]
        for place in truth:
            without = ids.copy()
            without[place] = HIDDEN
            assert task.rule(without.tolist()) != label  # type: ignore[attr-defined]
        alone = np.full_like(ids, HIDDEN)
        alone[list(truth)] = ids[list(truth)]
        assert task.rule(alone.tolist()) == label  # type: ignore[attr-defined]


def test_the_first_of_several_cues_is_told_from_those_that_contradict_it() -> None:
    first = TASKS[1]
    assert first.rule([20, LEFT[0], 30, RIGHT[0]]) == 0
    assert first.decides([20, LEFT[0], 30, RIGHT[0]]) == (1,)
    assert first.decides([20, LEFT[0], 30, LEFT[1]]) is None  # the second says the same: it would do in its place
    assert cues_of([RIGHT[1], 12, LEFT[0]]) == [(0, 1), (2, 0)]


def test_a_hit_needs_all_of_the_truth_and_nothing_as_heavy() -> None:
    assert hit(torch.tensor([0.1, 0.7, 0.2]), (1,))
    assert not hit(torch.tensor([0.1, 0.7, 0.2]), (2,))
    assert hit(torch.tensor([0.4, 0.1, 0.5]), (0, 2))
    assert not hit(torch.tensor([0.4, 0.4, 0.2]), (0,))  # not told apart


def test_raw_attention_lies_beside_what_the_hand_made_model_knows_and_occlusion_finds_it() -> None:
    model, task = LooksAway().eval(), TASKS[0]
    for ids, label, truth in task.cases(20, seed=1):
        question = looks_away_question(model, ids, label, task.labels)
        assert question.probability > 0.99
        raw = weigh(question, RAW).weights
        assert int(raw.argmax()) == (truth[0] - AWAY) % len(ids)
        assert float(raw.max()) > 0.99
        assert not hit(raw, truth)
        assert hit(weigh(question, "occlusion").weights, truth)
    assert best_method([(question, truth)]) != RAW


def test_a_trained_model_is_asked_as_its_task_says() -> None:
    model, accuracy = solved(TASKS[0], "bilstm", steps=20)
    assert 0 <= accuracy <= 1
    ids, label, _ = TASKS[0].cases(1, seed=3)[0]
    question = classifier_question(model, ids, label, TASKS[0].labels)
    with torch.no_grad():
        own = model(torch.from_numpy(ids)[None], torch.tensor([len(ids)]))[0].softmax(-1)[0, label]
    assert question.probability == pytest.approx(float(own), abs=1e-5)
    assert RAW in methods(question)
