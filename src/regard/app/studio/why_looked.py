"""Where a run looked whose answers are not explained by taking parts away; and the picture under an explanation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from regard.app.studio.folders import kind_of_file
from regard.app.studio.inputs import Input
from regard.app.studio.looking import address
from regard.app.studio.picture import units
from regard.app.studio.readying import Desk, explained_by
from regard.app.studio.subjects import Found
from regard.app.subject import picture_from
from regard.lens.units import Units

if TYPE_CHECKING:
    from regard.tasks.explained import Explained

ATTENTION = "attention"  # where a run can only say where it looked
LIMITS = (
    "A weight says how much a method lays on a unit, not that the unit alone made the answer: read it beside its "
    "evidence. An answer may rest on units together."
)


def looked_at(found: Explained, reason: str) -> dict[str, Any]:
    """Where a run looked, without evidence: nothing was measured, so that nothing is the best. page: whether the
    command line can write a page of it."""
    texts = tuple(unit.name for unit in found.units)
    weights = [unit.weight for unit in found.units]
    seen = found.picture
    grid = (seen.rows, seen.columns) if seen is not None and seen.rows * seen.columns == len(texts) else None
    explanation = {
        "method": ATTENTION, "about": found.how, "signed": False, "how": "", "seconds": None, "weights": weights,
        "chosen": False, "evidence": None,
    }  # fmt: skip
    return {
        "target": found.answer, "probability": None, "quantity": "probability", "targets": [],
        "units": units(Units(texts, found.kind, grid=grid)), "best": None, "tied": [],
        "note": f"Where the model looked; how faithful that is was not measured: {reason}",
        "limits": LIMITS, "left_out": [], "notes": [], "explanations": [explanation],
        "picture": None if seen is None else address(seen.png),
        "page": seen is not None or found.alignment is not None,
    }  # fmt: skip


def picture_of(desk: Desk, found: Found, given: Input) -> str | None:
    """The picture that was asked about, as the model saw it: a data address; None where it is of no picture."""
    if found.kind == "run":
        from regard.train.run import load_run

        run = desk.models.get(("asked", found.path), lambda: load_run(found.path))
        rows, row = desk.given(run, given)
        looked = explained_by(run, rows.part.batch(np.array([row])))
        return None if looked is None or looked.picture is None else address(looked.picture.png)
    if given.file is None or kind_of_file(desk.file_of(given)) != "picture":
        return None
    from regard.app.studio.why_folder import seeing
    from regard.bridges.transformers_inputs import image_inputs

    processor, model = seeing(desk, found)
    return address(image_inputs(processor, model, picture_from(desk.file_of(given))).picture)
