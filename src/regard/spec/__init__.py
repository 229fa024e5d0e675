"""What is asked: frozen values, and what each means for a block of positions."""

from regard.spec.bias import ALiBi, Bias, RelativeBias, SinkLogits, TensorBias
from regard.spec.budget import Budget
from regard.spec.errors import (
    CheckpointError,
    DataError,
    KernelError,
    MaskError,
    MissingExtraError,
    NonFiniteLossError,
    RegardError,
    RunError,
    ShapeError,
    SpecError,
)
from regard.spec.mask import Block, Mask
from regard.spec.membership import Dense, Documents
from regard.spec.padding import Padding
from regard.spec.place import Place
from regard.spec.policy import (
    Focus,
    HeavyHitters,
    LargestComponents,
    LargeValues,
    LowBits,
    LowRankKeys,
    MeanBlocks,
    MinMaxBlocks,
    ObservedWindow,
    PerfectBlocks,
    PerfectKeys,
    Policy,
    RandomKeys,
    SmallKeys,
    WindowSinks,
)
from regard.spec.position import Learned, Rotary, Sinusoidal
from regard.spec.positional import Causal, Dilated, Grid2D, Prefix, Sinks, Window
from regard.spec.request import Request, request
from regard.spec.score import ActivatedDot, Additive, Cosine, Dot, General, ScaledDot, Score

__all__ = [
    "ALiBi",
    "ActivatedDot",
    "Additive",
    "Bias",
    "Block",
    "Budget",
    "Causal",
    "CheckpointError",
    "Cosine",
    "DataError",
    "Dense",
    "Dilated",
    "Documents",
    "Dot",
    "Focus",
    "General",
    "Grid2D",
    "HeavyHitters",
    "KernelError",
    "LargeValues",
    "LargestComponents",
    "Learned",
    "LowBits",
    "LowRankKeys",
    "Mask",
    "MaskError",
    "MeanBlocks",
    "MinMaxBlocks",
    "MissingExtraError",
    "NonFiniteLossError",
    "ObservedWindow",
    "Padding",
    "PerfectBlocks",
    "PerfectKeys",
    "Place",
    "Policy",
    "Prefix",
    "RandomKeys",
    "RegardError",
    "RelativeBias",
    "Request",
    "Rotary",
    "RunError",
    "ScaledDot",
    "Score",
    "ShapeError",
    "SinkLogits",
    "Sinks",
    "Sinusoidal",
    "SmallKeys",
    "SpecError",
    "TensorBias",
    "Window",
    "WindowSinks",
    "request",
]
