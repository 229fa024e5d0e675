"""An allocation: for every layer and key head, what a query may read of its keys and values, and how it chooses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from regard.allocate.basis_form import basis_of, plain_basis
from regard.allocate.fingerprint import Fingerprint
from regard.allocate.policy_form import budget_of, plain_budget
from regard.allocate.stored import exactly, read, write
from regard.kernels.sketch_basis import Basis
from regard.spec.budget import Budget
from regard.spec.errors import DataError, SpecError
from regard.spec.policy import Focus
from regard.spec.value import is_number

FORMAT = "regard allocation 2"
_ENTRIES = ("model", "expected", "layers", "bases")
_OLDER = {"regard allocation 1": _ENTRIES[:-1]}  # brought no bases along: each prompt teaches one
_EXPECTED = ("share", "cost", "unit")


@dataclass(frozen=True, eq=False)
class Allocation:
    """model: whom it is for. layers: module path -> one budget for each key head.

    What the profile lets expect: share, of all bytes that are read; cost, added to the loss, in `unit` ("nats a token"
    or "share of the output"); None where nothing is known.

    bases: module path -> for each key head the basis that its sketches start from, learnt from the profile's texts, or
    None; a layer without any is not there, and learns from each prompt.
    """

    model: Fingerprint
    layers: Mapping[str, tuple[Budget, ...]]
    share: float | None = None
    cost: float | None = None
    unit: str = ""
    bases: Mapping[str, tuple[Basis | None, ...]] = field(default_factory=dict)
    _joined: dict[tuple[str, range], Basis | None] = field(default_factory=dict, init=False, repr=False)
    _runs: dict[str, tuple[tuple[range, Budget], ...]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        for path, heads in self.layers.items():
            if not heads or not all(isinstance(each, Budget) for each in heads):
                raise SpecError(f"the allocation of {path} is {heads!r}: expected a Budget for each key head")
        if not self.layers:
            raise SpecError("an allocation needs at least one layer")
        for name in ("share", "cost"):
            value = getattr(self, name)
            if value is not None and not (is_number(value) and value >= 0):
                raise SpecError(f"Allocation({name}={value!r}): expected a number that is not below 0, or None")
        for path, bases in self.bases.items():
            self._check_bases(path, bases)

    def _check_bases(self, path: str, bases: tuple[Basis | None, ...]) -> None:
        budgets = self.layers.get(path, ())
        if len(bases) != len(budgets):
            raise SpecError(f"{path} has {len(bases)} bases and {len(budgets)} budgets: expected one a key head")
        for head, (basis, budget) in enumerate(zip(bases, budgets, strict=True)):
            if basis is None:
                continue
            if not isinstance(budget.policy, Focus):
                raise SpecError(f"{path}, head {head}: {budget.policy!r} keeps no sketch, and has a basis for one")
            try:
                basis.for_policy(budget.policy, (1, 1, basis.dim, basis.value_dim), basis.key.device)
            except SpecError as error:
                raise SpecError(f"{path}, head {head}: {error}") from None

    def check(self, model: nn.Module) -> None:
        """Raises `SpecError` where this allocation was made for another model, or names a layer that it lacks."""
        self.model.check(model, "allocation")
        known = {path or type(model).__name__ for path, _ in model.named_modules()}  # as `reach` names them
        odd = [path for path in self.layers if path not in known]
        if odd:
            raise SpecError(
                f"this allocation has a budget for {', '.join(odd)}, which this {type(model).__name__} does not have; "
                "take it out of the file, or allocate again (regard allocate)"
            )

    def runs(self, path: str) -> tuple[tuple[range, Budget], ...]:
        """Key heads that lie side by side and have one budget, for a layer; none for one that has no budget."""
        found = self._runs.get(path)
        if found is None:
            made: list[tuple[range, Budget]] = []
            for head, budget in enumerate(self.layers.get(path, ())):
                if made and made[-1][1] == budget:
                    made[-1] = (range(made[-1][0].start, head + 1), budget)
                else:
                    made.append((range(head, head + 1), budget))
            found = self._runs[path] = tuple(made)
        return found

    def basis(self, path: str, heads: range) -> Basis | None:
        """For key heads of a layer that have one budget; None where one of them has none."""
        if (path, heads) not in self._joined:
            found = [each for each in self.bases.get(path, ())[heads.start : heads.stop] if each is not None]
            self._joined[path, heads] = Basis.joined(found) if len(found) == len(heads) else None
        return self._joined[path, heads]

    def __repr__(self) -> str:
        heads = sum(len(each) for each in self.layers.values())
        share = "" if self.share is None else f", {100 * self.share:.3g} % of all bytes"
        return f"<allocation for {self.model.kind}: {len(self.layers)} layers, {heads} key heads{share}>"

    def save(self, path: str | Path) -> None:
        """Writes the allocation as JSON, whole or not at all.

        Raises:
            RunError: it cannot be written.
            SpecError: a policy holds a tensor.
        """
        body = {
            "model": self.model.plain(),
            "expected": {name: getattr(self, name) for name in _EXPECTED},
            "layers": {name: [plain_budget(each) for each in heads] for name, heads in self.layers.items()},
            "bases": {
                name: [None if each is None else plain_basis(each) for each in heads]
                for name, heads in self.bases.items()
            },
        }
        write(Path(path), FORMAT, body)

    @classmethod
    def load(cls, path: str | Path) -> Allocation:
        """Reads what `save` wrote. Raises `DataError` for any other file, version, policy or parameter."""
        place = Path(path)
        found = read(place, FORMAT, _ENTRIES, _OLDER)
        expected = exactly(found["expected"], _EXPECTED, f"{place}, expected")
        if not isinstance(expected["unit"], str):
            raise DataError(f"{place}: expected a text as unit")
        model = Fingerprint.from_plain(found["model"], f"{place}, model")
        try:
            return cls(model, _layers(found["layers"], place), **expected, bases=_bases(found.get("bases", {}), place))
        except SpecError as error:
            raise DataError(f"{place}: {error}") from None


def _bases(given: Any, path: Path) -> dict[str, tuple[Basis | None, ...]]:
    if not isinstance(given, dict) or not all(isinstance(heads, list) for heads in given.values()):
        raise DataError(f"{path}: expected under bases a list for some module paths, a basis or null for each key head")
    return {
        name: tuple(
            None if each is None else basis_of(each, f"{path}, basis of {name}, head {head}")
            for head, each in enumerate(heads)
        )
        for name, heads in given.items()
    }


def _layers(given: Any, path: Path) -> dict[str, tuple[Budget, ...]]:
    if not isinstance(given, dict) or not all(isinstance(heads, list) for heads in given.values()):
        raise DataError(f"{path}: expected under layers a list of budgets, one a key head, for each module path")
    return {
        name: tuple(budget_of(each, f"{path}, {name}, head {head}") for head, each in enumerate(heads))
        for name, heads in given.items()
    }
