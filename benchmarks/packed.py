"""Documents of many lengths: packed into one row for `regard.attend(mask=Documents(...))`, against padded to one length
for SDPA and for `attend`.

Lengths are drawn from 16 to 2,048 with a fixed seed, once evenly and once evenly in their logarithm (most documents are
short then). Padded SDPA is written as one who knows it would: a mask over keys, and for causal attention `is_causal`
alone, since padding at the end is never before a real token. "A call a document" loops over the packed row. What the
padded peers give for padding is dropped at the gate. Packing and unpacking are timed apart.

Goal: at most 1/3 of padded SDPA's time, forward, and forward and backward.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from statistics import median

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention as sdpa

import regard
from benchmarks import record
from benchmarks.harness import SMOKE, Case, Goal, Report, Results, Rounds, run
from benchmarks.inputs import Inputs, Shape
from benchmarks.strips import Formula

REGARD, OURS_PADDED = "regard.attend, packed", "regard.attend, padded, with Padding"
SDPA, SDPA_MASKED, LOOP = "SDPA, padded", "SDPA, padded, with a dense causal mask", "SDPA, a call a document"
KEPT, KEPT_TRAINING = 5, 3  # rounds: one takes from ten seconds to a minute
LIMIT = 1 / 3


@dataclass(frozen=True, kw_only=True)
class Pile:
    """`count` documents of `least` to `most` tokens, the ends among them."""

    count: int = 64
    least: int = 16
    most: int = 2048
    even: bool = True  # in length; else in the logarithm of the length

    def __str__(self) -> str:
        share = sum(n * n for n in self.lengths) / (self.count * self.most**2)
        how = "" if self.even else ", most of them short"
        return f"{self.count} documents of {self.least} to {self.most:,} tokens{how} ({share:.0%} of the padded scores)"

    @property
    def lengths(self) -> list[int]:
        drawn = torch.rand(self.count - 2, generator=torch.Generator().manual_seed(0))
        if self.even:
            between = self.least + drawn * (self.most - self.least)
        else:
            between = self.least * (self.most / self.least) ** drawn
        return [self.least, *(int(n) for n in between.round()), self.most]

    @property
    def ids(self) -> Tensor:
        """(tokens,) the document of each packed token."""
        return torch.arange(self.count).repeat_interleave(torch.tensor(self.lengths))

    @property
    def real(self) -> Tensor:
        """(count, most) bool: the padded places that hold a token."""
        return torch.arange(self.most) < torch.tensor(self.lengths)[:, None]

    def packed(self, padded: Tensor) -> Tensor:
        """(count, heads, most, dim) -> (1, heads, tokens, dim)."""
        return padded.transpose(1, 2)[self.real].transpose(0, 1)[None]

    def padded(self, packed: Tensor) -> Tensor:
        """The other way; 0 where there is no token."""
        made = packed.new_zeros(self.count, self.most, packed.shape[1], packed.shape[3])
        made[self.real] = packed[0].transpose(0, 1)
        return made.transpose(1, 2).contiguous()

    def allowed(self, rows: range, *, causal: bool) -> Tensor:
        ids, places = self.ids, torch.arange(sum(self.lengths))
        lines = slice(rows.start, rows.stop)
        same = ids[lines, None] == ids
        return same & (places <= places[lines, None]) if causal else same


EVEN, SHORT = Pile(), Pile(even=False)
SMALL = Pile(count=8, most=256)


def case(pile: Pile, *, causal: bool, gradient: bool) -> Case:
    """8 heads of 64, float32, self-attention inside each document."""
    packed, padded = inputs(pile, gradient)
    lengths = torch.tensor(pile.lengths)
    documents, padding = regard.Documents(pile.ids), regard.Padding(lengths, lengths)
    inside = documents & regard.Causal() if causal else documents
    peers: dict[str, Callable[[], Results]] = {REGARD: lambda: packed.attend(mask=inside)}
    for name in packed.kernels(mask=inside):
        peers[f"{REGARD}, kernel={name!r}"] = partial(packed.attend, mask=inside, kernel=name)
    peers[OURS_PADDED] = lambda: padded.attend(mask=padding & regard.Causal() if causal else padding)
    peers[SDPA] = partial(_sdpa, padded, causal=causal, keys=None if causal else pile.real[:, None, None])
    if causal and not gradient:
        whole = pile.real[:, None, None] & torch.ones(pile.most, pile.most, dtype=torch.bool).tril()
        peers[SDPA_MASKED] = partial(_sdpa, padded, causal=False, keys=whole)
    peers[LOOP] = partial(_loop, packed, pile.lengths, causal=causal)
    formula = Formula(allowed=partial(pile.allowed, causal=causal))

    def expected() -> Results:
        return formula.gradients(*packed.leaves, packed.pull) if gradient else formula.output(*packed.leaves)

    def unpadded(results: Results) -> Results:
        return tuple(pile.packed(each) for each in results)

    name = f"{pile}{', causal' if causal else ''}{', forward and backward' if gradient else ''}"
    read = dict.fromkeys((OURS_PADDED, SDPA, SDPA_MASKED), unpadded)
    return Case(name=name, peers=peers, against=SDPA, truth=expected, tolerance=2e-5, read=read)


def _sdpa(given: Inputs, *, causal: bool, keys: Tensor | None) -> Results:
    return given.back(sdpa(*given.leaves, attn_mask=keys, is_causal=causal))


def _loop(given: Inputs, lengths: list[int], *, causal: bool) -> Results:
    parts = zip(*(t.split(lengths, 2) for t in given.leaves), strict=True)
    return given.back(torch.cat([sdpa(*each, is_causal=causal) for each in parts], 2))


@lru_cache(maxsize=1)  # the padded tensors take a gigabyte
def inputs(pile: Pile, gradient: bool) -> tuple[Inputs, Inputs]:
    """(packed, padded), the same numbers."""
    tokens = sum(pile.lengths)
    packed = Inputs.of(Shape(queries=tokens, keys=tokens), gradient=gradient)
    with torch.no_grad():
        *tensors, pull = (pile.padded(t) for t in (*packed.leaves, packed.pull))
    query, key, value = (t.requires_grad_(gradient) for t in tensors)
    return packed, Inputs(query, key, value, pull, gradient)


def packing(report: Report, pile: Pile) -> None:
    """Seconds to pack query, key and value that lie padded, and to lay the output out padded again."""
    packed, padded = inputs(pile, False)
    ways = {
        "packing query, key and value": lambda: [pile.packed(t) for t in padded.leaves],
        "padding the output again": lambda: pile.padded(packed.query),
    }
    for what, call in ways.items():
        taken = []
        for _ in range(5):
            start = time.perf_counter()
            call()
            taken.append(time.perf_counter() - start)
        report.beside(str(pile), what, median(taken))


def main() -> int:
    asked, folder = record.start(__doc__)
    smoke = asked == SMOKE
    rounds = Rounds(min(asked.kept, KEPT), 1)
    fewer = Rounds(min(asked.kept, KEPT_TRAINING), 1)
    report = Report("packed")
    for pile in (SMALL,) if smoke else (EVEN, SHORT):
        packing(report, pile)
        for causal in (False, True):
            _measured(report, case(pile, causal=causal, gradient=False), rounds)
        inputs.cache_clear()
    _measured(report, case(SMALL if smoke else EVEN, causal=True, gradient=True), fewer)
    return record.finish(report, rounds, folder)


def _measured(report: Report, made: Case, rounds: Rounds) -> None:
    report.cases.append(run(made, rounds))
    share = report.ratio(made.name, REGARD)
    report.goals.append(Goal(f"{made.name}: regard's time, packed, of that of {SDPA}", share, LIMIT))


if __name__ == "__main__":
    sys.exit(main())
