"""The same run in two processes: a launch flag, and (but for rounding) the same numbers."""

import json
import os
import subprocess
import sys

import pytest
from safetensors.torch import load_file

from regard.train.training import train_run

SCRIPT = """
import json, sys
from regard.tasks.settings import settings_from
from regard.train.training import train_run

heard = []
result = train_run(settings_from(json.loads(sys.argv[1])), sys.argv[2], listen=heard.append)
print(json.dumps({"heard": len(heard), "accuracy": result.scores[0].value, **result.cost}))
"""


@pytest.mark.slow
def test_two_processes_train_as_one(tiny, tmp_path):
    # 140 rows in batches of 17 end in a batch of 4 rows; without dropout the two have nothing to draw
    # SGD, because Adam does not see a gradient of the wrong size
    settings = tiny(
        core__dropout=0.0,
        core__token_dropout=0.0,
        train__epochs=2,
        train__batch=17,
        train__optimizer="sgd",
        train__rate=0.5,
    )
    one = train_run(settings, tmp_path / "one")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=0"]
    launch += ["--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0"]
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    command = [*launch, str(script), json.dumps(settings.model_dump()), str(tmp_path / "two")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert sorted(line["heard"] == 0 for line in said) == [False, True]  # one speaks, the other is silent
    assert {line["processes"] for line in said} == {2}
    left, right = load_file(tmp_path / "one" / "model.safetensors"), load_file(tmp_path / "two" / "model.safetensors")
    for name, tensor in left.items():
        assert (tensor - right[name]).abs().max() < 1e-5, name
    assert {line["accuracy"] for line in said} == {one.scores[0].value}


@pytest.mark.slow
def test_bfloat16_is_a_launch_flag(tiny, tmp_path):
    command = [sys.executable, "-c", SCRIPT, json.dumps(tiny(train__epochs=8).model_dump()), str(tmp_path / "run")]
    environment = os.environ | {"ACCELERATE_MIXED_PRECISION": "bf16", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["precision"] == "bf16"
    assert said["accuracy"] > 0.8
    weights = load_file(tmp_path / "run" / "model.safetensors")
    assert {str(tensor.dtype) for tensor in weights.values()} == {"torch.float32"}
