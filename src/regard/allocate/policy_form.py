"""A budget as plain values for a file: its size, and its policy by name with its parameters."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from torch import Tensor

from regard.allocate.stored import exactly
from regard.spec.budget import Budget
from regard.spec.errors import DataError, RegardError, SpecError
from regard.spec.policy import Policy
from regard.spec.value import described

_SIZES = ("fraction", "keys", "tolerance")


def policies() -> dict[str, type[Policy]]:
    """Every policy there is, by the name of its class."""
    return {kind.__name__: kind for kind in Policy.__subclasses__()}


def plain(policy: Policy) -> dict[str, Any]:
    """{"name": "WindowSinks", "first": 4}. Raises `SpecError` for a policy that holds a tensor."""
    made: dict[str, Any] = {"name": type(policy).__name__}
    for field in fields(policy):  # type: ignore[arg-type]  # every policy is a dataclass
        value = getattr(policy, field.name)
        if isinstance(value, Tensor):
            raise SpecError(f"{policy!r} holds a tensor ({field.name}), which a file cannot: give {field.name}=None")
        made[field.name] = value
    return made


def policy_of(given: Any, where: str) -> Policy:
    """What `plain` was made of. Raises `DataError` for an unknown policy or parameter."""
    name = given.get("name") if isinstance(given, dict) else None
    known = policies()
    if name not in known:
        raise DataError(f"{where}: the policy {described(name)} is not known; those there are: {', '.join(known)}")
    names = tuple(field.name for field in fields(known[name]))  # type: ignore[arg-type]
    found = dict(exactly(given, ("name", *names), f"{where}, {name}"))
    del found["name"]
    try:
        return known[name](**found)
    except RegardError as error:
        raise DataError(f"{where}: {error}") from None


def plain_budget(budget: Budget) -> dict[str, Any]:
    """{"fraction": 0.1, "policy": {...}}; a tolerance has its confidence beside it."""
    size = next(name for name in _SIZES if getattr(budget, name) is not None)
    more = {"confidence": budget.confidence} if size == "tolerance" else {}
    return {size: getattr(budget, size), **more, "policy": plain(budget.policy)}


def budget_of(given: Any, where: str) -> Budget:
    """What `plain_budget` was made of. Raises `DataError` for anything else."""
    sizes = [name for name in _SIZES if isinstance(given, dict) and name in given]
    if len(sizes) != 1:
        raise DataError(f"{where}: expected one of {', '.join(_SIZES)}, and a policy; found {described(given)}")
    more = ("confidence",) if sizes == ["tolerance"] else ()
    found = exactly(given, (*sizes, *more, "policy"), where)
    policy = policy_of(found["policy"], where)
    try:
        return Budget(**{**found, "policy": policy})
    except RegardError as error:
        raise DataError(f"{where}: {error}") from None
