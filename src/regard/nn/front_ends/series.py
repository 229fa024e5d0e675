"""Series to tokens: patches of steps, scaled series by series, with covariates and a channel for what is missing."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from regard.nn.checks import any_is, check_dropout, check_sizes, real_tokens
from regard.nn.front_ends.instance_scale import InstanceScaling
from regard.nn.front_ends.placing import Placing
from regard.nn.front_ends.standardised import Standardised
from regard.nn.front_ends.tokens import Tokens
from regard.nn.front_ends.units import Ahead, Spans
from regard.spec.errors import DataError, ShapeError, SpecError
from regard.spec.position import Learned, Sinusoidal
from regard.spec.value import described, is_number


class SeriesFrontEnd(nn.Module):
    """Patches of `patch` steps, one every `stride` (Nie et al. 2023, arXiv 2211.14730, §3.1), each through one linear
    layer. Series are first scaled one by one (`InstanceScaling`; with `affine`, trained further), reversibly.

    A patch holds, of each of its steps, the `channels` values and for each of them 1 where it is observed and 0 where
    not (its value then is 0, the mean); `past` covariates, known up to now; `known` ones, known ahead too. Covariates
    are brought to mean 0 and deviation 1 by constants of the training part, `past_standard` and `known_standard`.
    The last patch may reach beyond the end, by steps that are not observed. With `horizon`, what is known of so many
    steps ahead follows in patches of their own.

    Channels go into one patch together; for the paper's channel independence, put them on the batch axis. Raises
    `SpecError` for sizes below 1, a stride beyond the patch, or a horizon of which nothing is known.
    """

    def __init__(
        self,
        dim: int,
        *,
        patch: int,
        stride: int | None = None,
        channels: int = 1,
        past: int = 0,
        known: int = 0,
        horizon: int = 0,
        affine: bool = False,
        positions: Sinusoidal | Learned | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        stride = patch if stride is None else stride
        check_sizes("SeriesFrontEnd", dim=dim, patch=patch, stride=stride, channels=channels)
        check_dropout("SeriesFrontEnd", dropout)
        for name, given in (("past", past), ("known", known), ("horizon", horizon)):
            if not is_number(given) or not isinstance(given, int) or given < 0:
                raise SpecError(f"SeriesFrontEnd({name}={described(given)}): expected a whole number, 0 for none")
        if stride > patch:
            raise SpecError(f"SeriesFrontEnd(patch={patch}, stride={stride}): steps between patches would be lost")
        if horizon and not known:
            raise SpecError(f"SeriesFrontEnd(horizon={horizon}): nothing is known ahead; pass known=, or no horizon")
        self.dim, self.patch, self.stride, self.horizon = dim, patch, stride, horizon
        self.channels, self.past, self.known = channels, past, known
        self.scaling = InstanceScaling(channels, affine=affine)
        self.past_standard = Standardised(past) if past else None
        self.known_standard = Standardised(known) if known else None
        self.project = nn.Linear(patch * (2 * channels + past + known), dim)
        self.placing = Placing(positions, dim)
        self.dropout = nn.Dropout(dropout)

    @property
    def longest(self) -> int | None:
        return self.placing.longest

    def count(self, steps: int) -> int:
        """Patches of so many steps: as many as it takes to cover them all, 0 of none."""
        return -(-max(0, steps - self.patch) // self.stride) + 1 if steps else 0

    def units(self, *lengths: int) -> Spans | Ahead:
        """Steps, of series of so many steps each; of one length only where there is a horizon."""
        spans = Spans("step", "steps", self.stride, self.patch, ends=lengths)
        if not self.horizon:
            return spans
        ahead = Spans("step", "steps", self.stride, self.patch, ends=(self.horizon,))
        return Ahead(spans, self.count(lengths[0]), ahead, at=lengths[0])

    def forward(
        self,
        values: Tensor,
        lengths: Tensor | None = None,
        *,
        observed: Tensor | None = None,
        past: Tensor | None = None,
        known: Tensor | None = None,
    ) -> Tokens:
        """values (batch, steps, channels) -> tokens (batch, len, dim), and their scale.

        lengths: (batch,) real steps, which come first; None where all are. Not with a horizon: there, a series that
        starts later is one whose first steps are not observed. observed: bool, shaped as values; None where all are.
        Values that are not observed may be anything, NaN too. past: (batch, steps, past). known: (batch, steps +
        horizon, known).

        Raises `ShapeError` for other shapes, `DataError` for an observed value or a covariate that is not finite.
        """
        real, observed = self._checked(values, lengths, observed)
        _check_finite("values", values, observed, "pass observed= to say which values are missing")
        scale = self.scaling(values, observed)
        scaled = scale.apply(values.masked_fill(~observed, 0.0)).masked_fill(~observed, 0.0)
        steps = values.shape[1]
        before, ahead = self._covariates(values, real, past, known)
        history = torch.cat((scaled, observed.to(scaled.dtype), before.to(scaled.dtype)), -1)
        parts = self._patches(history.masked_fill(~real, 0.0))
        if ahead is not None:
            empty = ahead.new_zeros(*ahead.shape[:2], 2 * self.channels + self.past)
            parts = torch.cat((parts, self._patches(torch.cat((empty, ahead), -1).to(parts.dtype))), 1)
        x, added = self.placing(self.project(parts.to(self.project.weight.dtype)))
        counts, ends = None, [steps]
        if lengths is not None:
            ends = lengths.tolist()
            counts = torch.tensor([self.count(length) for length in ends], device=lengths.device, dtype=torch.int64)
        return Tokens.padded("SeriesFrontEnd", self.dropout(x), counts, self.units(*ends), positions=added, scale=scale)

    def _checked(self, values: Tensor, lengths: Tensor | None, observed: Tensor | None) -> tuple[Tensor, Tensor]:
        """(batch, steps, 1) bool, True on real steps, and the bool of what is observed, padding left out."""
        if not isinstance(values, Tensor) or values.dim() != 3 or values.shape[2] != self.channels:
            raise ShapeError(f"SeriesFrontEnd: got {described(values)}, expected (batch, steps, {self.channels})")
        if not values.shape[1] or not values.is_floating_point():
            raise ShapeError(f"SeriesFrontEnd: got {described(values)}, expected floats, of at least one step")
        if lengths is not None and self.horizon:
            raise ShapeError(
                "SeriesFrontEnd: lengths with a horizon; let all series end now, and mark steps before a series "
                "starts as not observed"
            )
        if observed is None:
            observed = torch.ones_like(values, dtype=torch.bool)
        elif not isinstance(observed, Tensor) or observed.dtype != torch.bool or observed.shape != values.shape:
            raise ShapeError(
                f"SeriesFrontEnd: observed is {described(observed)}, expected bool of shape {tuple(values.shape)}, "
                "True where a value is there"
            )
        if lengths is None:
            return torch.ones_like(observed[..., :1]), observed
        real = real_tokens("SeriesFrontEnd", lengths, values)[..., None]
        return real, observed & real

    def _covariates(
        self, values: Tensor, real: Tensor, past: Tensor | None, known: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Covariates of the steps so far (batch, steps, past + known), and those ahead (batch, horizon, known)."""
        batch, steps, _ = values.shape
        self._check("past", past, (batch, steps, self.past))
        self._check("known", known, (batch, steps + self.horizon, self.known))
        before, ahead = [values.new_zeros(batch, steps, 0)], None
        if self.past_standard is not None and past is not None:
            _check_finite("past", past, real.expand_as(past), "a covariate that may be missing belongs in channels=")
            before.append(self.past_standard(past))
        if self.known_standard is not None and known is not None:
            there = pad(real, (0, 0, 0, self.horizon), value=True)
            _check_finite("known", known, there.expand_as(known), "what is known ahead cannot be missing")
            ready = self.known_standard(known)
            before.append(ready[:, :steps])
            ahead = ready[:, steps:] if self.horizon else None
        return torch.cat(before, -1), ahead

    def _check(self, name: str, covariates: Tensor | None, shape: tuple[int, int, int]) -> None:
        """Raise `ShapeError` unless covariates are given where, and of the shape that, the front end was built for."""
        if shape[2] and (not isinstance(covariates, Tensor) or tuple(covariates.shape) != shape):
            steps = "steps + horizon" if name == "known" and self.horizon else "steps"
            raise ShapeError(
                f"SeriesFrontEnd: {name} is {described(covariates)}, expected (batch, {steps}, {name}) = {shape}"
            )
        if not shape[2] and covariates is not None:
            raise ShapeError(f"SeriesFrontEnd: {name} is {described(covariates)}, but it was built with {name}=0")

    def _patches(self, steps: Tensor) -> Tensor:
        """(batch, steps, entries) -> (batch, len, entries * patch), filled up with 0 at the end."""
        missing = (self.count(steps.shape[1]) - 1) * self.stride + self.patch - steps.shape[1]
        return pad(steps, (0, 0, 0, missing)).unfold(1, self.patch, self.stride).flatten(2)


def _check_finite(name: str, given: Tensor, where: Tensor, hint: str) -> None:
    wrong = ~given.isfinite() & where
    if any_is(wrong):
        item, step, channel = wrong.nonzero()[0].tolist()
        raise DataError(
            f"SeriesFrontEnd: {name}[{item}, {step}, {channel}] is {float(given[item, step, channel])}: {hint}"
        )
