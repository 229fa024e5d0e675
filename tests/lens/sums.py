"""A question whose answers a person can compute: no model, a sum of what is kept."""

import math

import torch

from regard.lens.question import Question, Way
from regard.lens.units import Units


def linear_question(worth=(2.0, -1.0, 0.0), *, kind="token"):
    """ln p = ln sigmoid(the sum of what each kept unit is worth): to take the first of (2, -1, 0) away leaves
    ln sigmoid(-1). Its two ways, "mask" and "delete", are the same one."""
    values = torch.tensor(worth, dtype=torch.float64)

    def score(keep):
        return torch.nn.functional.logsigmoid((keep * values).sum(-1))

    return Question(
        units=Units(tuple(f"word{place}" for place in range(len(worth))), kind),
        target="yes",
        probability=1 / (1 + math.exp(-sum(worth))),
        ways={"mask": Way("replaced by nothing", score), "delete": Way("left out", score)},
        model="a sum",
    )
