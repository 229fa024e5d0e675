"""The program in examples/ that trains the article's model in Keras: on the sample reviews, in one epoch."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_it_runs_and_prints_each_model_beside_the_majority() -> None:
    for module in ("keras", "jax"):
        if find_spec(module) is None:
            missing = f"{module} is not installed; type: pip install 'regard[keras]' jax"
            pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    file, program = ROOT / "examples" / "reviews.csv", ROOT / "examples" / "keras_reviews.py"
    done = subprocess.run(
        [sys.executable, str(program), str(file), "--text=review", "--label=verdict", "--epochs=1"],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert "90 reviews, 30 held back" in lines[0]
    assert "always" in lines[1]
    shares = [float(line.split("%")[0]) for line in lines[1:]]
    assert len(shares) == 5
    assert all(0 <= share <= 100 for share in shares)
