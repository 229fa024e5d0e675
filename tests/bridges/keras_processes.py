"""Keras reads KERAS_BACKEND when it is imported: what is to run on a backend runs in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

BACKENDS = ("jax", "tensorflow", "torch")


def run(program: str, backend: str, *arguments: str) -> str:
    """What `program`, a file beside this one, prints on `backend`. Skips loudly without that; fails in CI."""
    for module in ("keras", backend):
        if find_spec(module) is None:
            missing = f"{module} is not installed; type: pip install 'regard[keras]' {module}"
            pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / program), *arguments],
        env={**os.environ, "KERAS_BACKEND": backend, **quiet},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
