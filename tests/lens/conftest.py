from dataclasses import dataclass

import pytest
import torch
from tests.lens.questions import added

from regard.lens import Reading, Units
from regard.lens.evidence import evidence_for
from regard.lens.explanation import Explanation


@dataclass(frozen=True)
class Piece:
    """A token as a model read it."""

    start: int
    end: int
    weight: float


@pytest.fixture
def piece():
    return Piece


@pytest.fixture
def reading():
    """'A <b>fine</b> film, truly.' with weights .1 .4 .2 .05 -.2 .05 on six words; nothing on the tags. The model's
    probability is .1 and the weights of the words that are kept, less nothing for what is below 0."""
    text = "A <b>fine</b> film, truly."
    spans = ((0, 1), (5, 9), (14, 18), (18, 19), (20, 25), (25, 26))
    units = Units(tuple(text[start:end] for start, end in spans), "word", spans=spans, source=text)
    weights = torch.tensor([0.1, 0.4, 0.2, 0.05, -0.2, 0.05], dtype=torch.float64)
    question = added([0.1, 0.4, 0.2, 0.05, 0.0, 0.05], texts=units.texts)
    found = Explanation(
        units=units,
        weights=weights,
        method="occlusion",
        target="good & true",
        probability=0.9,
        how="how far it falls <without>",
        evidence=evidence_for(question, {"occlusion": weights}, "occlusion", draws=4),
    )
    return Reading(
        explanation=found,
        model="Read by the bilstm of the run 'x<y>', task sentiment",
        answers=(("good & true", 0.9), ("bad", 0.1)),
        notes=("3 tokens of the text are not read.",),
    )
