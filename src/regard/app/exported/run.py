"""Answers with the graphs in this folder: onnxruntime and numpy, and tokenizers where texts are read.

python run.py                      runs the rows of example.npz, and says how far the answers are from the model's
python run.py "A text" "another"   answers typed texts, where the model reads them
python run.py --arrays FILE.npz    answers arrays, named as the graph's inputs are (see config.json)
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument

HERE = Path(__file__).resolve().parent
Arrays = dict[str, Any]


def main() -> None:
    """Answers, one line of JSON a row."""
    typed = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    typed.add_argument("texts", nargs="*", help="texts to answer")
    typed.add_argument("--arrays", type=Path, help="an .npz of the graph's inputs")
    typed.add_argument("--task", default="", help="which task, where several are on one core")
    typed.add_argument("--steps", type=int, default=40, help="symbols that a model of the next symbol writes on")
    given = typed.parse_args()
    config = json.loads((HERE / "config.json").read_text(encoding="utf-8"))
    parts = {part["name"]: part for part in config["parts"]}
    name = given.task or next(iter(parts))
    if name not in parts:
        there = ", ".join(filter(None, parts))
        raise SystemExit(f"no task {name!r} here; " + (f"those there are: {there}" if there else "leave --task out"))
    part = parts[name]
    if given.texts:
        answers = [answer(part, inputs, given.steps) for inputs in map(reader(part), given.texts)]
        for text, (told,) in zip(given.texts, answers, strict=True):
            print(json.dumps({"text": text, **told}, ensure_ascii=False))
        return
    arrays = arrays_in(HERE / part["example"] if given.arrays is None else given.arrays)
    inputs = {key: each for key, each in arrays.items() if not key.startswith("expected.")}
    if given.arrays is not None:
        check(given.arrays, inputs)
    for told in answer(part, inputs, given.steps):
        print(json.dumps(told, ensure_ascii=False))
    if given.arrays is None:
        made = whole(part, inputs)
        wanted = [(key[9:], arrays[key]) for key in arrays if key.startswith("expected.")]
        pairs = [(made[key][:, : each.shape[1]] if each.ndim > 2 else made[key], each) for key, each in wanted]
        apart = max(float(np.abs(one.astype(np.float64) - other).max()) for one, other in pairs)
        print(f"largest difference to the model's own outputs: {apart:.2g}")


def arrays_in(file: Path) -> Arrays:
    """The arrays of an .npz, by name."""
    try:
        with np.load(file) as held:
            return {key: held[key] for key in held.files}
    except (OSError, ValueError, TypeError, EOFError, BadZipFile) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it holds none"
        raise SystemExit(f"{file}: no arrays can be read ({reason}); give an .npz, as numpy.savez writes it") from None


def check(file: Path, inputs: Arrays) -> None:
    """Stop for what a graph would take and answer wrongly: it repeats a single row, and knows no number that is not."""
    rows = {name: len(each) for name, each in inputs.items() if each.ndim}
    if len(set(rows.values())) > 1:
        told = ", ".join(f"{name} {count}" for name, count in rows.items())
        raise SystemExit(f"{file}: the arrays have not the same number of rows ({told}); give one of each a row")
    for name, each in inputs.items():
        if each.dtype.kind == "f" and not np.isfinite(each).all():
            raise SystemExit(f"{file}: {name} holds NaN or infinity; give finite numbers")
        if name in ("ids", "lengths") and each.dtype.kind in "iu" and each.size and each.min() < 0:
            raise SystemExit(f"{file}: {name} holds {each.min()}; give numbers of 0 or more")


def answer(part: dict[str, Any], inputs: Arrays, steps: int) -> list[dict[str, Any]]:
    """What is said of each row."""
    made = run(part["graph"], inputs) if "graph" in part else {}
    if "loop" in part:
        rows = range(len(next(iter(made.values() if made else inputs.values()))))
        return [write(part, made, inputs, row, steps) for row in rows]
    says = {"classes": classes, "number": number, "tags": tags, "place": place, "items": items, "boxes": boxes}
    if part["says"] in says:
        return says[part["says"]](part, inputs, made)
    return [arrays_of(made, row) for row in range(len(next(iter(made.values()))))]


def whole(part: dict[str, Any], inputs: Arrays) -> Arrays:
    """The outputs of what reads; of a model that only writes on, those of all its symbols in one step."""
    if "graph" in part:
        return run(part["graph"], inputs)
    return run(part["loop"]["graph"], _empty(part["loop"], len(inputs["ids"])) | inputs)


def arrays_of(made: Arrays, row: int) -> dict[str, Any]:
    """Of outputs that stand for themselves: their shape, and where each one's last axis is largest."""
    return {
        name: {"shape": list(each[row].shape), "largest": each[row].argmax(-1).tolist()} for name, each in made.items()
    }


def classes(part: dict[str, Any], inputs: Arrays, made: Arrays) -> list[dict[str, Any]]:
    """Labels with their probabilities, the likeliest first, and the share of each unit that was read."""
    told = []
    for row, shares in enumerate(np.exp(logs(made["logits"]))):
        order = np.argsort(-shares, kind="stable")
        ranked = {part["labels"][one]: round(float(shares[one]), 6) for one in order}
        label, probability = next(iter(ranked.items()))
        weights = made["weights"][row]
        count = int(inputs["lengths"][row]) if "lengths" in inputs and "pictures" not in inputs else len(weights)
        told.append({"label": label, "probability": probability, "probabilities": ranked})
        told[-1]["weights"] = [round(float(one), 6) for one in weights[:count]]
    return told


def number(part: dict[str, Any], inputs: Arrays, made: Arrays) -> list[dict[str, Any]]:
    """A number in its own unit."""
    return [{"target": float(one) * part["spread"] + part["level"]} for one in made["logits"][:, 0]]


def tags(part: dict[str, Any], inputs: Arrays, made: Arrays) -> list[dict[str, Any]]:
    """The likeliest tag of each word."""
    best = zip(made["logits"].argmax(-1), inputs["lengths"], strict=True)
    return [{"tags": [part["labels"][one] for one in row[:length]]} for row, length in best]


def place(part: dict[str, Any], inputs: Arrays, made: Arrays) -> list[dict[str, Any]]:
    """The first and the last token of the likeliest answer."""
    told = []
    for start, end in zip(made["start"], made["end"], strict=True):
        pairs = start[:, None] + end[None]
        rows, cols = np.indices(pairs.shape)
        pairs = np.where((cols >= rows) & (cols < rows + part["longest"]), pairs, -np.inf)
        first, last = np.unravel_index(int(pairs.argmax()), pairs.shape)
        told.append({"first": int(first), "last": int(last), "probability": float(np.exp(pairs[first, last]))})
    return told


def items(part: dict[str, Any], inputs: Arrays, made: Arrays) -> list[dict[str, Any]]:
    """The ten items that are likeliest next, of all; those that were had already are not left out here."""
    found = []
    for shares in np.exp(logs(made["scores"])):
        best = np.argsort(-shares, kind="stable")[:10]
        found.append({"items": {part["labels"][one]: round(float(shares[one]), 6) for one in best}})
    return found


def boxes(part: dict[str, Any], inputs: Arrays, made: Arrays) -> list[dict[str, Any]]:
    """Things with a probability of a half or more, the surest first; boxes in fractions of the picture."""
    told = []
    for shares, sides in zip(np.exp(logs(made["logits"])), made["boxes"], strict=True):
        chances, labels = shares[:, :-1].max(-1), shares[:, :-1].argmax(-1)
        order = [one for one in np.argsort(-chances, kind="stable") if chances[one] >= 0.5]
        things = [(part["labels"][labels[one]], float(chances[one]), sides[one].clip(0, 1).tolist()) for one in order]
        told.append({"things": [dict(zip(("label", "probability", "box"), one, strict=True)) for one in things]})
    return told


def write(part: dict[str, Any], made: Arrays, inputs: Arrays, row: int, steps: int) -> dict[str, Any]:
    """What is written of one row: by a beam where there is a source, else on from the row's symbols, the likeliest."""
    loop = part["loop"]
    fixed = {name: _rows(loop, name, made[output], [row]) for name, output in loop["read"].items()}
    state = fixed | _empty(loop, 1)
    if loop["begin"] is None:
        length = int(inputs["lengths"][row]) if "lengths" in inputs else inputs["ids"].shape[1]
        ids = _onward(loop, state, inputs["ids"][row : row + 1, :length], steps)
        return {"written": _text(part, ids)}
    ids, score = _beam(loop, fixed, state)
    return {"written": _text(part, ids), "score": score}


def _empty(loop: dict[str, Any], rows: int) -> Arrays:
    """Keys and values of no symbol yet."""
    sizes = loop["empty"].items()
    return {name: np.zeros((layers, rows, heads, 0, size), np.float32) for name, (layers, heads, size) in sizes}


def _onward(loop: dict[str, Any], state: Arrays, ids: Any, steps: int) -> list[int]:
    found: list[int] = []
    for _ in range(steps):
        made = run(loop["graph"], state | {"ids": ids})
        scores = made["logits"][0, -1].copy()
        scores[loop["never"]] = -np.inf
        found.append(int(scores.argmax()))
        ids = np.array([[found[-1]]], dtype=np.int64)
        state = state | {name: made[output] for name, output in loop["carried"].items()}
    return found


def _beam(loop: dict[str, Any], fixed: Arrays, state: Arrays) -> tuple[list[int], float]:
    """The best of what a beam comes to, and its ln p over the length penalty ((5 + length) / 6) ^ alpha."""
    live, ids = [((), 0.0)], np.array([[loop["begin"]]], dtype=np.int64)
    done: list[tuple[float, tuple[int, ...]]] = []
    for step in range(1, loop["longest"] + 1):
        made = run(loop["graph"], state | {"ids": ids})
        scores = logs(made["logits"][:, 0].astype(np.float32))
        scores[:, loop["never"]] = -np.inf
        totals = scores + np.array([total for _, total in live], dtype=np.float32)[:, None]
        best = np.argsort(-totals, axis=None, kind="stable")[: loop["beam"] - len(done)]
        rows, tokens = np.unravel_index(best, totals.shape)
        going, kept = [], []
        for row, token in zip(rows.tolist(), tokens.tolist(), strict=True):
            total, longer = float(totals[row, token]), (*live[row][0], token)
            if not np.isfinite(total):
                continue
            if token == loop["end"] or step == loop["longest"]:
                text = longer[:-1] if token == loop["end"] else longer
                done.append((total / ((5 + len(longer)) / 6) ** loop["alpha"], text))
            else:
                going.append((longer, total))
                kept.append(row)
        most = ((5 + loop["longest"]) / 6) ** loop["alpha"]
        settled = bool(done) and bool(going) and max(total for _, total in going) / most < max(done)[0]
        if not going or settled:
            break
        live, ids = going, np.array([[one[0][-1]] for one in going], dtype=np.int64)
        taken = {name: _rows(loop, name, made[output], kept) for name, output in loop["carried"].items()}
        state = {name: _rows(loop, name, each, [0] * len(kept)) for name, each in fixed.items()} | taken
    score, text = max(done)
    return list(text), score


def _rows(loop: dict[str, Any], name: str, held: Any, rows: list[int]) -> Any:
    """Some rows of a tensor, whose axis is the first, or the second of keys and values of layers."""
    return held[:, rows] if name in loop["layered"] else held[rows]


def reader(part: dict[str, Any]) -> Any:
    """From a text to the graph's inputs."""
    reads = part.get("reads")
    if reads is None:
        raise SystemExit("this model reads no typed text; give arrays: python run.py --arrays FILE.npz")

    def read(text: str) -> Arrays:
        ids = _tokenizer(reads["tokenizer"]).encode(text, add_special_tokens=False).ids
        ids = [*reads["before"], *ids]
        most = reads["longest"]
        if len(ids) > most and reads["keep"] == "last":
            ids = ids[-most:]
        elif len(ids) > most:
            tail = most // 2 if reads["keep"] == "ends" else 0
            ids = ids[: most - tail] + ids[len(ids) - tail :]
        ids = ids or [reads["unknown"]]
        return {"ids": np.array([ids], dtype=np.int64), "lengths": np.array([len(ids)], dtype=np.int64)}

    return read


def _text(part: dict[str, Any], ids: list[int]) -> str:
    return str(_tokenizer(part["writes"]["tokenizer"]).decode(ids)) if "tokenizer" in part["writes"] else " ".join(
        part["writes"]["symbols"][one] for one in ids
    )  # fmt: skip


def _tokenizer(file: str) -> Any:
    if file not in _TOKENIZERS:
        from tokenizers import Tokenizer

        _TOKENIZERS[file] = Tokenizer.from_file(str(HERE / file))
    return _TOKENIZERS[file]


def run(file: str, inputs: Arrays) -> Arrays:
    """A graph's outputs by name."""
    if file not in _SESSIONS:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        _SESSIONS[file] = onnxruntime.InferenceSession(str(HERE / file), options, providers=["CPUExecutionProvider"])
    session = _SESSIONS[file]
    taken = [each.name for each in session.get_inputs()]
    missing = [name for name in taken if name not in inputs]
    if missing:
        raise SystemExit(f"{file} reads {', '.join(taken)}; not given: {', '.join(missing)}")
    try:
        made = session.run(None, {name: inputs[name] for name in taken})
    except (RuntimeError, ValueError, InvalidArgument, Fail) as error:
        given = ", ".join(f"{name} {inputs[name].dtype} {inputs[name].shape}" for name in taken)
        reason = " ".join(str(error).split())[:200]
        raise SystemExit(f"{file} cannot read {given}: {reason}; see config.json for what it reads") from None
    return dict(zip([each.name for each in session.get_outputs()], made, strict=True))


def logs(scores: Any) -> Any:
    """ln of the softmax over the last axis."""
    shifted = scores - scores.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


_SESSIONS: dict[str, Any] = {}
_TOKENIZERS: dict[str, Any] = {}

if __name__ == "__main__":
    main()
