"""The models whose explanations are measured, and inputs that none of them was trained on."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from benchmarks.minilm_classifier import held_out, made
from regard.lens.explain import ask
from regard.lens.question import Question
from regard.tasks.event import unheard
from regard.tasks.task import Given
from regard.train.run import Run, load_run

Ask = Callable[[nn.Module], Question]  # the same input and target of another copy of the model


@dataclass(frozen=True)
class Subject:
    """name, what: for tables. model: as it was trained. inputs: how each of them is asked about, its target fixed."""

    name: str
    what: str
    model: nn.Module
    inputs: tuple[Ask, ...]


def sentiment(core: str, folder: Path, count: int) -> Subject:
    """Film reviews of 8 to 60 words out of the test part; units are words."""
    run = _run(folder / f"sentiment-{core}", ["sentiment", "--core", core])
    rows = run.task.prepare(run.settings, run.setup.kept, unheard).rows.test
    texts = [row.text for row in rows if 8 <= len(row.text.split()) <= 60][:count]
    targets = [found.label for found in run.predict(texts)]

    def asker(text: str, target: str) -> Ask:
        return lambda model: replace(run, model=model).question(text, target, words=True)

    inputs = tuple(asker(text, target) for text, target in zip(texts, targets, strict=True))
    kind = {"bilstm": "BiLSTM + attention"}.get(core, core)
    return Subject(f"sentiment, {kind}", f"words of {len(inputs)} test reviews of 8 to 60 words", run.model, inputs)


def splice(folder: Path, count: int) -> Subject:
    """Splice sites of the test part; units are bases."""
    run = _run(folder / "splice", ["symbols"])
    part = run.task.prepare(run.settings, run.setup.kept, unheard).test
    given = Given("test", part, tuple(range(1, len(part) + 1)), ("",) * len(part))

    def asker(row: int) -> Ask:
        target = run.question(given, row=row).target
        return lambda model: replace(run, model=model).question(given, target, row=row)

    inputs = tuple(asker(row) for row in range(count))
    return Subject("splice sites", f"symbols of {len(inputs)} test sequences of 60 bases", run.model, inputs)


def minilm(folder: Path, count: int) -> Subject:
    """Endings of film reviews, read by the classifier on MiniLM; units are words."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    place = made(folder / "minilm-reviews")
    model: Any = AutoModelForSequenceClassification.from_pretrained(place).eval()
    tokenizer: Any = AutoTokenizer.from_pretrained(place)
    texts = [text for text, _ in held_out()][:count]

    def asker(text: str) -> Ask:
        target = ask(model, text, tokenizer=tokenizer).target
        return lambda one: ask(one, text, target, tokenizer=tokenizer, words=True)

    inputs = tuple(map(asker, texts))
    return Subject("reviews, MiniLM", f"words of {len(inputs)} held-out reviews' last 24 words", model, inputs)


# the function, how many inputs, under how many ways, and on how many of them the model forgets
SUBJECTS: dict[str, tuple[Callable[[Path, int], Subject], int, int, int]] = {
    "bilstm": (lambda folder, count: sentiment("bilstm", folder, count), 200, 3, 3),
    "transformer": (lambda folder, count: sentiment("transformer", folder, count), 200, 3, 3),
    "splice": (splice, 50, 2, 3),
    "minilm": (minilm, 20, 2, 1),
}


def copied(model: nn.Module) -> nn.Module:
    return copy.deepcopy(model).eval()


def _run(folder: Path, arguments: Sequence[str]) -> Run:
    """A run, trained now unless it is there."""
    if not (folder / "metrics.json").is_file():
        command = [sys.executable, "-m", "regard", "train", *arguments, "--out", str(folder)]
        print("  " + " ".join(command[1:]), flush=True)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return load_run(folder)
