"""Where output goes: colours and bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from rich.console import Console, RenderableType


class Screen:
    """Standard output. Text is printed as it is: no markup is read in it, and it is wrapped on a terminal only."""

    def __init__(self) -> None:
        # Of several processes started by torchrun, only the first speaks.
        self.console = Console(
            file=sys.stdout, highlight=False, markup=False, emoji=False, quiet=os.environ.get("RANK", "0") != "0"
        )

    @property
    def is_terminal(self) -> bool:
        return self.console.is_terminal

    @property
    def width(self) -> int | None:
        """Columns of the terminal; None where lines may be of any length."""
        return self.console.width if self.is_terminal else None

    def line(self, text: RenderableType = "") -> None:
        """One line (or one paragraph, which a terminal wraps between words)."""
        self.console.print(text, soft_wrap=not self.is_terminal)

    def lines(self, lines: Iterable[str]) -> None:
        """Lines that are aligned with each other, and so never wrapped."""
        for line in lines:
            self.console.print(line, soft_wrap=True)

    def title(self, text: str) -> None:
        """A line that begins a part; bold on a terminal."""
        self.console.print(text, style="bold", soft_wrap=True)
