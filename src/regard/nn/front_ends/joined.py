"""Several inputs at once: each through its own front end, their tokens one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from regard.nn.front_ends.tokens import FrontEnd, Tokens
from regard.nn.front_ends.units import Parts
from regard.spec.drawn import is_drawn
from regard.spec.errors import ShapeError, SpecError
from regard.spec.value import described


class JoinedFrontEnd(nn.Module):
    """Front ends by name; to each part's tokens a trained vector of its own is added, which says what kind they are
    (Kim et al. 2021, ViLT, arXiv 2102.03334, §3.1).

    An item's tokens come in the order of the parts, without gaps: padding is at the end only, however the parts were
    padded. Raises `SpecError` for no front end, or front ends of unequal dim.
    """

    def __init__(self, front_ends: Mapping[str, FrontEnd]) -> None:
        super().__init__()
        if not front_ends or not all(isinstance(each, nn.Module) for each in front_ends.values()):
            raise SpecError(f"JoinedFrontEnd({described(front_ends)}): expected front ends by name, at least one")
        dims = {name: each.dim for name, each in front_ends.items()}
        if len(set(dims.values())) > 1:
            raise SpecError(f"JoinedFrontEnd: the front ends' dims are {dims}; build them with one dim")
        self.dim = next(iter(dims.values()))
        self.front_ends = nn.ModuleDict(front_ends)  # type: ignore[arg-type]
        self.kinds = nn.Parameter(torch.empty(len(front_ends), self.dim))
        nn.init.normal_(self.kinds, std=self.dim**-0.5)

    @property
    def longest(self) -> int | None:
        """The most tokens of all parts together, None where one of them has no limit."""
        found = [each.longest for each in self.front_ends.values()]
        return None if None in found else sum(found)  # type: ignore[arg-type]

    def units(self, parts: Mapping[str, Tokens]) -> Parts:
        """What the joined tokens of these parts would cover."""
        counts = [] if is_drawn() else torch.stack([part.counts.cpu() for part in parts.values()], 1).tolist()
        return Parts({name: part.units for name, part in parts.items()}, tuple(map(tuple, counts)))

    def forward(self, **inputs: Any) -> Tokens:
        """Each part's input under its name -> tokens (batch, len, dim), len that of the longest item.

        An input is a mapping of the front end's arguments, a tuple of them, one tensor, or `Tokens` that it has made
        already (with lengths of 0, say, for items that lack this part). Parts may be left out, but not all.

            joined(picture=pictures, text={"ids": ids, "lengths": lengths})

        Raises `SpecError` for a name there is not, `ShapeError` for parts of unequal batch size.
        """
        unknown = [name for name in inputs if name not in self.front_ends]
        if unknown or not inputs:
            raise SpecError(f"JoinedFrontEnd: got {list(inputs)}, expected one or more of {list(self.front_ends)}")
        parts = {name: _made(module, inputs[name]) for name, module in self.front_ends.items() if name in inputs}
        if not is_drawn() and len({len(part) for part in parts.values()}) > 1:
            sizes = {name: len(part) for name, part in parts.items()}
            raise ShapeError(f"JoinedFrontEnd: the parts' batches are of {sizes} items; expected one size")
        return self.join(parts)

    def join(self, parts: Mapping[str, Tokens]) -> Tokens:
        """Tokens of each part, in the order they are to stand -> joined tokens, the kinds' vectors added."""
        order = list(self.front_ends)
        placed = [self._placed(part, order.index(name)) for name, part in parts.items()]
        kinds = [self.kinds[order.index(name)] for name in parts]
        x = torch.cat([part.tokens + kind for part, kind in zip(parts.values(), kinds, strict=True)], 1)
        positions = torch.cat(placed, 1)
        units = self.units(parts)
        scales = [part.scale for part in parts.values() if part.scale is not None]
        scale = scales[0] if len(scales) == 1 else None
        if all(part.lengths is None for part in parts.values()):
            return Tokens(x, None, units, positions, scale)
        real = torch.cat([part.real for part in parts.values()], 1)
        lengths = real.sum(1)
        longest = x.shape[1] if is_drawn() else max(map(sum, units.counts), default=0)
        kept = (~real).to(torch.uint8).argsort(dim=1, stable=True)[:, :longest]
        x, positions = _taken(x, kept), _taken(positions, kept)
        return Tokens.padded("JoinedFrontEnd", x, lengths, units, positions=positions, scale=scale)

    def _placed(self, part: Tokens, kind: int) -> Tensor:
        """(batch, len, dim): what of a part's tokens says where and of which kind they are."""
        own = self.kinds[kind]
        return (own if part.positions is None else part.positions + own).expand_as(part.tokens)


def _made(module: nn.Module, given: Any) -> Tokens:
    if isinstance(given, Tokens):
        return given
    if isinstance(given, Mapping):
        made = module(**given)
    else:
        made = module(*given) if isinstance(given, tuple) else module(given)
    if not isinstance(made, Tokens):
        raise SpecError(f"JoinedFrontEnd: {type(module).__name__} is no front end, it gave {described(made)}")
    return made


def _taken(x: Tensor, places: Tensor) -> Tensor:
    """Tokens of x (batch, len, dim) at places (batch, kept)."""
    return x.gather(1, places[..., None].expand(-1, -1, x.shape[-1]))
