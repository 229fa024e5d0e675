"""What is asked: frozen values, and what each means for a block of positions."""

from regard.spec.bias import ALiBi, Bias, RelativeBias, SinkLogits, TensorBias
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
from regard.spec.membership import Dense, Documents, Padding
from regard.spec.place import Place
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
    "Causal",
    "CheckpointError",
    "Cosine",
    "DataError",
    "Dense",
    "Dilated",
    "Documents",
    "Dot",
    "General",
    "Grid2D",
    "KernelError",
    "Learned",
    "Mask",
    "MaskError",
    "MissingExtraError",
    "NonFiniteLossError",
    "Padding",
    "Place",
    "Prefix",
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
    "SpecError",
    "TensorBias",
    "Window",
    "request",
]
