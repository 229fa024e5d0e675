"""The level and spread of each series of a batch: taken off before a model, put back on its answer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from regard.nn.checks import check_sizes
from regard.spec.errors import ShapeError
from regard.spec.value import described

_ROUNDING = 8  # a spread below so many rounding errors of the level is none


@dataclass(frozen=True, eq=False)
class InstanceScale:
    """Mean and deviation of each channel of each series, (batch, 1, channels), float32 at least, and what is multiplied
    and added after, (channels,) each or None (Kim et al. 2022, "Reversible instance normalization", eq. 1-4)."""

    mean: Tensor
    deviation: Tensor
    gain: Tensor | None = None
    offset: Tensor | None = None

    def apply(self, values: Tensor) -> Tensor:
        """values (batch, steps, channels) less the mean, in deviations; then times gain plus offset, if there are."""
        scaled = (values - self.mean) / self.deviation
        return scaled if self.gain is None or self.offset is None else scaled * self.gain + self.offset

    def only(self, channel: int) -> InstanceScale:
        """The scale of one channel, for answers about that one alone.

        Raises `ShapeError` for a channel there is not.
        """
        channels = self.mean.shape[2]
        if not 0 <= channel < channels:
            raise ShapeError(f"InstanceScale.only({channel}): there are channels 0 to {channels - 1}")
        part = slice(channel, channel + 1)
        gain, offset = (None if trained is None else trained[part] for trained in (self.gain, self.offset))
        return InstanceScale(self.mean[..., part], self.deviation[..., part], gain, offset)

    def undo(self, answers: Tensor) -> Tensor:
        """answers (batch, steps, channels) or (batch, steps, channels, more), quantiles say, in the series' own units:
        the inverse of `apply`. Quantiles stay in order.

        Raises `ShapeError` unless the batch and the channels are those that were scaled.
        """
        batch, _, channels = self.mean.shape
        if answers.dim() not in (3, 4) or answers.shape[0] != batch or answers.shape[2] != channels:
            raise ShapeError(
                f"InstanceScale.undo: got {described(answers)}, expected ({batch}, steps, {channels}) or ({batch}, "
                f"steps, {channels}, quantiles): answers for the series that were scaled"
            )
        trailing = (1,) * (answers.dim() - 3)
        wide = answers.to(torch.promote_types(answers.dtype, torch.float32))
        if self.gain is not None and self.offset is not None:
            wide = (wide - self.offset.view(-1, *trailing)) / self.gain.view(-1, *trailing)
        return wide * self.deviation.view(batch, 1, channels, *trailing) + self.mean.view(batch, 1, channels, *trailing)


class InstanceScaling(nn.Module):
    """Finds the scale of a batch of series. With `affine`, a gain and an offset per channel are trained.

    Departs from the paper: the gain is exp of what is trained, so that it is never 0 and never turns quantiles round;
    a channel that does not vary has deviation 1 (it is only shifted), where the paper adds 1e-5 to the variance, which
    would swallow series of small numbers.
    """

    def __init__(self, channels: int, *, affine: bool = False) -> None:
        super().__init__()
        check_sizes("InstanceScaling", channels=channels)
        self.log_gain = nn.Parameter(torch.zeros(channels)) if affine else None
        self.offset = nn.Parameter(torch.zeros(channels)) if affine else None

    def forward(self, values: Tensor, observed: Tensor) -> InstanceScale:
        """values and observed (bool), both (batch, steps, channels) -> their scale over the observed values alone.

        A channel with no observed value has mean 0 and deviation 1: nothing is known of it. Values that are not
        observed may be anything, NaN too.
        """
        wide = values.to(torch.promote_types(values.dtype, torch.float32)).masked_fill(~observed, 0.0)
        count = observed.sum(1, keepdim=True).clamp(min=1)
        mean = wide.sum(1, keepdim=True) / count
        squares = (wide - mean).square().masked_fill(~observed, 0.0)
        deviation = (squares.sum(1, keepdim=True) / count).sqrt()
        least = _ROUNDING * torch.finfo(wide.dtype).eps * mean.abs()
        deviation = torch.where(deviation > least, deviation, torch.ones_like(deviation))
        gain = None if self.log_gain is None else self.log_gain.exp()
        return InstanceScale(mean, deviation, gain, self.offset)
