"""Every task's model as ONNX graphs: drawn of a few rows, and run in onnxruntime on others, of five lengths."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.optional_packages import package

from regard.bridges import onnx_files
from regard.bridges.onnx_tasks import DRAWN, drawings
from regard.spec.errors import RunError
from regard.tasks.catalogue import TASKS
from regard.tasks.event import unheard
from regard.tasks.sections import DataSettings
from regard.tasks.settings import changed
from regard.tasks.several_part import SeveralPart
from regard.tasks.task import task_named

EXAMPLES = Path(__file__).parents[2] / "examples"
SMALL = {"core.dim": 16, "core.hidden": 32, "core.layers": 2, "core.heads": 2}
REVIEWS = ("reviews.csv", {"text": "review", "label": "verdict"})
# task -> preset, file, columns, other settings
CASES = {
    "sentiment": ("transformer", *REVIEWS, {"core.budget": 0.5}),
    "classify": ("bilstm", "messages.jsonl", {"text": "message", "label": "topic"}, {}),
    "images": (None, "pictures", {}, {}),
    "language-model": (None, "tales.jsonl", {}, {}),
    "masked-text": (None, *REVIEWS, {}),
    "masked-images": (None, "pictures", {}, {}),
    "translate": ("bilstm", "pairs.csv", {}, {}),
    "summarise": (None, "notices.jsonl", {}, {}),
    "answer": (None, "questions.jsonl", {}, {}),
    "tag": (None, "tags.jsonl", {}, {}),
    "symbols": (None, "bases.csv", {}, {}),
    "music": (None, "tunes.jsonl", {}, {}),
    "forecast": (None, "series.csv", {}, {}),
    "recommend": (None, "events.csv", {}, {}),
    "tabular": (None, "plants.csv", {}, {}),
    "speech": (None, "sounds/speech.csv", {}, {}),
    "caption": (None, "captions.csv", {}, {}),
    "image-text": (None, "captions.csv", {}, {}),
    "detect": (None, "scenes", {}, {}),
    "segment": (None, "scenes", {}, {}),
}


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    """Small files for the tasks that have none among the examples."""
    folder, draw = tmp_path_factory.mktemp("made"), random.Random(0)
    words = {"the": "DET", "dog": "NOUN", "cat": "NOUN", "sees": "VERB", "Ann": "PROPN", "red": "ADJ"}
    tagged = [[draw.choice(list(words)) for _ in range(draw.randint(2, 12))] for _ in range(60)]
    rows = [{"tokens": one, "tags": [words[w] for w in one], "group": f"g{n // 2}"} for n, one in enumerate(tagged)]
    (folder / "tags.jsonl").write_text("\n".join(map(json.dumps, rows)))
    tunes = [" ".join(draw.choices(["c4", "d4", "e4", "g4"], k=draw.randint(6, 40))) for _ in range(60)]
    rows = [{"symbols": one, "group": f"work {n // 2}"} for n, one in enumerate(tunes)]
    (folder / "tunes.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


@pytest.fixture(scope="module", autouse=True)
def _packages():
    for needed in ("onnx", "onnxscript", "onnxruntime"):
        package(needed, "regard[onnx]")


def prepared(name, made_up):
    """A task's model with random weights, its setup, and real rows."""
    preset, file, columns, more = CASES[name]
    task = task_named(name, TASKS)
    path = next(one for one in (EXAMPLES / file, made_up / file) if one.exists())
    data = DataSettings(path=str(path), columns=columns).model_dump()
    settings = changed(task.settings(preset), {"data": data, **SMALL, "train.epochs": 1, **more})
    found = task.prepare(settings, None, unheard)
    return task, task.build(found.setup).eval(), found


def test_every_task_is_drawn_or_named():
    assert set(CASES) == set(DRAWN)
    assert {task.name for task in TASKS} - set(DRAWN) == {"sentiment+spam"}  # of two drawn tasks, below


@pytest.mark.parametrize("name", CASES)
def test_the_graphs_of_a_task_are_its_model_at_five_lengths(name, made_up, tmp_path):
    task, model, found = prepared(name, made_up)
    ((part, drawing),) = drawings(task, model, found.setup).items()
    files, checked = onnx_files.write(part, drawing, found.train, tmp_path)
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(files)
    assert len(checked) == onnx_files.LENGTHS
    for one in checked:
        assert max(one.differences.values()) <= onnx_files.TOLERANCE
    varied = {"images", "masked-images", "caption", "image-text", "detect", "segment", "tabular", "forecast"}
    if name not in varied:  # those are of one size by their kind, and differ in their rows alone
        assert len({one.length for one in checked}) > 2


def test_attention_is_the_standard_operator(made_up, tmp_path):
    import onnx

    task, model, found = prepared("tag", made_up)
    ((part, drawing),) = drawings(task, model, found.setup).items()
    onnx_files.write(part, drawing, found.train, tmp_path)
    names = [node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node]
    assert names.count("Attention") == 2  # one a layer


def test_two_tasks_on_one_core_are_two_graphs(tmp_path):
    task = task_named("sentiment+spam", TASKS)
    texts = DataSettings(path=str(EXAMPLES / REVIEWS[0]), columns=REVIEWS[1])
    mails = DataSettings(path=str(EXAMPLES / "messages.jsonl"), columns={"text": "message", "label": "topic"})
    settings = changed(task.settings(), {**SMALL, "train.epochs": 1})
    settings = settings.model_copy(update={"members": {"sentiment": texts, "spam": mails}})
    found = task.prepare(settings, None, unheard)
    model = task.build(found.setup).eval()
    assert isinstance(found.test, SeveralPart)
    made = drawings(task, model, found.setup)
    assert list(made) == ["sentiment", "spam"]
    for name, drawing in made.items():
        files, _ = onnx_files.write(name, drawing, found.test.parts[name], tmp_path)
        assert files == (f"{name}.model.onnx",)


def test_a_graph_of_other_weights_is_refused_and_named(made_up, tmp_path):
    task, model, found = prepared("tabular", made_up)
    ((part, drawing),) = drawings(task, model, found.setup).items()
    onnx_files.write(part, drawing, found.train, tmp_path)
    sessions = {"model": onnx_files.session(tmp_path / "model.onnx")}
    with torch.no_grad():
        model.head.classes.bias += 0.01
    with pytest.raises(RunError, match=r"model\.logits by 0\.01"):
        onnx_files.checked(drawing, sessions, found.train)


def test_rows_are_chosen_from_the_shortest_to_the_longest():
    class Part:
        lengths = np.array([3, 9, 1, 9, 5, 7, 2])

        def __len__(self):
            return len(self.lengths)

    picked = onnx_files.chosen(Part())
    assert [int(Part.lengths[rows].max()) for rows in picked] == [1, 2, 3, 7, 9]
    assert list(map(len, picked)) == [1, 2, 3, 4, 1]
