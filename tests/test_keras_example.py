"""The program in examples/ that trains the article's model in Keras: on the sample reviews, in one epoch."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def ran(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    for module in ("keras", "jax"):
        if find_spec(module) is None:
            missing = f"{module} is not installed; type: pip install 'regard[keras]' jax"
            pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    return subprocess.run(
        [sys.executable, str(ROOT / "examples" / "keras_reviews.py"), *words],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=check,
    )


@pytest.mark.slow
def test_it_runs_and_prints_each_model_beside_the_majority() -> None:
    done = ran(str(ROOT / "examples" / "reviews.csv"), "--text=review", "--label=verdict", "--epochs=1")
    lines = done.stdout.splitlines()
    assert "90 reviews, 30 held back" in lines[0]
    assert "always" in lines[1]
    shares = [float(line.split("%")[0]) for line in lines[1:]]
    assert len(shares) == 5
    assert all(0 <= share <= 100 for share in shares)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            "review,verdict\nfine,good\n",
            "has no column 'text'; its columns are review, verdict; name them: --text NAME",
        ),
        ("", "has no column 'text'; its columns are none: it is empty"),
        (None, "there is no such file; give a csv"),
    ],
)
def test_a_file_that_does_not_fit_is_one_line(tmp_path: Path, rows: str | None, said: str) -> None:
    file = tmp_path / "rows.csv"
    if rows is not None:
        file.write_text(rows, encoding="utf-8")
    done = ran(str(file), check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(str(file))
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
