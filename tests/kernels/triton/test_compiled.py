"""The kernels go through Triton's compiler for two generations of GPU, without one: types, shapes and shared memory.

The interpreter knows nothing of those. In a process of its own, where triton is not the interpreter.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

CODE = """
import json, sys, warnings
warnings.simplefilter("ignore")
import torch, triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from regard.kernels.triton import backward, forward, shapes

POINTERS = {torch.float32: "*fp32", torch.bfloat16: "*bf16", torch.float16: "*fp16"}
SUMS = "*fp32"


def built(kernel, dtype, dim, capped, capability):
    tensor = shapes.Four(POINTERS[dtype], "i32", "i32", "i32", "i32")
    back = kernel in (backward.to_query, backward.to_key)
    sizes = (shapes.backward_blocks if back else shapes.blocks)(dim, dim, dtype)
    given = {
        "query": tensor, "key": tensor, "value": tensor, "output": tensor, "grad": tensor, "lse": SUMS,
        "seen": shapes.Seen(SUMS, SUMS, SUMS, SUMS), "known": shapes.Known(SUMS, SUMS),
        "into": shapes.Into(tensor, tensor) if kernel is backward.to_key else tensor,
        "call": shapes.Call(*["i32"] * 9, "fp32", "fp32"),
    }
    meta = {"ROWS": sizes.rows, "COLS": sizes.cols, "WIDE": shapes.wide(dim), "VALUE_WIDE": shapes.wide(dim)}
    meta["CAPPED"] = capped
    names = kernel.arg_names
    source = ASTSource(
        fn=kernel,
        signature={name: given.get(name, "constexpr") for name in names},
        constexprs={(names.index(name),): value for name, value in meta.items()},
    )
    options = {"num_warps": sizes.warps, "num_stages": sizes.stages}
    return triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)


found = []
for name, dtype, dim, capped, capability in json.loads(sys.argv[1]):
    kernel = getattr(backward, name, None) or getattr(forward, name)
    made = built(kernel, getattr(torch, dtype), dim, capped, capability)
    found.append([len(made.asm["cubin"]), made.metadata.shared])
print(json.dumps(found))
"""
CASES = [  # kernel, dtype, size of the vectors, softcap, generation
    ("windowed", "bfloat16", 64, True, 80),
    ("observed", "float16", 128, False, 90),
    ("to_query", "bfloat16", 128, False, 80),
    ("to_key", "float32", 64, True, 90),
]
LEAST_SHARED = 99 * 1024  # bytes a block may take on the smallest GPUs of these generations


def test_every_kernel_compiles_and_fits(tmp_path: Path) -> None:
    own = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(CASES)],
        env=own | {"TRITON_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for case, (code_bytes, shared) in zip(CASES, json.loads(done.stdout), strict=True):
        assert code_bytes > 0, case
        assert 0 < shared <= LEAST_SHARED, case
