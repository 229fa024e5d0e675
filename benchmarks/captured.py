"""Real queries, keys and values: what a decoder's attention is given while it reads a novel, kept for the benchmarks.

    python -m benchmarks.captured [--model gemma3-270m] [--text emma] [--length 16384]

Every layer is a file of its own, written when its call is seen, below `captured/` in the cache folder (never in this
repository): what is there already is not read again. A decoder's first 8,192 tokens are the same in a text of 16,384,
so that the longest capture serves all shorter ones. Needs `regard data get` of the model and of austen.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from regard import Causal, ScaledDot, observe
from regard.allocate.used import Used
from regard.app.subject import Subject, text_subject
from regard.engine.seam_reach import Reached
from regard.engine.seams import reach
from regard.spec.request import Request, request
from regard.tasks.packages import cache_folder
from regard.tasks.sources import cached, command, source

LAYERS = {  # those that see the whole text; the other layers of Gemma have a window of 512
    "gemma3-270m": (5, 11, 17),
    "qwen2.5-coder-0.5b": tuple(range(24)),
}
REPORTED, CHOSEN_ON = "emma", "pride-and-prejudice"  # figures are of the one, and settings are chosen on the other
LONGEST = 16384  # tokens


@dataclass(frozen=True, eq=False)
class Captured:
    """One layer's attention over the first tokens of a text, in float32: in float16 scores of Qwen move by up to .5.

    query (heads, length, dim), key (kv_heads, length, dim), value (kv_heads, length, value_dim); scale: of the scores.
    """

    model: str
    text: str
    layer: int
    query: Tensor
    key: Tensor
    value: Tensor
    scale: float

    @property
    def length(self) -> int:
        return self.query.shape[1]

    @property
    def groups(self) -> int:
        """Query heads to a key head."""
        return self.query.shape[0] // self.key.shape[0]

    def at(self, position: int) -> Request:
        """The query at `position` as it is decoded: one query, over the keys up to its own."""
        seen = slice(position + 1)
        query = self.query[None, :, position : position + 1]
        return request(query, self.key[None, :, seen], self.value[None, :, seen], score=ScaledDot(self.scale))

    def mass(self, queries: range) -> Tensor:
        """(kv_heads, queries.stop): what each key receives from these queries, its group of heads taken together."""
        seen = slice(queries.stop)
        asked = (self.query[None, :, queries.start : queries.stop], self.key[None, :, seen], self.value[None, :, seen])
        received = observe(*asked, score=ScaledDot(self.scale), mask=Causal())[1].received[0]
        return received.unflatten(0, (-1, self.groups)).sum(1)

    def received(self, positions: list[int]) -> Iterator[Tensor]:
        """For each of the ascending `positions`: (kv_heads, position + 1), what its keys have received from all earlier
        queries. A key that no earlier query could see has nothing."""
        total = torch.zeros(self.key.shape[0], self.length)
        start = 0
        for position in positions:
            if position > start:
                total[:, :position] += self.mass(range(start, position))
                start = position
            yield total[:, : position + 1].clone()


def load(model: str, text: str, layer: int, *, length: int) -> Captured:
    """The first `length` tokens of a capture that is at least so long. Raises `SystemExit` where there is none."""
    found = [path for path in sorted(_folder(model, text).glob("*/")) if int(path.name) >= length]
    paths = [path for each in sorted(found, key=lambda path: int(path.name)) if (path := _file(each, layer)).is_file()]
    if not paths:
        raise SystemExit(f"layer {layer} of {model} on {text} is not captured; type: python -m benchmarks.captured")
    with safe_open(paths[0], framework="pt") as file:
        query, key, value = (file.get_slice(name)[:, :length].contiguous() for name in ("query", "key", "value"))
        scale = float(file.metadata()["scale"])
    return Captured(model, text, layer, query, key, value, scale)


def capture(model: str, text: str, *, length: int, layers: tuple[int, ...] | None = None) -> None:
    """Read `length` tokens of the text, and keep those of `layers` (all listed, by default) that are not kept yet."""
    folder = _folder(model, text) / str(length)
    folder.mkdir(parents=True, exist_ok=True)
    wanted = LAYERS[model] if layers is None else layers
    missing = [layer for layer in wanted if not _file(folder, layer).is_file()]
    if not missing:
        return
    subject = text_subject(_place(model), _words(text)[: length * 8], tokens=length)  # a token has under 8 characters
    print(f"  {model} reads {length:,} tokens of {text} for {len(missing)} layers", flush=True)
    paths = {f"layers.{layer}.self_attn": _file(folder, layer) for layer in missing}
    _run(subject, paths, length)
    unseen = [str(path) for path in paths.values() if not path.is_file()]
    if unseen:
        raise SystemExit(f"{model} made no call for {unseen[0]}")


class _EnoughError(Exception):
    """Every layer that was asked for has been seen: the rest of the model need not run."""


def _run(subject: Subject, paths: dict[str, Path], length: int) -> None:
    """One pass through regard's own kernels, which don't lay out a window's mask as 16,384 x 16,384."""
    assert isinstance(subject.model, nn.Module)
    used, left = Used(subject.name), set(paths)

    def handle(reached: Reached) -> object:
        if reached.name in left:
            _keep(reached.request, paths[reached.name], length)
            left.remove(reached.name)
        if not left:
            raise _EnoughError
        return used.handle(reached)

    with torch.inference_mode(), reach(subject.model, handle, answers=True) as reaching:
        used.reaching = reaching
        with suppress(_EnoughError):
            subject.run()


def _keep(asked: Request, path: Path, length: int) -> None:
    """Written whole or not at all."""
    score = asked.score
    plain = isinstance(score, ScaledDot) and score.softcap is None and not asked.biases and asked.sink is None
    if not plain or asked.mask not in (Causal(), None) or asked.place.query_len != length:
        raise SystemExit(f"{path.stem} attends otherwise than these benchmarks do: {score}, {asked.mask}")
    assert isinstance(score, ScaledDot)
    rows = {"query": asked.query, "key": asked.key, "value": asked.value}
    partial = path.with_suffix(".partial")
    save_file(
        {name: rows[name][0].float().contiguous() for name in rows},
        partial,
        metadata={"scale": repr(score.factor(asked.query.shape[-1]))},
    )
    partial.replace(path)
    print(f"    {path.name}: query {tuple(asked.query.shape[1:])}, key {tuple(asked.key.shape[1:])}", flush=True)


def _file(folder: Path, layer: int) -> Path:
    return folder / f"layer-{layer:02d}.safetensors"


def _folder(model: str, text: str) -> Path:
    return cache_folder() / "captured" / source(model).target.name / text


def _place(name: str) -> Path:
    """A benchmark fetches nothing: what it needs must be in the cache."""
    path = cached(source(name))
    if path is None:
        raise SystemExit(f"{name} is not in the cache; type: regard data get {name}, or {command(source(name))}")
    return path


@lru_cache(maxsize=1)
def _words(text: str) -> str:
    return (_place("austen") / f"{text}.txt").read_text(encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=tuple(LAYERS), action="append", help="by default all, one after the other")
    parser.add_argument("--text", action="append", help=f"a novel; by default {REPORTED} and {CHOSEN_ON}")
    parser.add_argument("--length", type=int, default=LONGEST, help="tokens (default %(default)s)")
    given = parser.parse_args()
    for model in given.model or LAYERS:
        for text in given.text or (REPORTED, CHOSEN_ON):
            capture(model, text, length=given.length)
    return 0


if __name__ == "__main__":
    sys.exit(main())
