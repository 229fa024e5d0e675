"""The optimizers, by name."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from regard.tasks.settings import TrainSettings


def optimizer_for(model: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """Adam (Kingma & Ba 2015), AdamW (Loshchilov & Hutter 2019) or SGD with momentum over the model's parameters.

    Weight decay is on matrices only: a bias or a normalisation's gain has no size that should shrink.
    """
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [one for one in learned if one.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [one for one in learned if one.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=settings.rate, momentum=settings.momentum)
    kind = torch.optim.Adam if settings.optimizer == "adam" else torch.optim.AdamW
    # "fused": one pass over memory for each parameter; an embedding of 20,000 words makes up most of a step otherwise.
    return kind(groups, lr=settings.rate, fused=True)
