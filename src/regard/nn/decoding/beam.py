"""Beam search over a batch of sources at once."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from regard.nn.checks import check_sizes
from regard.nn.decoding.steps import Limits, Output, Steps, log_probabilities
from regard.spec.errors import SpecError
from regard.spec.value import is_number


@torch.no_grad()
def beam_search(
    steps: Steps, context: object, limits: Limits, *, width: int, alpha: float = 0.6, most: int = 1
) -> list[list[Output]]:
    """The best outputs found for each source, best first, `most` of them at most.

    At every step the `width` likeliest continuations of a source's hypotheses stay. Those that have ended leave the
    beam (Sutskever et al. 2014, arXiv 1409.3215, §3.2), and their places are not filled again, so that it narrows. What
    the limit cuts off competes with what has ended. The score is ln p / penalty, with the penalty
    (5 + length)^alpha / 6^alpha of Wu et al. 2016 (arXiv 1609.08144, eq. 14, without the coverage term) and the length
    counted with the end symbol; alpha=0 is plain ln p. A beam as wide as there are outputs finds the best of all; a
    beam of 1 is greedy. A source is left early only where nothing that goes on can come in among its `most`.

    Hypotheses change rows as they go: to see where an output looked, ask `alignment` afterwards, rather than watch the
    search.

    Raises `SpecError` for arguments that make no sense, else as `greedy`.
    """
    check_sizes("beam_search", width=width, most=most)
    if most > width:
        raise SpecError(f"beam_search(width={width}, most={most}): a beam finds as many outputs as it is wide at most")
    if not is_number(alpha) or not 0 <= alpha < float("inf"):
        raise SpecError(f"beam_search(alpha={alpha!r}): expected a number, 0 or more")
    state = steps.start(context)
    ids: Tensor = state.first
    found = [_Found(width, most, alpha, limits) for _ in range(len(ids))]
    live = _Live(
        torch.arange(len(ids), device=ids.device), torch.zeros(len(ids), device=ids.device), ids[:, None][:, :0]
    )
    while len(live.owner):
        logs = log_probabilities(steps.step(state, ids), limits, len(live.owner))
        room = torch.tensor([each.room for each in found], device=ids.device)
        rows, longer = live.grown(logs, room)
        going = longer.sorted_out(found, limits)
        state.select(rows[going])
        live = longer.at(going)
        ids = live.ids[:, -1]
    return [each.best() for each in found]


@dataclass(frozen=True, eq=False)
class _Live:
    """The hypotheses that go on, those of one source side by side, sources in order."""

    owner: Tensor  # (rows,) int64: the source
    totals: Tensor  # (rows,) ln p
    ids: Tensor  # (rows, length) int64

    def at(self, rows: Tensor) -> _Live:
        return _Live(self.owner[rows], self.totals[rows], self.ids[rows])

    def grown(self, logs: Tensor, room: Tensor) -> tuple[Tensor, _Live]:
        """The likeliest continuations, `room` (sources,) of each source at most, and the rows they continue.

        No source can use more than its `room` of one row, so that the best of each row are enough to choose from.
        """
        sources, local, counts = torch.unique_consecutive(self.owner, return_inverse=True, return_counts=True)
        room = room[sources]
        each = min(int(room.max()), logs.shape[-1])
        best, tokens = logs.topk(each, -1)
        # a grid of (sources, hypotheses, continuations), -inf where a source has fewer hypotheses than others
        place = torch.arange(len(local), device=local.device) - (counts.cumsum(0) - counts)[local]
        grid = best.new_full((len(sources), int(counts.max()), each), -torch.inf)
        grid[local, place] = best + self.totals[:, None].to(best.dtype)
        row_of = torch.zeros(grid.shape[:2], dtype=torch.int64, device=local.device)
        row_of[local, place] = torch.arange(len(local), device=local.device)
        totals, where = grid.flatten(1).topk(min(int(room.max()), grid[0].numel()), -1)
        rank = torch.arange(totals.shape[1], device=local.device)
        kept = (rank < room[:, None]) & ~torch.isneginf(totals)
        rows = row_of.gather(1, where // each)[kept]
        longer = torch.cat((self.ids[rows], tokens[rows, (where % each)[kept]][:, None]), 1)
        return rows, _Live(self.owner[rows], totals[kept], longer)

    def sorted_out(self, found: list[_Found], limits: Limits) -> Tensor:
        """Note what has ended; give the indices of what goes on."""
        cut = self.ids.shape[1] == limits.longest
        last = self.ids[:, -1]
        ended = torch.zeros_like(last, dtype=torch.bool) if limits.end is None else last == limits.end
        done = torch.ones_like(ended) if cut else ended
        for row in done.nonzero()[:, 0].tolist():
            found[int(self.owner[row])].add(self.ids[row].tolist(), float(self.totals[row]), bool(ended[row]))
        settled = torch.zeros(len(found), dtype=torch.bool)
        for source, each in enumerate(found):
            mine = self.totals[(self.owner == source) & ~done]
            settled[source] = not len(mine) or each.settled(float(mine.max()))
        return (~done & ~settled.to(done.device)[self.owner]).nonzero()[:, 0]


@dataclass(eq=False)
class _Found:
    """The outputs that one source has come to."""

    width: int
    most: int
    alpha: float
    limits: Limits
    outputs: list[Output] = field(default_factory=list)

    @property
    def room(self) -> int:
        """How many hypotheses may still go on."""
        return self.width - len(self.outputs)

    def add(self, ids: list[int], total: float, ended: bool) -> None:
        score = total / penalty(len(ids), self.alpha)
        self.outputs.append(Output(tuple(ids[:-1] if ended else ids), total, score, ended))

    def best(self) -> list[Output]:
        return sorted(self.outputs, key=lambda output: -output.score)[: self.most]

    def settled(self, total: float) -> bool:
        """Whether no continuation of a hypothesis of ln p `total` can come in among the best any more.

        ln p only falls, and the penalty is largest at the limit.
        """
        if len(self.outputs) < self.most:
            return False
        return total / penalty(self.limits.longest, self.alpha) < self.best()[-1].score


def penalty(length: int, alpha: float) -> float:
    """What ln p is divided by: 1 at length 1, more for longer outputs."""
    return float(((5 + length) / 6) ** alpha)
