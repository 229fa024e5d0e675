"""Two models that read scenes with one front end and one core: `Finder` says what is where, `Outliner` what each pixel
is part of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from regard.nn.encoder import Encoder
from regard.nn.front_ends import ConvFrontEnd, PatchFrontEnd
from regard.nn.heads import Boxes, FoundBoxes, LearnedQueries, Objects
from regard.tasks.image_data import image_front_end
from regard.tasks.sections import FindingSettings, ImageSettings
from regard.tasks.task import Setup

_DETAIL = 32  # channels of what the outliner sees of single pixels


@dataclass(frozen=True, eq=False)
class Found:
    """layers: what the head says of each query after each layer, the last the answer. patches (batch, patches, classes
    + 1): logits of whose middle each patch holds, the last for none. middles (patches, 2): where each patch's own
    middle is, across and down, in fractions of the picture."""

    layers: tuple[FoundBoxes, ...]
    patches: Tensor
    middles: Tensor


class Finder(nn.Module):
    """Front end, core, queries that read the patches, and a class and a box for each query (Carion et al. 2020, arXiv
    2005.12872), the head shared by all layers.

    Beside it, in training, each patch is asked whose middle it holds: a loss on every patch, where queries give one on
    a few boxes.
    """

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        core, finding = setup.settings.core, setup.settings.section(FindingSettings)
        size, classes = setup.settings.section(ImageSettings).size, len(setup.facts["labels"])
        self.front = scene_front_end(setup)
        self.encoder = Encoder(core.dim, core.heads, layers=core.layers, hidden=core.hidden, dropout=core.block_dropout)
        self.queries = LearnedQueries(
            core.dim, core.heads, queries=finding.queries, layers=core.layers, hidden=core.hidden,
            dropout=core.block_dropout,
        )  # fmt: skip
        self.boxes = Boxes(core.dim, classes)
        self.guide = nn.Linear(core.dim, classes + 1)
        self.register_buffer("middles", _middles(self.front, size), persistent=False)

    middles: Tensor

    def forward(self, pictures: Tensor) -> Found:
        """pictures (batch, channels, size, size)."""
        x = self.encoder(self.front(pictures).tokens)
        return Found(tuple(self.boxes(one) for one in self.queries.every_layer(x)), self.guide(x), self.middles)


def guide_loss(found: Found, things: Sequence[Objects], *, none: float) -> Tensor:
    """Cross-entropy of whose middle each patch holds, weighted: `none` for patches that hold none, 1 for others."""
    empty = found.patches.shape[-1] - 1
    wanted = torch.stack([held(one, found.middles, empty) for one in things])
    weight = torch.ones(empty + 1, device=found.patches.device)
    weight[empty] = none
    return F.cross_entropy(found.patches.float().flatten(0, 1), wanted.flatten(), weight=weight)


def held(things: Objects, middles: Tensor, none: int) -> Tensor:
    """(patches,) the class of the thing whose middle each patch holds: its own middle (patches, 2) lies in the inner
    half of the box, each way, or is the nearest to the box's. Of several things the smallest; `none` without any."""
    if not len(things.labels):
        return torch.full((len(middles),), none, device=middles.device)
    low, high = things.boxes.to(middles).chunk(2, -1)
    apart = middles[:, None] - (low + high) / 2
    inside = (apart.abs() <= (high - low) / 4).all(-1)  # (patches, things)
    nearest = apart.square().sum(-1).argmin(0)
    inside[nearest, torch.arange(len(nearest), device=inside.device)] = True
    areas = (high - low).prod(-1).expand_as(inside).masked_fill(~inside, torch.inf)
    least, which = areas.min(-1)
    return torch.where(least.isfinite(), things.labels.to(which.device)[which], none)


class Outliner(nn.Module):
    """Front end and core, whose patches are spread over half of the picture's rows and columns, joined there by what a
    convolution sees of the pixels themselves, and classes for each.

    A patch knows what it is part of, the pixels where that ends: the joining of coarse and fine features is that of
    Long et al. 2015 (arXiv 1411.4038, §4.2), here by adding.
    """

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        core, channels = setup.settings.core, setup.settings.section(ImageSettings).channels
        self.front = scene_front_end(setup)
        self.encoder = Encoder(core.dim, core.heads, layers=core.layers, hidden=core.hidden, dropout=core.block_dropout)
        self.spread = nn.Linear(core.dim, _DETAIL)
        self.detail = nn.Conv2d(channels, _DETAIL, 5, stride=2, padding=2)
        self.join = nn.Conv2d(_DETAIL, _DETAIL, 3, padding=1)
        self.classes = nn.Conv2d(_DETAIL, len(setup.facts["labels"]) + 1, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """pictures (batch, channels, size, size) -> logits (batch, classes + 1, size, size), background first."""
        x = self.spread(self.encoder(self.front(pictures).tokens))
        shape = self.front.units(*pictures.shape[2:]).shape
        fine = self.detail(self.front.pictures(pictures))
        coarse = x.mT.unflatten(-1, shape)
        whole = F.interpolate(coarse, size=fine.shape[2:], mode="bilinear", align_corners=False)
        found = self.classes(self.join((whole + fine).relu()).relu())
        return F.interpolate(found, size=pictures.shape[2:], mode="bilinear", align_corners=False)


def scene_front_end(setup: Setup) -> ConvFrontEnd | PatchFrontEnd:
    """The front end of pictures, without its own changes in training: those would leave boxes and masks behind."""
    front = image_front_end(setup)
    front.pictures.changes = None
    return front


def _middles(front: ConvFrontEnd | PatchFrontEnd, size: int) -> Tensor:
    units = front.units(size, size)
    rows, columns = units.shape
    bounds = torch.tensor([one.bounds for one in units.of(0, rows * columns)])
    return (bounds[:, :2] + bounds[:, 2:]) / 2 / size
