"""A step to come as it is typed on the command line."""

import pytest
import torch
from tests.tasks.test_forecast import rows, settings
from tests.tasks.untrained import first, untrained

from regard.spec.errors import SpecError
from regard.tasks.forecast import FORECAST
from regard.tasks.series_question import series_question


def test_a_step_may_be_typed(tmp_path):
    path = tmp_path / "series.csv"
    path.write_text(rows())
    run, part = untrained(FORECAST, settings(path))
    batch = first(part)
    typed, number = (series_question(run.model, run.setup, batch, step) for step in ("3", 3))
    assert typed.target == number.target
    assert typed.target.startswith("step 3 from ")
    every = torch.zeros(1, len(typed.units), dtype=torch.bool)
    assert typed.scores(every).item() == number.scores(every).item()
    for wrong in ("0", "999", "three"):
        with pytest.raises(SpecError, match="expected a step to come"):
            series_question(run.model, run.setup, batch, wrong)
