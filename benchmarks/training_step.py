"""One training step of the same transformer on the same batches: regard.nn, nn.TransformerEncoder, x-transformers and
Keras on its torch backend.

A step is forward, the mean square of the real tokens against a target, backward, and AdamW. Its learning rate is 0, at
which it takes as long as at any other and every step begins at the weights that the gate is held with. No batch comes
twice: lengths are drawn anew for each, as in training, so that whatever a library works out for a batch is in the time.
All peers see the same batches in the same order. Outputs (at real tokens) and gradients are gated in float32 against a
formula in float64; with dropout the gate's step is made without, and every later one with.

Goal: no slower than any of the others.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

import torch
from torch import Tensor

from benchmarks import record
from benchmarks.encoders import (
    OURS,
    PARTS,
    TORCH,
    Built,
    Size,
    available,
    built,
    formula,
    gradients_of,
    real,
    weights_of,
)
from benchmarks.harness import SMOKE, Case, Goal, Report, Results, run

STEPS = 3  # of a call
TOLERANCE = 2e-5


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Batches of `batch` rows of `least` to `most` tokens, padded to the longest of each batch."""

    size: Size
    batch: int
    least: int
    most: int

    def __str__(self) -> str:
        drops = f", dropout {self.size.dropout}" if self.size.dropout else ""
        return (
            f"{self.batch} rows of {self.least} to {self.most} tokens, "
            f"{self.size.layers} blocks of {self.size.dim} in {self.size.heads} heads{drops}"
        )

    def drawn(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        """(x (batch, longest, dim), target of the same shape, lengths) of a batch."""
        source = torch.Generator().manual_seed(number)
        lengths = torch.randint(self.least, self.most + 1, (self.batch,), generator=source)
        shape = (self.batch, int(lengths.max()), self.size.dim)
        x, target = (torch.randn(shape, generator=source) for _ in range(2))
        return x, target, lengths


def loss_of(output: Tensor, target: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """(loss, the output at real tokens (tokens, dim))."""
    tokens = real(output, lengths)
    shown = output[tokens]
    return (shown - target[tokens]).square().mean(), shown


@dataclass
class Training:
    """A library at its training: each call makes the next few steps, on batches drawn ahead."""

    rows: Rows
    encoder: Built
    batches: list[tuple[Tensor, Tensor, Tensor]]
    made: int = 0
    optimizer: torch.optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        self.optimizer = torch.optim.AdamW(self.encoder.parameters, lr=0.0)

    def __call__(self) -> Results:
        """The first output of the call, at real tokens, and the gradients of its last step."""
        self.encoder.training(self.made > 0)  # the gate's steps are the first
        outputs = [self._step() for _ in range(STEPS)]
        return outputs[0], *self.encoder.gradients()

    def _step(self) -> Tensor:
        x, target, lengths = self.batches[self.made % len(self.batches)]
        self.made += 1
        self.optimizer.zero_grad()
        loss, shown = loss_of(self.encoder.forward(x, lengths), target, lengths)
        loss.backward()
        self.optimizer.step()
        return shown.detach()


def truth(rows: Rows) -> Results:
    """What the first call gives, by the formula in float64."""
    blocks = [
        {name: weight.double().requires_grad_() for name, weight in block.items()} for block in weights_of(rows.size)
    ]
    results = []
    for number in (0, STEPS - 1):
        x, target, lengths = rows.drawn(number)
        output = formula(rows.size, blocks, x.double(), lengths)
        results.append(loss_of(output, target.double(), lengths))
    leaves = [*(blocks[0][name] for name in PARTS[:3]), *(blocks[-1][name] for name in PARTS[4:])]
    found = torch.autograd.grad(results[-1][0], leaves)
    return results[0][1].detach(), *gradients_of(found[:3], found[3:])


def case(rows: Rows, calls: int) -> Case:
    """`calls`: how many each peer will make, the gate's included."""
    batches = [rows.drawn(number) for number in range(STEPS * calls)]
    peers = {name: Training(rows, built(name, rows.size), batches) for name in available()}
    return Case(name=str(rows), peers=peers, against=TORCH, truth=lambda: truth(rows), tolerance=TOLERANCE)


SMALL = Rows(size=Size(dim=16, heads=2), batch=4, least=3, most=12)
ROWS = (
    Rows(size=Size(dim=64, heads=4), batch=64, least=20, most=100),
    Rows(size=Size(dim=128, heads=4), batch=32, least=20, most=400),
    Rows(size=Size(dim=256, heads=8), batch=32, least=20, most=200),
    Rows(size=Size(dim=64, heads=4, dropout=0.1), batch=64, least=20, most=100),
    Rows(size=Size(dim=128, heads=4, dropout=0.1), batch=32, least=20, most=400),
)


def main() -> int:
    rounds, folder = record.start(__doc__)
    report = Report("training_step")
    small = (SMALL, Rows(size=Size(dim=16, heads=2, dropout=0.1), batch=4, least=3, most=12))
    for rows in small if rounds == SMOKE else ROWS:
        made = case(rows, 1 + rounds.warmup + rounds.kept)
        report.cases.append(run(made, rounds))
        ours = report.seconds(made.name, OURS)
        for peer in made.peers:
            if peer != OURS:
                share = ours / report.seconds(made.name, peer)
                report.goals.append(Goal(f"{made.name}: regard's time of that of {peer}", share, 1.0))
    return record.finish(report, rounds, folder)


if __name__ == "__main__":
    sys.exit(main())
