"""What a forward and backward pass of a long call takes on the backend that KERAS_BACKEND names, in MB; prints JSON.

    KERAS_BACKEND=jax python tests/bridges/keras_memory.py {dot|additive} {tiles|whole}

The array of scores that is not to arise: 2 heads x 4,096 x 4,096, or (additive) 1,024 x 1,024 x 32 terms: 134 MB.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from regard.bridges import keras_attend, keras_tiles
from regard.bridges.keras_reach import Reach

BACKEND = keras.backend.backend()
KIND, HOW = sys.argv[1:]
keras_tiles.LIMIT = 1 << 19 if HOW == "tiles" else 1 << 40  # 2 MB of float32


def call(query: Any, key: Any, value: Any) -> Any:
    vector = None if KIND == "dot" else ops.ones((query.shape[-1],))
    real = ops.ones((1, key.shape[2]), dtype="bool")
    return ops.sum(keras_attend.output(query, key, value, reach=Reach(causal=True, keys=real), vector=vector))


def both() -> Callable[..., Any]:
    """The call and its gradients, compiled as Keras compiles a training step."""
    if BACKEND == "jax":
        import jax

        return jax.jit(jax.value_and_grad(call, argnums=(0, 1, 2)))
    import tensorflow as tf

    @tf.function
    def step(*leaves: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(leaves)
            total = call(*leaves)
        return total, tape.gradient(total, leaves)

    return step


def peak() -> float:
    """The most memory so far. Linux tells that of this process alone: `ru_maxrss` counts whoever started it, too."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def leaves(length: int) -> list[Any]:
    shape = (1, 2, length, 8) if KIND == "dot" else (1, 1, length, 32)
    source = np.random.default_rng(0)
    return [ops.convert_to_tensor(source.standard_normal(shape).astype("float32")) for _ in range(3)]


def main() -> None:
    step, length = both(), 4096 if KIND == "dot" else 1024
    ops.convert_to_numpy(step(*leaves(length // 16))[0])
    given = leaves(length)
    before = peak()
    found = step(*given)
    total = float(ops.convert_to_numpy(found[0]))
    print(json.dumps({"MB": peak() - before, "total": total, "gradient": float(ops.sum(ops.absolute(found[1][1])))}))


if __name__ == "__main__":
    main()
