"""Reads the `.keras` files in a folder on the backend that KERAS_BACKEND names, and keeps what each model says.

KERAS_BACKEND=torch python tests/bridges/keras_reads.py FOLDER    writes FOLDER/read-by-<backend>.npz
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

import keras
from tests.bridges.keras_program import tokens


def main(folder: Path) -> None:
    said = {
        path.stem: keras.models.load_model(path).predict(tokens(), verbose=0) for path in sorted(folder.glob("*.keras"))
    }
    np.savez(folder / f"read-by-{keras.backend.backend()}.npz", **said)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
