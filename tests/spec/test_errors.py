"""The exception tree and the public names of the room."""

from __future__ import annotations

import inspect

import pytest

import regard.spec
from regard.spec import errors


@pytest.mark.parametrize(
    ("error", "also"),
    [
        (errors.SpecError, ValueError),
        (errors.ShapeError, ValueError),
        (errors.MaskError, ValueError),
        (errors.DataError, ValueError),
        (errors.KernelError, RuntimeError),
        (errors.RunError, RuntimeError),
        (errors.MissingExtraError, ImportError),
    ],
)
def test_errors_are_also_the_built_in_a_caller_would_catch(error: type[Exception], also: type[Exception]) -> None:
    assert issubclass(error, also)


def test_there_is_one_tree() -> None:
    found = [member for _, member in inspect.getmembers(errors, inspect.isclass)]
    assert errors.MaskError in found
    assert all(issubclass(error, errors.RegardError) for error in found)
    assert issubclass(errors.NonFiniteLossError, errors.RunError)
    assert issubclass(errors.CheckpointError, errors.RunError)


def test_public_names_are_sorted_and_there() -> None:
    names = regard.spec.__all__
    assert names == sorted(names)
    assert all(hasattr(regard.spec, name) for name in names)


def test_every_error_is_public() -> None:
    assert {error for error, _ in inspect.getmembers(errors, inspect.isclass)} <= set(regard.spec.__all__)
