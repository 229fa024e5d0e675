"""What a recording is as a whole: features for baselines that look up the nearest one."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from regard.nn.front_ends import LogMel


def mean_frames(mel: LogMel, sounds: Iterable[Tensor]) -> NDArray[np.float64]:
    """The mean over each sound's frames, (sounds, mels): how much power each band of pitch has, whenever it has it.
    sounds: (1, samples) each."""
    return np.stack([mel.frames(one)[0].mean(0).double().numpy() for one in sounds])
