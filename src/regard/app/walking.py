"""The four steps of attention on small numbers: matrix, allocation, context, output. Computed by regard, not here."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from regard.engine.attend import attend
from regard.kernels.reference import steps
from regard.spec.errors import SpecError
from regard.spec.request import request
from regard.spec.score import ScaledDot, Score

Array = np.ndarray[Any, np.dtype[np.float64]]
SENTENCE = "我 喜欢 吃 苹果"
LARGEST = 16  # rows or numbers a row: every one of them is printed
_DIM = 4
_RULE = (
    f"Each word's {_DIM} numbers are made up by a fixed rule, not trained: the first {_DIM} bytes b of the BLAKE2b "
    "hash of the word in UTF-8, each as round((b - 127.5) / 127.5, 2). They carry no "
    "meaning; a model learns such numbers. Query, key and value are these numbers themselves."
)


@dataclass(frozen=True)
class Numbers:
    """What a walk starts from: float64 arrays q (n, d), k (m, d), v (m, e), names for the rows, and the residual
    x (n, e), or None where there is none to add. `notes` are said before the steps, `remarks` after them."""

    query: Array
    key: Array
    value: Array
    residual: Array | None
    query_names: tuple[str, ...]
    key_names: tuple[str, ...]
    score: Score
    formula: str  # of one entry of the matrix
    notes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def shared(self) -> bool:
        """True when query, key and value are one and the same (self-attention without projections)."""
        return self.query is self.key and self.key is self.value


@dataclass(frozen=True)
class Walk:
    """The four steps, each an array: scores (n, m), weights (n, m), context (n, e), output (n, e) or None without a
    residual. `difference`: the largest between this context and the one that `regard.attend` gives."""

    scores: Array
    weights: Array
    context: Array
    output: Array | None
    difference: float


def walk(numbers: Numbers) -> Walk:
    """Takes the steps.

    Raises:
        ShapeError: the arrays do not fit each other.
    """
    q, k, v = (torch.from_numpy(array) for array in (numbers.query, numbers.key, numbers.value))
    found = steps(request(q[None, None], k[None, None], v[None, None], score=numbers.score))
    context = found.output[0, 0]
    attended = attend(q, k, v, score=numbers.score).numpy()
    return Walk(
        scores=found.scores[0, 0],
        weights=found.weights[0, 0],
        context=context,
        output=None if numbers.residual is None else numbers.residual + context,
        difference=float(np.abs(attended - context).max(initial=0.0)),
    )


def from_sentence(sentence: str) -> Numbers:
    """A sentence's words with made-up numbers (see `embedding`).

    Words are parted at spaces; a sentence without spaces in a script that writes none is read character by character.

    Raises:
        SpecError: no words, or more than 16.
    """
    words = sentence.split()
    notes = [_RULE]
    if len(words) == 1 and _written_without_spaces(words[0]):
        words = list(words[0])
        notes.append("The sentence has no spaces, so that each character is taken as a word; put spaces to part words.")
    if not words:
        raise SpecError("the sentence has no words; give some, as in: regard walk 'the cat sat'")
    if len(words) > LARGEST:
        raise SpecError(f"the sentence has {len(words)} words, expected at most {LARGEST}: every number is printed")
    if len(set(words)) < len(words):
        notes.append("A word that occurs twice has the same numbers twice: nothing here says where a word stands.")
    table = np.array([embedding(word) for word in words])
    return Numbers(
        table, table, table, table, tuple(words), tuple(words), ScaledDot(), scaled_formula(_DIM), tuple(notes)
    )


def embedding(word: str) -> list[float]:
    """Four numbers in [-1, 1] for a word, by the rule that `regard walk` prints. The same everywhere, always."""
    digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass")).digest()
    return [round((byte - 127.5) / 127.5, 2) for byte in digest[:_DIM]]


def scaled_formula(dim: int) -> str:
    """The scaled dot product of one query and one key (Vaswani et al. 2017, eq. 1)."""
    return f"score(i, j) = (q_i · k_j) / √d,  d = {dim}"


def _written_without_spaces(word: str) -> bool:
    return len(word) > 1 and all(unicodedata.east_asian_width(character) == "W" for character in word)
