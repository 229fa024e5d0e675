"""Tasks, runs and a training as the studio tells them; and the lessons."""

from __future__ import annotations

import math

PROTOCOL = "part:test(held-out,seed:0)|rows:200"


def metric(value: float, name: str = "accuracy") -> dict:
    return {
        "name": name,
        "value": value,
        "low": value - 0.02,
        "high": value + 0.02,
        "rows": 200,
        "protocol": PROTOCOL,
        "better": "higher",
        "full_name": f"{name}|{PROTOCOL}",
    }


BASELINES = [
    {"name": "always 'positive'", "scores": [metric(0.5)], "gain": metric(0.39, "accuracy gain")},
    {"name": "TF-IDF of words + logistic regression", "scores": [metric(0.87)], "gain": metric(0.02, "accuracy gain")},
]
SCORES = [metric(0.89)]


def log(shift: float = 0.0) -> list[dict]:
    """Ten epochs of fifty steps: a loss that falls as exp(-step / 200)."""
    rows: list[dict] = [{"event": "begin", "step": 0, "parameters": 1343554}]
    for step in range(50, 550, 50):
        loss = 0.3 + 0.4 * math.exp(-step / 200) + shift
        rows.append({"event": "step", "step": step, "epoch": step // 50, "loss": loss, "rate": 0.001})
        rows.append({"event": "epoch", "step": step, "epoch": step // 50, "train_loss": loss,
                     "validation_loss": loss + 0.05, "validation": {"accuracy": 1 - loss / 2},
                     "best": True})  # fmt: skip
    return rows


def attention(step: int) -> dict:
    texts = ["the", "acting", "is", "wonderful"]
    received = [0.4 - step / 2000, 0.2, 0.2, 0.2 + step / 2000]
    return {"event": "attention", "step": step, "units": texts, "received": received,
            "heads": [{"layer": 0, "head": 0, "breadth": 3.0, "distance": 1.2}]}  # fmt: skip


TASKS = [
    {
        "name": "sentiment",
        "about": "positive or negative: film reviews",
        "example": "regard train sentiment",
        "beside": "always the most frequent label; TF-IDF + logistic regression",
        "takes": "5 to 10 minutes on two cores",
        "files": "csv, tsv, jsonl or parquet with a column of texts and a column of labels",
        "input": "text",
        "presets": ["bilstm", "transformer"],
        "columns": ["text", "label"],
        "data": "movie-reviews",
        "here": True,
        "settings": [
            {"path": "train.epochs", "value": 6, "about": "how often every row is seen"},
            {"path": "train.rate", "value": 0.002, "about": "the largest step"},
        ],
    },
    {
        "name": "images",
        "about": "one of several classes: pictures of any kind",
        "example": "regard train images",
        "beside": "always the most frequent class",
        "takes": "not measured yet",
        "files": "a folder with one folder a class",
        "input": "picture",
        "presets": ["transformer"],
        "columns": ["image", "label"],
        "data": "fashion-mnist",
        "here": False,
        "settings": [],
    },
]


def run(name: str, state: str = "done") -> dict:
    done = state == "done"
    return {
        "id": name,
        "name": name,
        "path": f"/data/{name}",
        "task": "sentiment",
        "state": state,
        "score": SCORES[0] if done else None,
        "baseline": metric(0.87) if done else None,
        "baseline_name": "TF-IDF of words + logistic regression" if done else None,
        "protocol": PROTOCOL if done else None,
        "epochs": 10 if done else 3,
        "core": "transformer",
        "minutes": 6.2,
        "job": None,
    }


ASKED = {
    "task": "sentiment",
    "data": {"path": None, "columns": {"text": "review"}, "test_rows": 0.2},
    "core": {"kind": "transformer", "dim": 64},
    "train": {"epochs": 10, "patience": None},
}
RUNS = [run("films-a"), run("films-b"), run("films-c", "begun")]


def run_log(name: str) -> dict:
    done = name != "films-c"
    return {
        "id": name,
        "name": name,
        "points": log(0.1 if name == "films-b" else 0.0),
        "metrics": {"scores": SCORES, "baselines": BASELINES} if done else None,
        "config": {"asked": ASKED},
        "command": f"regard train sentiment --out {name}",
    }


def walk() -> dict:
    """Query .5, keys 1 and 1, values 1 and 2: equal weights, context 1.5, output 2."""
    return {
        "query_names": ["query"],
        "key_names": ["key 1", "key 2"],
        "query": [[0.5]],
        "key": [[1.0], [1.0]],
        "value": [[1.0], [2.0]],
        "residual": [[0.5]],
        "shared": False,
        "formula": "score(i, j) = (q_i · k_j) / √d,  d = 1",
        "scores": [[0.5, 0.5]],
        "weights": [[0.5, 0.5]],
        "context": [[1.5]],
        "output": [[2.0]],
        "difference": 1e-17,
        "notes": ["One query, .5, and two equal keys."],
        "remarks": ["Equal scores give equal weights."],
        "examples": ["apples", "cat-dog-pig", "half"],
        "command": "regard walk --example half",
    }


def mask(expression: str, queries: int, keys: int) -> dict:
    """A causal window of two keys, whatever is asked; the words say what was asked."""
    rows = ["".join("1" if 0 <= q - k < 2 else "0" for k in range(keys)) for q in range(queries)]
    return {
        "words": f"{expression}: to the key itself and the one before",
        "rows": rows,
        "allowed": sum(row.count("1") for row in rows),
        "of": queries * keys,
        "empty": sum("1" not in row for row in rows),
        "names": ["Causal", "Window"],
        "command": f'regard plan --mask "{expression}"',
    }


PLAN = {
    "text": "windowed",
    "chosen": "windowed",
    "why": "the cheapest that can do it",
    "kernels": [
        {"name": "windowed", "about": "blocks of a window", "chosen": True, "milliseconds": 12.5, "bytes": 1048576,
         "reason": ""},
        {"name": "exact", "about": "torch's own", "chosen": False, "milliseconds": 80.1, "bytes": 67108864,
         "reason": ""},
        {"name": "flex", "about": "FlexAttention", "chosen": False, "milliseconds": None, "bytes": 0,
         "reason": "no compiler here"},
    ],
    "command": 'regard plan --query 1,8,4096,64 --mask "Causal() & Window(255, 0)"',
}  # fmt: skip
