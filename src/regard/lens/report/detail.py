"""How much of a trace a file of bounded size can hold: from everything down, one rung at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Detail:
    """What of each head goes into the file.

    heads: how many of the first-ranked heads are told one by one (mass received, map), None for all of them; the
    others stand in their layer's mean. readers: of how many of those the top keys are told. mass_bits: 16 or 8 bits a
    number of mass received. each_query: breadth and distance of every query for every head, else only their mean over
    the heads of a layer. top: at most so many keys a query. least: keys lighter than this, save the heaviest, are left
    out. side: at most so many bins along a map's side.
    """

    heads: int | None = None
    readers: int | None = None
    mass_bits: int = 16
    each_query: bool = True
    top: int = 16
    least: float = 0.0
    side: int = 512


_ONE = Detail(top=1, side=64, mass_bits=8, each_query=False)

RUNGS = (
    Detail(),
    Detail(top=8, side=256),
    Detail(top=8, least=0.01, side=192),
    Detail(top=8, least=0.02, side=128),
    Detail(top=8, least=0.02, side=128, mass_bits=8),
    Detail(top=6, least=0.03, side=128, mass_bits=8, each_query=False),
    Detail(top=4, least=0.05, side=128, mass_bits=8, each_query=False),
    Detail(top=4, least=0.1, side=128, mass_bits=8, each_query=False),
    Detail(top=2, least=0.02, side=128, mass_bits=8, each_query=False),
    Detail(top=1, side=128, mass_bits=8, each_query=False),
    _ONE,
    *(replace(_ONE, readers=count) for count in (192, 128, 96, 64, 48, 32, 16)),
    *(replace(_ONE, side=32, heads=count, readers=16) for count in (1024, 512, 256, 128, 64, 32, 16)),
    *(replace(_ONE, side=32, heads=count, readers=count) for count in (8, 4)),
    replace(_ONE, side=32, heads=1, readers=1, top=0),
)
