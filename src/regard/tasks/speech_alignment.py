"""Which moments of a recording each written character looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from regard.nn.decoding import alignment
from regard.tasks.explained import Alignment, Explained, Weighed
from regard.tasks.pairs_data import target_symbols
from regard.tasks.task import Setup
from regard.tasks.transcriber import Transcriber, best_heard
from regard.tasks.written_part import WrittenBatch


def explain_heard(model: nn.Module, batch: WrittenBatch, setup: Setup) -> Explained:
    """What is written of a batch of one recording, and for each character the weights of the moments: the decoder's
    attention to the sound in its last layer, mean over heads."""
    assert isinstance(model, Transcriber)
    (output,) = best_heard(model, batch, setup)
    units = [one.words() for one in model.writer.front(*batch.given).covered(0)]
    symbols = target_symbols(setup)
    if not output.ids:
        even = tuple(Weighed(unit, 1 / len(units)) for unit in units)
        return Explained("(nothing)", even, "moment", "nothing was written, so that nothing was looked at: even shares")
    weights = alignment(model.writer, batch.given, [output])[0]
    shares = zip(units, weights.mean(0).tolist(), strict=True)
    written = tuple(symbols.id_to_token(one) or "" for one in output.ids)
    rows = tuple(tuple(row) for row in weights.tolist())
    return Explained(
        symbols.decode(list(output.ids)),
        tuple(Weighed(unit, share) for unit, share in shares),
        "moment",
        "the decoder's attention to the sound, last layer, mean over what was written",
        Alignment(tuple("␣" if one == " " else one for one in written), rows, "character"),
    )


def tell_heard(model: nn.Module, batch: WrittenBatch, setup: Setup) -> Sequence[Mapping[str, Any]]:
    """Of each recording what is written, and how probable the decoder holds it: the mean of ln p a character."""
    assert isinstance(model, Transcriber)
    symbols = target_symbols(setup)
    return [
        {
            "written": symbols.decode(list(output.ids)),
            "mean_log_probability": output.log_probability / (len(output.ids) + 1),
        }
        for output in best_heard(model, batch, setup)
    ]
