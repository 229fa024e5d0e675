"""How faithful an explanation is: each measure beside random, position and reverse order."""

from regard.lens.faithfulness.chosen import Chosen, choose
from regard.lens.faithfulness.curves import Deletion, Insertion
from regard.lens.faithfulness.interval import Mean
from regard.lens.faithfulness.left_out import LeftOut
from regard.lens.faithfulness.measure import DRAWS, METRICS, QUICK, Measured, measure
from regard.lens.faithfulness.metric import Metric
from regard.lens.faithfulness.orders import BASELINES, POSITION, RANDOM, REVERSE
from regard.lens.faithfulness.randomised import Randomised, layers_from_the_top, randomised
from regard.lens.faithfulness.rationale import SHARES, Comprehensiveness, Sufficiency
from regard.lens.faithfulness.summary import ahead, average, won

__all__ = [
    "BASELINES",
    "DRAWS",
    "METRICS",
    "POSITION",
    "QUICK",
    "RANDOM",
    "REVERSE",
    "SHARES",
    "Chosen",
    "Comprehensiveness",
    "Deletion",
    "Insertion",
    "LeftOut",
    "Mean",
    "Measured",
    "Metric",
    "Randomised",
    "Sufficiency",
    "ahead",
    "average",
    "choose",
    "layers_from_the_top",
    "measure",
    "randomised",
    "won",
]
