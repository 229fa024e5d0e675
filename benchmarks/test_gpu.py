"""The GPU benchmark refuses without a GPU, and what it would compare there is one thing: held here at a small size."""

from __future__ import annotations

import sys

import pytest
import torch

from benchmarks import gpu
from benchmarks.harness import relative_error

KINDS = ("window of 20", "causal", "64 documents, causal")


@pytest.mark.parametrize("kind", KINDS)
def test_the_spec_and_the_array_say_the_same(kind: str) -> None:
    shape = gpu.Shape(kind, 130)
    q = torch.zeros(1, 1, 130, 1)
    place = gpu.regard.spec.request(q, q, q).place
    assert torch.equal(gpu.mask_of(shape, "cpu").dense(place).view(130, 130), gpu.dense(shape, "cpu"))


@pytest.mark.parametrize("gradient", [False, True])
def test_sdpa_passes_the_gate_and_names_are_told_apart(gradient: bool) -> None:
    shape = gpu.Shape("window of 20", 130, heads=4, kv_heads=2, dim=8, dtype=torch.float32, gradient=gradient)
    made = gpu.case(shape, "cpu")
    assert relative_error(made.peers[gpu.SDPA](), made.truth()) < made.tolerance
    assert set(made.peers) == {gpu.SDPA, gpu.BY_HAND, gpu.FLEX, gpu.TRITON}
    assert set(gpu.observed_case(shape, "cpu").peers) == {gpu.SDPA, gpu.TRITON, gpu.OBSERVED}
    assert len({shape.name for shape in gpu.SHAPES}) == len(gpu.SHAPES)


def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU: run python -m benchmarks.gpu")
    monkeypatch.setattr(sys, "argv", ["gpu"])
    assert gpu.main() == 2
    assert capsys.readouterr().err == f"{gpu.NO_GPU}\n"
