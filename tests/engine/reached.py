"""What `reach` shows of a model, gathered for the tests; and that the model gives what it gives unreached."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from regard.engine.seams import Reached, reach
from regard.kernels import reference


def flat(out: Any) -> list[Tensor]:
    """The tensors of an output, in order."""
    if isinstance(out, Tensor):
        return [out]
    return [tensor for part in out or () for tensor in flat(part)] if isinstance(out, (tuple, list)) else []


def gathered(model: nn.Module, *args: Any, **kwargs: Any) -> tuple[list[Reached], dict[str, str], Any]:
    """(calls, unseen, output); the output is what comes without reaching, bit for bit, before and after."""
    calls: list[Reached] = []

    def handler(reached: Reached) -> Any:
        calls.append(reached)
        return reached.compute()

    alone = model(*args, **kwargs)
    with reach(model, handler) as reaching:
        out = model(*args, **kwargs)
    for once_more in (alone, model(*args, **kwargs)):
        assert len(flat(out)) == len(flat(once_more))
        assert all(torch.equal(mine, theirs) for mine, theirs in zip(flat(out), flat(once_more), strict=True))
    return calls, reaching.unseen, out


def weights(reached: Reached) -> Tensor:
    """(batch, heads, queries, keys): the weights that the request stands for, in float64."""
    return torch.from_numpy(reference.steps(reached.request).weights)


def output(reached: Reached) -> Tensor:
    """(batch, heads, queries, value_dim), in float64."""
    return torch.from_numpy(reference.steps(reached.request).output)
