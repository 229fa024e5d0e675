"""What the modules of a model were seen to do, so that those that never attend need not be looked at again.

Looking costs about a microsecond for every torch function and two for every module: more than a small model's own work
in a decoding step.
"""

from __future__ import annotations

from dataclasses import dataclass, field

_ENOUGH = 2  # calls of a module after which it is taken to go on as it began


@dataclass(eq=False)
class Habits:
    """By module path. A module that changes its ways later computes as it does by itself, under its parent's name."""

    direct: set[str] = field(default_factory=set)  # attended by a torch function themselves
    _attending: set[str] = field(default_factory=set)  # with attention somewhere in them
    _calls: dict[str, int] = field(default_factory=dict)

    def left(self, path: str, *, attends: bool) -> None:
        """A call of the module is over."""
        if attends:
            self._attending.add(path)
        self._calls[path] = self._calls.get(path, 0) + 1

    def quiet(self, path: str) -> bool:
        """It has been called often enough, and never attended."""
        return path not in self._attending and self._calls.get(path, 0) >= _ENOUGH

    def calls(self, path: str) -> bool:
        """It may attend by a torch function itself, for all that is known."""
        return path in self.direct or self._calls.get(path, 0) < _ENOUGH
