"""Training: one loop over `accelerate`, exact resume, a folder for each run, and runs that answer."""

# ruff: noqa: E402 - what is missing is said before the first import fails on it
from regard.spec.extra import require

require("accelerate", "safetensors")

from regard.train.result import BaselineResult, Result
from regard.train.run import Evaluation, Prediction, Run, TokenWeight, load_run
from regard.train.training import train_run

__all__ = [
    "BaselineResult",
    "Evaluation",
    "Prediction",
    "Result",
    "Run",
    "TokenWeight",
    "load_run",
    "train_run",
]
