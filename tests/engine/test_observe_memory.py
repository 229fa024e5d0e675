"""Memory of watching, in a fresh process: linear in the length, and a control that the gauge sees a matrix."""

from __future__ import annotations

import subprocess
import sys

import pytest

MIB = 2**20
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")

# Peak resident memory of one call above that of a small one (which loads the same code).
SCRIPT = """
import sys
import torch
import regard

torch.set_num_threads(1)
way, length = sys.argv[1], int(sys.argv[2])

def run(n):
    q, k, v = (torch.randn(1, 1, n, 16) for _ in range(3))
    more = {"mask": regard.Causal()}
    if way == "matrix":
        return torch.softmax(q @ k.mT, -1).sum(-2)
    if way == "window and bias":
        more = {"mask": regard.Window(n // 2, 0), "bias": regard.ALiBi(torch.ones(1))}
    if way == "sampled":
        more["sample"] = 0.05
    return regard.observe(q, k, v, top=8, bins=(64, 64), **more)

def peak():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024

run(256)
before = peak()
run(length)
print(peak() - before)
"""


def grown(way: str, length: int) -> int:
    """Bytes by which the peak grew: inputs and output included. Of one fresh process."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, way, str(length)], capture_output=True, text=True, check=True)
    return int(done.stdout)


def stays_below(bound: int, way: str, length: int) -> bool:
    """Whether the peak of one of three processes does: what else the allocator holds on to can only add to it."""
    return any(grown(way, length) < bound for _ in range(3))


@pytest.mark.parametrize("way", ["causal", "window and bias", "sampled"])
def test_watching_8192_tokens_stays_linear(way: str) -> None:
    """One matrix of 8,192 x 8,192 is 256 MiB of float32 and 64 MiB of bool; without one, 46 to 61 MiB were measured.
    Inputs, output and figures are 4 MiB of it, tiles of 2^19 weights the rest: 2 MiB each of float32, 4 MiB of int64,
    a dozen alive at once where the top is looked for."""
    assert stays_below(80 * MIB, way, 8192)


def test_the_gauge_sees_a_matrix() -> None:
    assert not stays_below(64 * MIB, "matrix", 4096)
