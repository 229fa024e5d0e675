"""Two models that read scenes with one front end and one core: `Finder` says what is where, `Outliner` what each pixel
is part of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

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
_NEAR = 0.1  # how far the first head of a query sees, in sides of the picture; each next one twice as far
_START = 0.35  # the sides of a box before training, in sides of the picture


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

    Each query has its own place in the picture, all of them spread evenly: its heads look around it, from near to far,
    and the last one everywhere (a fixed form of Gao et al. 2021, arXiv 2101.07448, §3.2), and its box starts there.
    Without places, queries take many epochs to share out the picture among themselves.

    Beside it, in training, each patch is asked whose middle it holds: a loss on every patch, where queries give one on
    a few boxes.
    """

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        core, finding = setup.settings.core, setup.settings.section(FindingSettings)
        size, classes = setup.settings.section(ImageSettings).size, len(setup.facts["labels"])
        self.front = scene_front_end(setup)
        self.encoder = Encoder(core.dim, core.heads, layers=core.layers, hidden=core.hidden, dropout=core.block_dropout)
        self.register_buffer("middles", _middles(self.front, size), persistent=False)
        places = spread_places(finding.queries)
        self.queries = LearnedQueries(
            core.dim, core.heads, queries=finding.queries, layers=core.layers, hidden=core.hidden,
            dropout=core.block_dropout, context_bias=nearness(places, self.middles, core.heads),
        )  # fmt: skip
        self.boxes = Boxes(core.dim, classes, starts=torch.cat((places, torch.full_like(places, _START)), -1))
        self.guide = nn.Linear(core.dim, classes + 1)

    middles: Tensor

    def forward(self, pictures: Tensor) -> Found:
        """pictures (batch, channels, size, size)."""
        x = self.encoder(self.front(pictures).tokens)
        return Found(tuple(self.boxes(one) for one in self.queries.every_layer(x)), self.guide(x), self.middles)


def spread_places(count: int) -> Tensor:
    """(count, 2) places, across and down in fractions of the picture: rows from the top, evenly filled."""
    rows = round(math.sqrt(count))
    ends = [count * row // rows for row in range(rows + 1)]
    return torch.tensor(
        [
            ((place + 0.5) / (end - start), (row + 0.5) / rows)
            for row, (start, end) in enumerate(pairwise(ends))
            for place in range(end - start)
        ]
    )


def nearness(places: Tensor, middles: Tensor, heads: int) -> Tensor:
    """(1, heads, queries, patches): what is added to a query's scores of patches: -distance^2 / (2 width^2), places
    (queries, 2) and middles (patches, 2) in fractions. The widths are .1, .2, .4, ...; the last head adds 0."""
    apart = (places[:, None] - middles[None]).square().sum(-1)
    near = [-apart / (2 * (_NEAR * 2**head) ** 2) for head in range(heads - 1)]
    return torch.stack([*near, torch.zeros_like(apart)])[None]


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
