"""A second reader of the report's file, written from the description of the format alone, so that tests can compare."""

from __future__ import annotations

import base64
import gzip
import json
import re

import numpy as np


def elements(source: str) -> dict[str, str]:
    """The data elements of a page by id."""
    return dict(re.findall(r'<script type="[a-z/]+" id="([\w.]+)">(.*?)</script>', source, re.DOTALL))


def index(source: str) -> dict:
    return json.loads(elements(source)["index"])


def texts(sections, number=0):
    return json.loads(inflated(sections[f"text.{number}"]))


def inflated(text: str) -> bytes:
    return gzip.decompress(base64.b64decode(text))


def arrays(index, sections, name: str, queries=None) -> dict[str, np.ndarray]:
    """A section's numbers by name; `queries`: the places of its queries, for keys."""
    found, content, at = {}, inflated(sections[name]), 0
    for header in index["sections"][name]:
        count = int(np.prod(header["shape"]))
        planes = header["bits"] // 8
        parts = np.frombuffer(content, np.uint8, count * planes, at).reshape(planes, count).astype(np.int64)
        codes = parts[0] if planes == 1 else 256 * parts[0] + parts[1]
        at += count * planes
        found[header["name"]] = values(header, codes.reshape(header["shape"]), queries)
    assert at == len(content)
    return found


def values(header, codes, queries=None):
    highest, since, to = 2 ** header["bits"] - 1, header["since"], header["to"]
    if header["rule"] == "linear":
        return codes / highest * to
    if header["rule"] == "square":
        return (codes / highest) ** 2 * to
    if header["rule"] == "log":
        return np.where(codes == 0, 0.0, since * (to / since) ** ((codes - 1) / (highest - 1)))
    if header["rule"] == "near":
        steps = codes - int(since)
        back = steps if to == 1 else np.where(steps % 2 == 0, steps // 2, -(steps + 1) // 2)
        keys = np.where(codes < since, codes, np.asarray(queries) - back)
        return np.where(codes == highest, -1, keys)
    assert header["rule"] == "whole"
    return codes
