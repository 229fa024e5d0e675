"""Where attention goes, shown: words by weight, with evidence beside the picture."""

from regard.lens.compare import compare
from regard.lens.evidence import Evidence
from regard.lens.maps import region
from regard.lens.page import page
from regard.lens.reading import LIMITS, Reading
from regard.lens.report import report
from regard.lens.trace import Layer, Trace
from regard.lens.trace_view import view
from regard.lens.units import Units
from regard.lens.watch import watch
from regard.lens.words import Token, Word, heaviest, merge

__all__ = [
    "LIMITS",
    "Evidence",
    "Layer",
    "Reading",
    "Token",
    "Trace",
    "Units",
    "Word",
    "compare",
    "heaviest",
    "merge",
    "page",
    "region",
    "report",
    "view",
    "watch",
]
