"""Our Keras layers on TensorFlow, JAX and torch against NumPy and `regard.attend`: outputs, gradients, empty rows.

KERAS_BACKEND is read when keras is imported, so each backend is a process of its own (`keras_program.py`).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from tests.bridges.keras_cases import CASES, Case
from tests.bridges.keras_processes import BACKENDS, run

import regard
import regard.numpy as rn

# rounding of a whole layer, relative to the largest number: float32 sums, and inputs and weights in half precision
CLOSE = {"mixed_bfloat16": 2e-2, "mixed_float16": 3e-3}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> object:
    """backend -> what the program found there."""
    folder = tmp_path_factory.mktemp("keras")

    @cache
    def of(backend: str) -> dict[str, np.ndarray]:
        run("keras_program.py", backend, str(folder))
        with np.load(folder / f"{backend}.npz") as kept:
            return dict(kept)

    of.folder = folder  # type: ignore[attr-defined]
    return of


def expected(case: Case, weights: list[np.ndarray], pull: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """(output, gradients to inputs and weights) in float64, by `regard.attend`'s own truth and torch's autograd."""
    leaves = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in (*case.arrays(), *weights)]
    count = len(case.inputs)
    out = case.truth(leaves[:count], leaves[count:])
    return out.detach().numpy(), [g.numpy() for g in torch.autograd.grad(out, leaves, torch.tensor(pull).double())]


def by_numpy(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, **more: object) -> torch.Tensor:
    """`regard.numpy.attend` in the place of `regard.attend`."""
    return torch.from_numpy(rn.attend(*(t.detach().numpy() for t in (q, k, v)), **more))  # type: ignore[arg-type]


def near(mine: np.ndarray, true: np.ndarray, share: float, what: str) -> None:
    np.testing.assert_allclose(mine, true, rtol=0, atol=share * max(1.0, np.abs(true).max()), err_msg=what)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", CASES)
def test_outputs_and_gradients_are_those_of_regard(name: str, backend: str, found) -> None:
    case, kept = CASES[name], found(backend)
    weights = [kept[key] for key in sorted(k for k in kept if k.startswith(f"{name}/weight "))]
    out, gradients = expected(case, weights, kept[f"{name}/pull"])
    ways = [key.removesuffix("/output") for key in kept if key.startswith(f"{name}/in ") and key.endswith("/output")]
    assert len(ways) == {"jax": 2, "tensorflow": 3, "torch": 1}[backend]
    for way in ways:
        near(kept[f"{way}/output"], out, 2e-6, f"{backend}: {way}")
        for number, gradient in enumerate(gradients):
            near(kept[f"{way}/gradient {number}"], gradient, 5e-6, f"{backend}: {way}, gradient {number}")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", CASES)
def test_numpy_says_the_same(name: str, backend: str, found, monkeypatch: pytest.MonkeyPatch) -> None:
    case, kept = CASES[name], found(backend)
    weights = [kept[key] for key in sorted(k for k in kept if k.startswith(f"{name}/weight "))]
    true, _ = expected(case, weights, kept[f"{name}/pull"])
    monkeypatch.setattr(regard, "attend", by_numpy)
    said = case.truth(*([torch.from_numpy(a).double() for a in arrays] for arrays in (case.arrays(), weights))).numpy()
    np.testing.assert_allclose(said, true, rtol=1e-12, atol=1e-13)
    for key in (k for k in kept if k.startswith(f"{name}/in ") and k.endswith("/output")):
        near(kept[key], said, 2e-6, f"{backend}: {key}")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", CASES)
def test_half_precision_is_near(name: str, backend: str, found) -> None:
    kept = found(backend)
    weights = [kept[key] for key in sorted(k for k in kept if k.startswith(f"{name}/weight "))]
    out, _ = expected(CASES[name], weights, kept[f"{name}/pull"])
    for dtype, share in CLOSE.items():
        near(kept[f"{name}/{dtype}/output"], out, share, f"{backend}: {dtype}")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.empty])
def test_empty_rows_are_exactly_zero_or_the_projections_bias(name: str, backend: str, found) -> None:
    case, kept = CASES[name], found(backend)
    nothing = 0.0 if case.listed else kept[f"{name}/weight 7"]  # the bias of the output projection
    for key in (k for k in kept if k.startswith(f"{name}/in ") and k.endswith("/output")):
        for batch, query in case.empty:
            assert np.array_equal(kept[key][batch, query], np.broadcast_to(nothing, kept[key].shape[-1])), key
        if name == "dot":  # every query of the second item is empty, and so no gradient comes back to that item
            for number in range(len(case.inputs)):
                gradient = kept[key.replace("output", f"gradient {number}")]
                assert not gradient[1].any(), key
                assert gradient[0].any(), key


def test_a_file_written_on_one_backend_is_read_on_the_others(found) -> None:
    written = {backend: found(backend)["model"] for backend in BACKENDS}
    for backend in BACKENDS:
        run("keras_reads.py", backend, str(found.folder))
        with np.load(found.folder / f"read-by-{backend}.npz") as said:
            for writer in BACKENDS:
                near(said[writer], written[writer], 2e-6, f"written on {writer}, read on {backend}")
    assert np.abs(written["jax"] - written["torch"]).max() > 1e-3  # each has weights of its own
