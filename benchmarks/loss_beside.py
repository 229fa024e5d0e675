"""kvpress beside `loss`: the same texts, handed to another interpreter, and what it tells of them."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import record
from benchmarks.captured import LAYERS
from benchmarks.loss_study import Study
from benchmarks.loss_ways import SHARES

PRESSES = ("StreamingLLMPress", "SnapKVPress", "TOVAPress", "KnormPress", "ExpectedAttentionPress", "KeyDiffPress")
SAME, BESIDE = "the share on average", "the share of the prompt, and all later tokens"
Wanted = tuple[int, str, float, str, int]  # start, press, share, size, keys of the prompt


def wanted(study: Study, shares: tuple[float, ...] = SHARES) -> list[Wanted]:
    """Every press at every share and size. What follows a prompt is never dropped: on average half of it is there."""
    later = (study.scored + 1) / 2
    sizes = {SAME: lambda share: share * (study.length + later) - later, BESIDE: lambda share: share * study.length}
    return [
        (start, press, share, size, int(kept(share)))
        for start in study.starts
        for press in PRESSES
        for share in shares
        for size, kept in sizes.items()
        if kept(share) >= 1
    ]


def beside(study: Study, python: str, asked: list[Wanted]) -> None:
    """Measure what is not known. Raises `SystemExit` where it cannot run."""
    left = [each for each in asked if study.press_key(each[0], each[1], each[4]) not in study.kept.rows]
    if not left:
        return
    starts = sorted({start for start, *_ in left})
    rows = list(dict.fromkeys((starts.index(start), press, kept) for start, press, _, _, kept in left))
    job = {
        "model": str(study.folder),
        "texts": [study.text(start)[0].tolist() for start in starts],
        "prompt": study.length,
        "layers": list(LAYERS[study.name]),
        "wanted": rows,
    }
    print(f"  {study.name}, kvpress: {len(rows)} rows", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "job.json"
        path.write_text(json.dumps(job), "utf-8")
        _told(study, [python, str(record.HERE / "loss_kvpress.py"), str(path)], starts)


def _told(study: Study, command: list[str], starts: list[int]) -> None:
    versions: dict[str, str] = {}
    exact: dict[int, list[float]] = {}
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as running:
        assert running.stdout is not None
        for line in running.stdout:
            row: dict[str, Any] = json.loads(line)
            if "versions" in row:
                versions = row["versions"]
            elif row["press"] == "exact":
                exact[row["text"]] = row["nats"]
            else:
                number, press, kept = row.pop("text"), row.pop("press"), row.pop("kept")
                study.kept.add(
                    study.press_key(starts[number], press, kept), {**row, "exact": exact[number], "versions": versions}
                )
                apart = f"{sum(row['kl']) / len(row['kl']):.5f} apart" if "kl" in row else row["failed"]
                print(f"    {press}, {kept} keys of the prompt: {apart}", flush=True)
    if running.returncode:
        raise SystemExit(f"kvpress ended with {running.returncode}; what it measured is kept")
