"""Constants that bring each channel of an input to mean 0 and deviation 1, taken from the training part."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from regard.nn.checks import check_sizes
from regard.spec.errors import DataError, ShapeError, SpecError
from regard.spec.value import described


class Standardised(nn.Module):
    """(x - mean) / deviation, channel by channel. Until `fit` or `set`, mean 0 and deviation 1: nothing changes.

    The constants are buffers: they are saved with the model, and no optimiser touches them. `axis` is where the
    channels are. Raises `SpecError` for fewer than one channel.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, channels: int, *, axis: int = -1) -> None:
        super().__init__()
        check_sizes("Standardised", channels=channels)
        self.axis = axis
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("deviation", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """x with `channels` entries along `axis` -> the same shape; float32 at least, whatever the layer's dtype."""
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        return (wide - self._along(self.mean, wide)) / self._along(self.deviation, wide)

    @torch.no_grad()
    def fit(self, parts: Iterable[Tensor]) -> None:
        """Takes mean and deviation from all of `parts`, one after the other: memory does not grow with their number.

        Each has `channels` entries along `axis`; every value counts. A channel that never varies gets deviation 1.
        Merged as by Chan, Golub and LeVeque 1983, in float64. Raises `DataError` where there is no value, or one that
        is not finite.
        """
        channels = self.mean.shape[0]
        count, mean, squares = 0, torch.zeros(channels).double(), torch.zeros(channels).double()
        for place, part in enumerate(parts):
            flat = self._flat(part, place)
            if not flat.shape[0]:
                continue
            new, here = flat.shape[0], flat.mean(0)
            away = here - mean
            squares += (flat - here).square().sum(0) + away.square() * (count * new / (count + new))
            mean += away * (new / (count + new))
            count += new
        if not count:
            raise DataError("Standardised.fit: there is no value to take mean and deviation from")
        deviation = (squares / count).sqrt()
        varies = deviation > 1e-12 * mean.abs()
        self.set(mean.tolist(), torch.where(varies, deviation, 1.0).tolist())

    @torch.no_grad()
    def set(self, mean: Sequence[float], deviation: Sequence[float]) -> None:
        """The constants as numbers, one a channel. Raises `SpecError` for a deviation that is not above 0."""
        channels = self.mean.shape[0]
        if len(mean) != channels or len(deviation) != channels:
            raise SpecError(
                f"Standardised.set: {len(mean)} means and {len(deviation)} deviations for {channels} channels"
            )
        if not all(0 < each < float("inf") for each in deviation):
            raise SpecError(
                f"Standardised.set(deviation={described(list(deviation))}): expected finite numbers above 0"
            )
        self.mean.copy_(torch.tensor(mean, dtype=torch.float64))
        self.deviation.copy_(torch.tensor(deviation, dtype=torch.float64))

    def _flat(self, part: Tensor, place: int) -> Tensor:
        """(values, channels) float64 of one part, on the CPU."""
        channels = self.mean.shape[0]
        if not isinstance(part, Tensor) or part.dim() < 1 or part.shape[self.axis] != channels:
            raise ShapeError(
                f"Standardised.fit: part {place} is {described(part)}, expected {channels} channels along {self.axis}"
            )
        flat = part.detach().movedim(self.axis, -1).reshape(-1, channels).to("cpu", torch.float64)
        if not bool(flat.isfinite().all()):
            raise DataError(
                f"Standardised.fit: part {place} holds a value that is not finite: leave it out, or fill it"
            )
        return flat

    def _along(self, constants: Tensor, wide: Tensor) -> Tensor:
        shape = [1] * wide.dim()
        shape[self.axis] = -1
        return constants.to(wide.dtype).view(shape)

    def extra_repr(self) -> str:
        return f"channels={self.mean.shape[0]}, axis={self.axis}"
