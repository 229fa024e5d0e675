"""What is refused of the arguments of a Keras layer, each with what was expected."""

from __future__ import annotations

from typing import Any

from regard.spec.errors import ShapeError, SpecError
from regard.spec.value import described


def check_dropout(name: str, given: Any) -> float:
    """Raises `SpecError` unless 0 <= dropout < 1."""
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 <= given < 1:
        raise SpecError(f"{name}(dropout={described(given)}): expected a probability, 0 <= dropout < 1")
    return float(given)


def check_count(name: str, **one: Any) -> int:
    """The one argument given, by its name. Raises `SpecError` unless it is a whole number from 1."""
    ((what, given),) = one.items()
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise SpecError(f"{name}: argument `{what}` is {described(given)}; expected a whole number from 1")
    return given


def check_groups(name: str, heads: int, groups: Any) -> int:
    """How many heads keys have. Raises `SpecError` unless as many query heads share each."""
    if groups is None:
        return heads
    if heads % check_count(name, num_key_value_heads=groups):
        raise SpecError(
            f"{name}: {heads} heads cannot share {groups} key heads (num_key_value_heads): the first must be a "
            "multiple of the second"
        )
    return int(groups)


def check_flash(name: str, given: Any) -> None:
    """Raises `SpecError` for flash_attention=True."""
    if given:
        raise SpecError(
            f"{name}(flash_attention=True): which kernel runs is the planner's choice on the torch backend "
            "(regard.plan says which); on the others there is one, in keras.ops: leave flash_attention out"
        )


def check_alike(name: str, value: Any, key: Any) -> None:
    """Raises `ShapeError` unless the shapes of value and key are equal between their first and last axis."""
    if tuple(value[1:-1]) != tuple(key[1:-1]):
        raise ShapeError(f"{name}: value {tuple(value)} and key {tuple(key)} must be equal but for the last axis")


def check_masks_go_along(attended: tuple[int, ...]) -> None:
    """Raises `SpecError` for a causal mask or a window over several axes."""
    if len(attended) != 1:
        raise SpecError(
            f"use_causal_mask and sliding_window go along one axis, and attention runs over axes {attended}: name one "
            "in attention_axes, or pass attention_mask"
        )


def numbers(name: str, given: Any) -> tuple[int, ...] | None:
    """A whole number or several as a tuple; None for none. Raises `SpecError` for anything else."""
    if given is None:
        return None
    found = (given,) if isinstance(given, int) else given
    if not isinstance(found, (tuple, list)) or not all(isinstance(each, int) for each in found):
        raise SpecError(f"Invalid `{name}`: {described(given)}; expected a whole number, or a tuple or list of them")
    return tuple(found) or None
