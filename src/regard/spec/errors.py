"""The one exception tree: every error that regard raises on purpose is a `RegardError`.

Each message says what was given, what was expected, where, and what to do about it. Classes also inherit from the
built-in that a caller would reach for (`ValueError` and so on), so that ordinary `except` clauses keep working.
"""

from __future__ import annotations

AGAIN = "copy the whole run here again, or train it again in a new folder"  # the remedy for a run with a broken file


class RegardError(Exception):
    """Base of every error that regard raises on purpose."""


class SpecError(RegardError, ValueError):
    """What was asked for makes no sense: a wrong value, or values that do not go together."""


class ShapeError(SpecError):
    """Tensors whose shapes, dtypes or devices do not fit each other."""


class MaskError(SpecError):
    """A mask that is not boolean, does not fit the sizes, or cannot be combined."""


class KernelError(RegardError, RuntimeError):
    """No kernel can do what was asked, a forced kernel cannot, or it would need an n x n array over the limit."""


class MissingExtraError(RegardError, ImportError):
    """A part of regard needs an optional package; the message names the install command."""


class DataError(RegardError, ValueError):
    """A data file, column, row or label that cannot be used."""


class RunError(RegardError, RuntimeError):
    """A training run that cannot start, go on, or be written."""


class CheckpointError(RunError):
    """A checkpoint or run folder that is missing, cut short, or made for something else."""


class NonFiniteLossError(RunError):
    """More losses were NaN or infinite than the run tolerates."""
