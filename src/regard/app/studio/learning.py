"""The four steps on one's own numbers, masks drawn, and plans explained."""

from __future__ import annotations

import ast
import functools
import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from regard.app.expression import mask_from, names, score_from
from regard.app.studio.bodies import MaskBody, PlanBody, WalkBody
from regard.app.studio.refusals import RefusedError
from regard.app.walking import Numbers, from_sentence, scaled_formula, walk
from regard.app.worked import EXAMPLES, example
from regard.engine.attend import plan
from regard.spec.mask import Mask
from regard.spec.place import Place
from regard.spec.score import ScaledDot

_PLAIN = ScaledDot()
_LARGEST = 1_048_576  # no number in an expression is larger: some of them are sizes of tensors
_SUM = 4_194_304


def walked(body: WalkBody) -> dict[str, Any]:
    """Every number of the four steps. Raises `SpecError` or `ShapeError` for numbers that do not fit."""
    given = _numbers(body)
    score = _PLAIN if body.example is not None else score_from(_bounded(body.score, "score"))
    if score != _PLAIN:
        given = replace(given, score=score, formula=f"score(i, j) of {score!r}")
    taken = walk(given)
    tables = {name: getattr(given, name).tolist() for name in ("query", "key", "value")}
    return {
        "query_names": list(given.query_names),
        "key_names": list(given.key_names),
        **tables,
        "residual": None if given.residual is None else given.residual.tolist(),
        "shared": given.shared,
        "formula": given.formula,
        "scores": taken.scores.tolist(),
        "weights": taken.weights.tolist(),
        "context": taken.context.tolist(),
        "output": None if taken.output is None else taken.output.tolist(),
        "difference": taken.difference,
        "notes": list(given.notes),
        "remarks": list(given.remarks),
        "examples": list(EXAMPLES),
        "command": _walk_line(body),
    }


def _numbers(body: WalkBody) -> Numbers:
    if body.example is not None:
        return example(body.example)
    if body.query is None or body.keys is None or body.values is None:
        words = [word.strip() for word in body.words or ()]
        if not all(words) or any(" " in word for word in words):
            raise RefusedError(422, "words: each is one word, without spaces", where="words", do="part them")
        return from_sentence(" ".join(words))
    query, key, value = (_table(name, rows) for name, rows in _tables(body))
    if body.words is not None and len(body.words) != len(key):
        raise RefusedError(422, f"words: expected {len(key)}, one for each key", where="words")
    fits = query.shape == (len(query), value.shape[1])
    shown = tuple(body.words or ())
    return Numbers(
        query=query,
        key=key,
        value=value,
        residual=query if fits else None,
        query_names=shown if shown and len(query) == len(key) else tuple(f"q{i + 1}" for i in range(len(query))),
        key_names=shown or tuple(f"k{j + 1}" for j in range(len(key))),
        score=_PLAIN,
        formula=scaled_formula(query.shape[1]),
        notes=() if fits else ("There is no residual: q has another size than v.",),
    )


def _tables(body: WalkBody) -> tuple[tuple[str, Any], ...]:
    return ("query", body.query), ("keys", body.keys), ("values", body.values)


def _table(name: str, rows: Sequence[Sequence[float]]) -> Any:
    if len({len(row) for row in rows}) > 1:
        raise RefusedError(422, f"{name}: its rows have different lengths", where=name, do="give equally long rows")
    return np.array(rows, dtype=np.float64)


def _walk_line(body: WalkBody) -> str:
    if body.example is not None:
        return shlex.join(["regard", "walk", "--example", body.example])
    if body.query is None:
        return shlex.join(["regard", "walk", " ".join(body.words or ())])
    return "regard walk --numbers numbers.json"


def masked(body: MaskBody) -> dict[str, Any]:
    """A mask as rows of bits. Raises `SpecError` or `MaskError` for an expression that is none, or does not fit."""
    mask = mask_from(_bounded(body.expression, "expression"))
    place = Place(1, 1, body.queries, body.keys, body.keys - body.queries, torch.device("cpu"))
    mask.check(place)
    allowed = _allowed(mask, place)
    rows = ["".join("1" if bit else "0" for bit in row) for row in allowed.tolist()]
    shape = f"1,1,{body.queries},64", f"1,1,{body.keys},64"
    return {
        "words": mask.words(),
        "rows": rows,
        "allowed": int(allowed.sum()),
        "of": body.queries * body.keys,
        "empty": int((~allowed.any(-1)).sum()),
        "names": list(names(Mask)),
        "command": shlex.join(["regard", "plan", "--query", shape[0], "--key", shape[1], "--mask", body.expression]),
    }


def _allowed(mask: Mask, place: Place) -> torch.Tensor:
    """bool (queries, keys)"""
    return mask.dense(place).expand(1, 1, place.query_len, place.key_len)[0, 0]


def planned(body: PlanBody) -> dict[str, Any]:
    """What would run, at what cost, and why. Nothing runs. Raises whatever `plan` raises."""
    key = body.key or body.query
    shapes = (body.query, key, body.value or key)
    dtype = getattr(torch, body.dtype)
    tensors = [torch.empty(1, dtype=dtype).expand(shape).requires_grad_(body.gradients) for shape in shapes]
    asked = functools.partial(plan, score=_PLAIN if body.score is None else score_from(_bounded(body.score, "score")))
    found = asked(*tensors, mask=None if body.mask is None else mask_from(_bounded(body.mask, "mask")))
    kernels = [(found.chosen, True), *((one, False) for one in found.others)]
    return {
        "text": str(found),
        "chosen": found.kernel,
        "why": "the cheapest that fits",
        "kernels": [
            {
                "name": one.row.name,
                "about": one.row.about,
                "chosen": chosen,
                "milliseconds": None if one.reasons else 1e3 * one.seconds,
                "bytes": one.cost.extra_bytes,
                "reason": "; ".join(one.reasons),
            }
            for one, chosen in kernels
        ],
        "command": _plan_line(body),
    }


def _plan_line(body: PlanBody) -> str:
    parts = ["regard", "plan", "--query", ",".join(map(str, body.query))]
    for option, shape in (("--key", body.key), ("--value", body.value)):
        parts += [] if shape is None else [option, ",".join(map(str, shape))]
    for option, text in (("--mask", body.mask), ("--score", body.score)):
        parts += [] if text is None else [option, text]
    parts += ["--dtype", body.dtype] if body.dtype != "float32" else []
    return shlex.join([*parts, *(["--gradient"] if body.gradients else [])])


def _bounded(text: str, where: str) -> str:
    """The expression, if none of its numbers is so large that a tensor of that size would be made.

    What is no expression is left to be refused where it is read.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text
    found = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    sizes = [abs(one) for one in found if isinstance(one, int | float) and not isinstance(one, bool)]
    if any(one > _LARGEST for one in sizes) or sum(sizes) > _SUM:
        raise RefusedError(
            422, f"{where}: a number is larger than {_LARGEST:,}", where=where, do="give smaller numbers"
        )
    product = 1.0
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        for one in call.args:
            if isinstance(one, ast.Constant) and isinstance(one.value, int) and ast.unparse(call.func) == "ones":
                product *= max(one.value, 1)
    if product > _SUM:
        raise RefusedError(422, f"{where}: ones(...) of {product:,.0f} numbers", where=where, do="give smaller sizes")
    return text
