"""Runs the installed Keras's own tests of its attention layers with ours in the place of its; prints one JSON object.

A program of its own, for KERAS_BACKEND is read when keras is imported:

    KERAS_BACKEND=jax python tests/bridges/keras_swapped.py [--keras]

With `--keras` nothing is put in place: how Keras's own layers fare here. {test: "passed", "skipped" or the last line of
its failure}. The tests lie in Keras's wheel, beside the layers; nothing of them is copied.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import pytest

NAMES = ("Attention", "AdditiveAttention", "MultiHeadAttention", "GroupedQueryAttention")
FILES = ("attention", "additive_attention", "multi_head_attention", "grouped_query_attention")


class Outcomes:
    """A pytest plugin that keeps what became of each test."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.rpartition("/")[2].partition("::")[2].replace("::", ".")
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            self.found[name] = (crash.message if crash else str(report.longrepr)).splitlines()[0] or "failed"
        elif report.skipped or report.when == "call":
            self.found.setdefault(name, "skipped" if report.skipped else "passed")


def main() -> None:
    from keras.src import layers

    if "--keras" not in sys.argv:
        from regard.bridges import keras as ours

        for name in NAMES:
            setattr(layers, name, getattr(ours, name))
    folder = Path(layers.__file__).parent / "attention"
    outcomes = Outcomes()
    with tempfile.TemporaryDirectory() as empty:
        settings = Path(empty) / "pytest.ini"
        settings.write_text("[pytest]\nmarkers =\n  requires_trainable_backend: Keras's\n")
        quiet = [
            "-q",
            "-q",
            "--no-header",
            "--tb=short",
            "-p",
            "no:cacheprovider",
            f"-c{settings}",
            f"--rootdir={empty}",
        ]
        pytest.main([*quiet, *(str(folder / f"{name}_test.py") for name in FILES)], plugins=[outcomes])
    print(json.dumps(outcomes.found))


if __name__ == "__main__":
    main()
