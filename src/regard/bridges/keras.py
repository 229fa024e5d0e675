"""Attention for Keras 3, on its TensorFlow, JAX and torch backends (KERAS_BACKEND): layers that stand where Keras's do.

    from regard.bridges import keras as rk
    x = rk.MultiHeadAttention(num_heads=8, key_dim=64, num_key_value_heads=2)(x, x, use_causal_mask=True)

Importing this module registers the layers under "regard>", which is what `keras.models.load_model` needs to read a
`.keras` file that holds them. Raises `MissingExtraError` where Keras 3 is not installed.
"""

from __future__ import annotations

from regard.spec.errors import MissingExtraError

try:
    import keras
except ImportError as error:
    raise MissingExtraError(
        "regard's Keras layers need keras and a backend for it (TensorFlow, JAX or torch), and importing keras gave: "
        f"{error}; type: pip install 'regard[keras]'"
    ) from error
if int(keras.__version__.partition(".")[0]) < 3:
    raise MissingExtraError(
        f"regard's Keras layers need Keras 3, and {keras.__version__} is installed; type: pip install 'regard[keras]'"
    )

from regard.bridges.keras_heads import GroupedQueryAttention, MultiHeadAttention
from regard.bridges.keras_lists import AdditiveAttention, Attention

__all__ = ["AdditiveAttention", "Attention", "GroupedQueryAttention", "MultiHeadAttention"]
