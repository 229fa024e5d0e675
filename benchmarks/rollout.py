"""Attention rollout of long texts: peak memory of a fresh process for each length, beside what n x n matrices take.

    python -m benchmarks.rollout [--model FOLDER] [--lengths 2048 4096 8192 16384]

Without --model, a decoder of random weights (4 layers, 8 heads of 32). Also compares the rollout with the product of
n x n matrices at a length where these fit. With --model the figures are written to results/rollout.json, those of each
length beside what was there of others.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks import record
from benchmarks.harness import Goal, Report, Rounds

_BY_HAND = 512  # tokens
_MIB = 2**20
MORE, APART = 1024.0, 1e-4  # goals: MiB beyond a pass at any length; from the n x n product


def _model(folder: str | None) -> Any:
    import transformers

    if folder is not None:
        from regard.bridges.transformers_folder import ModelFolder

        return ModelFolder.of(Path(folder)).writer()
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=1000,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=2,
        max_position_embeddings=32768,
        initializer_range=0.2,
    )
    return transformers.LlamaForCausalLM(config).eval()


def _asked(model: Any, length: int) -> Any:
    from regard.lens.explain import ask

    return ask(model, _ids(model, length))


def _ids(model: Any, length: int) -> torch.Tensor:
    size = min(int(model.config.get_text_config().vocab_size), 50_000)
    return torch.randint(10, size, (1, length), generator=torch.Generator().manual_seed(1))


def _peak() -> float:
    """MiB"""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def one(folder: str | None, length: int) -> dict[str, float]:
    """Peaks of this process, in MiB: after one plain pass over the text, and after the rollout."""
    from regard.lens.explain import weigh

    question = _asked(_model(folder), length)
    before = _peak()
    weights = weigh(question, "rollout").weights
    return {"length": length, "pass": before, "rollout": _peak(), "sum": float(weights.sum())}


def by_hand(folder: str | None) -> float:
    """The largest difference between the rollout and the product of n x n matrices, at 512 tokens."""
    from regard.lens.explain import weigh

    model = _model(folder)
    question = _asked(model, _BY_HAND)
    found = weigh(question, "rollout").weights
    model.set_attn_implementation("eager")
    ids = _ids(model, _BY_HAND)
    with torch.no_grad():
        layers = model(ids, output_attentions=True).attentions
    product = torch.eye(_BY_HAND, dtype=torch.float64)
    for layer in layers:
        mixed = 0.5 * layer[0].double().mean(0) + 0.5 * torch.eye(_BY_HAND, dtype=torch.float64)
        product = mixed @ product
    return float((product[-1] - found).abs().max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model")
    parser.add_argument("--lengths", type=int, nargs="+", default=[2048, 4096, 8192, 16384])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one is not None:
        print(json.dumps(one(given.model, given.one)))
        return
    apart = by_hand(given.model)
    print(f"largest difference from the n x n product at {_BY_HAND} tokens: {apart:.2e}")
    print("tokens   peak after a pass   peak after the rollout   n x n weights of one layer, float32 (MiB)")
    heads, rows = int(_model(given.model).config.get_text_config().num_attention_heads), []
    for length in given.lengths:
        command = [sys.executable, "-m", "benchmarks.rollout", "--one", str(length)]
        command += ["--model", given.model] if given.model else []
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        row = json.loads(told.splitlines()[-1]) | {"square": heads * length**2 * 4 / _MIB}
        print(f"{length:6,}   {row['pass']:17,.0f}   {row['rollout']:22,.0f}   {row['square']:,.0f}", flush=True)
        rows.append(row)
    if given.model:
        _write(rows, apart, Path(given.model).name)


def _write(rows: list[dict[str, float]], apart: float, model: str) -> None:
    path = record.RESULTS / "rollout.json"
    kept = json.loads(path.read_text("utf-8"))["rollout"] if path.is_file() else []
    merged = {row["length"]: row for row in [*kept, *rows]}
    every = [merged[length] for length in sorted(merged)]
    longest = every[-1]
    beyond = longest["rollout"] - longest["pass"]
    goals = [
        Goal(f"{model}, {longest['length']:,} tokens: the rollout's memory beyond a pass", beyond, MORE, "MiB"),
        Goal(f"{model}, {_BY_HAND} tokens: largest difference from the n x n product", apart, APART),
    ]
    record.finish(Report("rollout", goals=goals), Rounds(1, 0), record.RESULTS, more={"rollout": every})


if __name__ == "__main__":
    main()
