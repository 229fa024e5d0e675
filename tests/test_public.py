"""The public face: names, what `import regard` loads and leaves alone, and the example in the docstring."""

from __future__ import annotations

import doctest
import subprocess
import sys

import pytest

import regard
from regard import spec
from regard.engine import attend as engine

OPTIONAL = (
    "typer",
    "rich",
    "sklearn",
    "pyarrow",
    "accelerate",
    "tokenizers",
    "pydantic",
    "safetensors",
    "transformers",
    "scipy",
    "numba",
    "captum",
    "keras",
    "jax",
    "tensorflow",
    "onnx",
    "fastapi",
)


def fresh(code: str) -> str:
    """What `code` prints in a process of its own."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_public_names_are_sorted_complete_and_there() -> None:
    for module in (regard, spec):
        assert list(module.__all__) == sorted(set(module.__all__))
        assert all(hasattr(module, name) for name in module.__all__)
    assert {"attend", "plan", "Plan", *spec.__all__} <= set(regard.__all__)


@pytest.mark.parametrize("module", [regard, spec])
def test_every_public_class_and_function_says_what_it_is(module: object) -> None:
    assert [name for name in module.__all__ if not getattr(module, name).__doc__] == []  # type: ignore[attr-defined]


def test_every_score_mask_bias_and_error_of_the_rooms_is_public() -> None:
    for base in (spec.Score, spec.Mask, spec.Bias, spec.RegardError):
        todo = [base]
        while todo:
            found = todo.pop()
            todo += found.__subclasses__()
            inner = found.__module__ == "regard.spec.mask" and found is not spec.Mask  # what & | ~ make
            assert inner or not found.__module__.startswith("regard.spec") or found.__name__ in regard.__all__, found


def test_import_loads_nothing_optional() -> None:
    code = f"import sys, regard; print(sorted(set({OPTIONAL!r}) & set(sys.modules)))"
    assert fresh(code) == "[]"


def test_import_changes_nothing_in_torch() -> None:
    """The function, its module, the default dtype, the threads and the random state are those of torch alone."""
    look = (
        "print(id(F.scaled_dot_product_attention) == was, torch.get_default_dtype(), "
        "torch.get_num_threads() == threads, torch.equal(torch.get_rng_state(), state), "
        "sorted(set(vars(F)) ^ names), torch.is_grad_enabled())"
    )
    code = (
        "import torch; F = torch.nn.functional; was = id(F.scaled_dot_product_attention); names = set(vars(F)); "
        f"threads, state = torch.get_num_threads(), torch.get_rng_state(); import regard; {look}"
    )
    assert fresh(code) == "True torch.float32 True True [] True"


def test_import_is_silent() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import regard"], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_the_example_in_attends_docstring_runs() -> None:
    import torch

    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [
        t for t in finder.find(regard.attend, "attend", globs={"torch": torch, "attend": regard.attend}) if t.examples
    ]
    assert len(found) == 1
    assert regard.attend is engine.attend
    assert doctest.DocTestRunner().run(found[0]).failed == 0


def test_the_version_is_a_version() -> None:
    assert [part.isdigit() for part in regard.__version__.split(".")] == [True] * 3
