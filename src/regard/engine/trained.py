"""Figures of attention as something to train: differentiable entropy, distance, mass on chosen keys, mass received."""

from __future__ import annotations

from regard.kernels import trained
from regard.kernels.trained import Figures
from regard.spec.errors import SpecError
from regard.spec.measure import Measure
from regard.spec.request import Request
from regard.spec.value import described


def figures(asked: Request, *measures: Measure) -> Figures:
    """lse, entropy (nats), mass received and the mean of each measure, for every query; gradients flow once.

    They reach q, k and the tensors of score and bias, in memory linear in the lengths; the values take no part. Costs
    about three times a forward pass over the scores, and the backward pass as much again.

        >>> q, k = torch.zeros(1, 1, 1, 2), torch.zeros(1, 1, 4, 2)
        >>> figures(request(q, k, k), Distance()).means[0]  # the query at 3 looks at 0, 1, 2, 3 alike
        tensor([[[1.5000]]])

    Raises `SpecError` for what is no measure, `ShapeError` for a measure that does not fit the request.
    """
    for measure in measures:
        if not isinstance(measure, Measure):
            raise SpecError(f"figures(..., {described(measure)}): expected measures, such as Distance() or OnKeys(...)")
        measure.check(asked.place)
    return trained.figures(asked, measures)


__all__ = ["Figures", "figures"]
