"""Questions whose answers a person can work out."""

import torch

from regard.lens.question import Question, Way
from regard.lens.units import Units


def added(shares, base=0.1, *, kind="word", texts=None, ways=("mask",), asked=None):
    """A model whose probability is `base` plus the sum of the shares of the units that are kept.

    `asked`: a list that takes every row that the model was asked about.
    """
    worth = torch.tensor(shares, dtype=torch.float64)

    def score(keep):
        if asked is not None:
            asked.extend(map(tuple, keep.tolist()))
        return (base + (keep * worth).sum(-1)).log()

    names = tuple(texts or (f"w{place}" for place in range(len(shares))))
    words = {name: Way(f"replaced by the {name}", score) for name in ways}
    return Question(Units(names, kind), "good", base + float(worth.sum()), words)
