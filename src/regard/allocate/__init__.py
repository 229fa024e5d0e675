"""Spending attention in a model that is there already: the model, unchanged, on regard's kernels."""

from regard.allocate.use import Used, use

__all__ = ["Used", "use"]
