"""What the studio that the page is tested against answers: small numbers that a person can check."""

from __future__ import annotations

import numpy as np

SOURCE = "The plot is thin, but the acting is wonderful."
WORDS = ["The", "plot", "is", "thin", ",", "but", "the", "acting", "is", "wonderful", "."]
LAYERS, HEADS = 2, 4
HOSTILE = "</script><img src=x onerror=alert(1)>"


def spans(words: list[str], source: str) -> list[list[int]]:
    found, at = [], 0
    for word in words:
        start = source.index(word, at)
        at = start + len(word)
        found.append([start, at])
    return found


TEXTS = ["[CLS]", *WORDS]
SPANS = [[0, 0], *spans(WORDS, SOURCE)]
N = len(TEXTS)


def weights(layer: int, head: int, count: int = N) -> np.ndarray:
    """(count, count), rows sum to 1: head 0 reads itself, head 1 the unit before it, head 2 all alike, head 3 the first
    with .75 and itself with .25."""
    if head == 0:
        return np.eye(count)
    if head == 1:
        return np.eye(count)[np.maximum(np.arange(count) - 1 - layer, 0)]
    if head == 2:
        return np.full((count, count), 1 / count)
    found = 0.25 * np.eye(count)
    found[:, 0] += 0.75
    return found


def figures(layer: int, head: int) -> dict:
    each = weights(layer, head)
    entropy = -(each * np.log(np.maximum(each, 1e-300))).sum(1)
    place = np.arange(len(each))
    distance = (each * np.abs(place[:, None] - place)).sum(1)
    return {
        "head": head,
        "breadth": float(np.exp(entropy).mean()),
        "distance": float(distance.mean()),
        "entropy": float(entropy.mean()),
        "unusual": float(head),
        "reasons": [
            f"reads broadly: {head + 1} keys at once (median 1 key)",
            f"{10 * head}% on the first key (median 2%)",
        ],
    }


def mass() -> list[float]:
    every = [weights(layer, head).sum(0) / N for layer in range(LAYERS) for head in range(HEADS)]
    return [float(one) for one in np.mean(every, 0)]


def units(kind: str = "token") -> dict:
    return {
        "kind": kind,
        "count": N,
        "texts": TEXTS,
        "spans": SPANS,
        "source": SOURCE,
        "grid": None,
        "special": 1,
        "mass": mass(),
    }


def look(name: str, *, picture: str | None = None) -> dict:
    layers = [
        {
            "name": f"encoder.layer.{layer}.attention",
            "short": str(layer),
            "kind": "self",
            "mask": "all keys",
            "queries": 0,
            "keys": 0,
            "query_count": N,
            "key_count": N,
            "deepest": 0,
            "heads": [figures(layer, head) for head in range(HEADS)],
        }
        for layer in range(LAYERS)
    ]
    rank = [(layer, head) for head in reversed(range(HEADS)) for layer in range(LAYERS)]
    told = units()
    if picture:
        told |= {"kind": "patch", "count": 13, "grid": [3, 4], "special": 1, "spans": None, "source": None}
        told["texts"] = ["[CLS]", *(f"{row},{col}" for row in range(3) for col in range(4))]
        told["mass"] = [0.1, *(i / 66 for i in range(12))]
        for layer in layers:
            layer["query_count"] = layer["key_count"] = 13
    return {
        "look": name,
        "subject": "run1",
        "title": "films",
        "model": "films",
        "about": {"torch": "2"},
        "units": told,
        "others": [],
        "layers": layers,
        "ranked": [
            {
                "layer": layers[layer]["name"],
                "head": head,
                "score": float(head),
                "reasons": figures(layer, head)["reasons"],
            }
            for layer, head in rank
        ],
        "sinks": [{"side": 0, "unit": 0, "text": "[CLS]", "share": 0.3, "words": "'[CLS]'", "layers": ["0"]}],
        "sinks_note": "Sinks are counted.",
        "answer": "positive (0.91)",
        "picture": picture,
        "notes": ["Recorded in one pass."],
        "limits": "Weights show where attention went, not what caused the output.",
        "unseen": [],
    }


def tile(layer: int, head: int, sinks: bool, count: int = N) -> tuple[bytes, float]:
    """256 x 256 bytes on a square-root scale, each unit several pixels wide; and the largest weight."""
    found = weights(layer, head, count).copy()
    if not sinks:
        found[:, 0] = 0
    place = np.arange(256) * count // 256
    top = float(found.max()) or 1.0
    return np.round(255 * np.sqrt(found[place][:, place] / top)).astype(np.uint8).tobytes(), top


def unit(layer: int, head: int, place: int) -> dict:
    each = weights(layer, head)

    def largest(row: np.ndarray) -> list:
        return [[int(i), float(row[i])] for i in np.argsort(-row, kind="stable")[:4] if row[i] > 0]

    one = figures(layer, head)
    return {
        "reads": largest(each[place]),
        "read_by": largest(each[:, place]),
        "received": float(each[:, place].sum()),
        "share": float(each[:, place].sum() / N),
        "breadth": one["breadth"],
        "distance": one["distance"],
        "unit": place,
        "text": TEXTS[place],
    }


EVIDENCE = {
    "lines": ["Taking the heaviest words away lowers the answer's probability by 0.41; random words by 0.08."],
    "rows": [
        {
            "measure": measure,
            "replacement": "mask",
            "value": value,
            "low": value - 0.05,
            "high": value + 0.05,
            "random": 0.08,
            "position": 0.1,
            "reverse": -0.02,
            "inputs": 200,
        }
        for measure, value in (
            ("comprehensiveness", 0.41),
            ("sufficiency", 0.12),
            ("leave-one-out rank correlation", 0.77),
        )
    ],
}
SIGNED = [0.0, 0.02, 0.05, -0.01, -0.62, 0.0, 0.2, 0.0, 0.1, 0.01, 0.94, 0.03]


def why(methods: list[str]) -> dict:
    names = ["occlusion", "attention"] if methods == ["best"] else methods
    return {
        "target": "positive",
        "probability": 0.91,
        "targets": [["positive", 0.91], ["negative", 0.09]],
        "units": units(),
        "best": names[0] if methods == ["best"] else None,
        "limits": "An explanation says what this model's answer rests on, not what is true.",
        "explanations": [
            {
                "method": name,
                "about": f"What {name} sees.",
                "how": "One unit at a time.",
                "seconds": 0.4,
                "weights": SIGNED if name != "attention" else [abs(one) for one in SIGNED],
                "chosen": place == 0,
                "evidence": EVIDENCE,
            }
            for place, name in enumerate(names)
        ],
    }


def spend(fractions: list[float]) -> dict:
    def row(fraction: float) -> dict:
        exact = fraction == 1
        return {
            "fraction": fraction,
            "share": fraction,
            "answer": "positive (0.91)" if fraction > 0.1 else "negative (0.55)",
            "same": fraction > 0.1,
            "error": 0.0 if exact else round(0.02 / fraction, 4),
            "loss": 2.3 + (0 if exact else 0.01 / fraction),
            "increase": None if exact else 0.01 / fraction,
            "seconds": 0.02 * fraction,
            "seconds_of": "token",
            "bytes": int(20_000_000 * (0.5 + fraction)),
            "cache_bytes": int(8_000_000 * fraction),
            "heads": [
                {
                    "layer": layer,
                    "head": head,
                    "breadth": figures(layer, head)["breadth"],
                    "distance": figures(layer, head)["distance"],
                    "first": 0.1,
                    "latest": 0.2,
                    "read": None if exact else min(1.0, fraction * (0.5 + head / 3)),
                }
                for layer in range(LAYERS)
                for head in range(HEADS)
            ],
        }

    return {
        "rows": [row(fraction) for fraction in fractions],
        "exact": row(1),
        "unit": "nats a token",
        "notes": ["Times are of this machine."],
        "measured": "Each budget runs once on your input.",
    }
