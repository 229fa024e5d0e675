"""Memory in a fresh process: linear in the lengths where the table says so; and a control that the gauge works."""

from __future__ import annotations

import subprocess
import sys

import pytest

MIB = 2**20
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")

# Peak resident memory of one forward and backward above that of a small one (which loads the same code).
SCRIPT = """
import sys
import torch
import regard

torch.set_num_threads(1)
kernel, batch, heads, length, dim = sys.argv[1], *map(int, sys.argv[2:])

def run(n):
    q, k, v = (torch.randn(batch, heads, n, dim).requires_grad_() for _ in range(3))
    score = regard.Additive(torch.ones(dim)) if kernel == "additive" else regard.ScaledDot()
    more = {"mask": regard.Window(n // 2, 0), "bias": regard.ALiBi(torch.ones(heads))}
    regard.attend(q, k, v, score=score, kernel=kernel, **more).sum().backward()

def peak():
    # not getrusage: its ru_maxrss starts from the parent's, which would hide a child that stays below it
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024

run(64)
before = peak()
run(length)
print(peak() - before)
"""


def grown(kernel: str, batch: int, heads: int, length: int, dim: int) -> int:
    """Bytes by which the peak grew: inputs, gradients and output included."""
    command = [sys.executable, "-c", SCRIPT, kernel, *(str(n) for n in (batch, heads, length, dim))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_streaming_with_gradient_stays_linear() -> None:
    """One array of 2 x 4,096 x 4,096 float32 is 128 MiB. Inputs, gradients and output are 7 x 0.5 MiB; tiles of
    512 x 512 are 1 MiB each, 2 of the distances that masks and biases are made from."""
    assert grown("streaming", 1, 2, 4096, 16) < 32 * MIB


def test_additive_with_gradient_stays_linear() -> None:
    """One array of 1,024 x 1,024 x 64 float32, which a plain tanh(q + k) makes, is 256 MiB."""
    assert grown("additive", 1, 1, 1024, 64) < 32 * MIB


def test_the_gauge_sees_an_n_by_n_array() -> None:
    """dense keeps several of 2 x 2,048 x 2,048 float32, 32 MiB each."""
    assert grown("dense", 1, 2, 2048, 16) > 64 * MIB
