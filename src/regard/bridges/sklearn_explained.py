"""The weights of fitted estimators, in the rows' own units."""

from __future__ import annotations

from typing import Any

import numpy as np

from regard.bridges.sklearn_model import Model
from regard.bridges.sklearn_rows import Rows
from regard.tasks.part import MeasuredPart
from regard.tasks.text_data import vocabulary_of


def explained(model: Model, part: MeasuredPart, rows: Rows) -> Any:
    """Of a table (rows, columns) float64; of texts, of each a list of (word, weight) in the text's order."""
    found = model.weights(part)
    if rows.texts is None:
        return np.stack(found)
    told = []
    for text, pieces, weights in zip(rows.texts, vocabulary_of(model.setup).pieces(rows.texts), found, strict=True):
        words = [text[start:end] for start, end in pieces.spans]
        told.append(list(zip(words, weights.tolist(), strict=True)))
    return told
