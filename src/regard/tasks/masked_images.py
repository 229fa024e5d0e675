"""Masked training on pictures: some patches are hidden, and their pixels guessed from the others. Its weights serve as
a start for `images` with patches (`--init`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from regard.nn.encoder import Encoder
from regard.nn.front_ends import PatchFrontEnd
from regard.tasks.event import Listener
from regard.tasks.image_data import digest_images, image_front_end, prepare_images
from regard.tasks.images import IMAGES
from regard.tasks.scores.measure import Measure, Scored, mean_of
from regard.tasks.sections import CoreSettings, HiddenSettings
from regard.tasks.settings import Settings
from regard.tasks.task import Outcome, Prepared, Setup, Task


@dataclass(frozen=True)
class HiddenPictures:
    """pictures (batch, channels, height, width); hidden (batch, patches) bool."""

    pictures: Tensor
    hidden: Tensor

    def __len__(self) -> int:
        return self.hidden.shape[0]

    @property
    def tokens(self) -> int:
        return self.hidden.numel()

    places = tokens

    def to(self, device: torch.device) -> HiddenPictures:
        """The same batch on another device."""
        return HiddenPictures(self.pictures.to(device), self.hidden.to(device))


@dataclass(frozen=True)
class HiddenPicturePart:
    """Pictures whose hidden patches are fixed by their row; truths: of each, its hidden patches, standardised."""

    inner: Any
    share: float
    front: PatchFrontEnd

    def __len__(self) -> int:
        return len(self.inner)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Patches of each picture, (rows,)."""
        found: NDArray[np.int64] = self.inner.lengths
        return found

    @property
    def truths(self) -> list[NDArray[np.float32]]:
        whole = self.batch(np.arange(len(self)))
        pixels = self.front.eval().pixels(whole.pictures)
        return [one[hidden].numpy() for one, hidden in zip(pixels, whole.hidden, strict=True)]

    def batch(self, rows: NDArray[np.int64]) -> HiddenPictures:
        """The batch of these pictures, in this order."""
        patches = int(self.lengths[0])
        order = np.stack([np.random.default_rng(row).permutation(patches) for row in rows.tolist()])
        hidden = torch.from_numpy(order < _count(patches, self.share))
        return HiddenPictures(self.inner.batch(rows).inputs[0], hidden)


class MaskedImages(nn.Module):
    """pictures, hidden (batch, patches) -> (guesses, pixels), each (hidden patches, pixels of a patch)."""

    def __init__(self, front: PatchFrontEnd, core: CoreSettings) -> None:
        super().__init__()
        self.front = front
        self.encoder = Encoder(core.dim, core.heads, layers=core.layers, hidden=core.hidden, dropout=core.block_dropout)
        self.shown = nn.Parameter(torch.randn(core.dim) * core.dim**-0.5)  # in place of a hidden patch
        self.guess = nn.Linear(core.dim, front.project.in_features)

    def forward(self, pictures: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        pixels = self.front.pixels(pictures)
        tokens = self.front.embedded(pixels, *pictures.shape[2:])
        places = 0 if tokens.positions is None else tokens.positions
        x = self.encoder(torch.where(hidden[..., None], self.shown + places, tokens.tokens))
        return self.guess(x[hidden]), pixels[hidden]


def _count(patches: int, share: float) -> int:
    return max(1, round(patches * share))


def _build(setup: Setup) -> MaskedImages:
    front = image_front_end(setup)
    assert isinstance(front, PatchFrontEnd), "the presets have patches: convolutions would look under the hidden ones"
    return MaskedImages(front, setup.settings.core)


def _prepare(settings: Settings, kept: Mapping[str, str] | None, listen: Listener) -> Prepared:
    found = prepare_images(settings, kept, listen)
    share, front = settings.section(HiddenSettings).share, _build(found.setup).front
    parts = {name: HiddenPicturePart(getattr(found, name), share, front) for name in ("train", "validation", "test")}
    return replace(found, **parts)  # type: ignore[arg-type]


def _judge(model: nn.Module, batch: HiddenPictures, setup: Setup) -> Outcome:
    hidden = batch.hidden
    if model.training:  # others at every step
        order = torch.rand(hidden.shape).argsort(1).argsort(1).to(hidden.device)
        hidden = order < _count(hidden.shape[1], setup.settings.section(HiddenSettings).share)
    guesses, pixels = model(batch.pictures, hidden)
    losses = (guesses.float() - pixels.float()).square().mean(-1)
    return Outcome(losses, losses.numel())


def _answer(model: nn.Module, batch: HiddenPictures, setup: Setup) -> Sequence[Any]:
    guesses = model(batch.pictures, batch.hidden)[0].float().cpu()
    return [one.numpy() for one in guesses.split(batch.hidden.sum(1).tolist())]


def _error(answers: Sequence[Any], truths: Sequence[Any]) -> Scored:
    return mean_of(np.array([np.square(one - true).mean() for one, true in zip(answers, truths, strict=True)]))


def _baselines(data: Prepared) -> Mapping[str, Any]:
    known, test = data.train, data.test
    assert isinstance(known, HiddenPicturePart)
    mean = known.front.eval().pixels(known.batch(np.arange(len(known))).pictures).mean(0).detach().numpy()
    hidden = test.batch(np.arange(len(test))).hidden.numpy()
    return {"the training pictures' mean at each place": [mean[one] for one in hidden]}


_PRESETS = {
    name: settings.model_copy(
        update={
            "task": "masked-images",
            "image": settings.image.model_copy(update={"stem": "patches"}) if settings.image else None,
            "hidden": HiddenSettings(share=0.5),
        }
    )
    for name, settings in IMAGES.presets.items()
    if name != "patches"
}

MASKED_IMAGES = Task(
    name="masked-images",
    about="hidden patches of pictures, guessed: a start for images with patches, with its --init",
    example="regard train masked-images --core digits",
    beside="the training pictures' mean at each place",
    takes="about 4 minutes on two cores (estimated from processor time of 3 of its 6 epochs)",
    files=IMAGES.files,
    presets=_PRESETS,
    digest=digest_images,
    prepare=_prepare,
    build=_build,
    judge=_judge,
    answer=_answer,
    measures=lambda setup: (Measure("squared error on hidden patches", _error, "lower"),),
    baselines=_baselines,
    chosen_by="loss",
    unused=(*IMAGES.unused, "image.stem", "train.label_smoothing", "train.focus", "hidden.kept", "hidden.other"),
    roles=IMAGES.roles,
    heads=("guess",),
)
