"""One model and its text, and what was measured of them: every way at every place, every fact at every depth."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks import record
from benchmarks.captured import LAYERS, REPORTED
from benchmarks.loss_decoding import Decoder, Exact, OnBudget, Prompt
from benchmarks.loss_facts import FACTS, Fact, Planted, asked, place, planted
from benchmarks.loss_ways import FACT_WAYS, QUESTION, Way, chosen, ways
from benchmarks.spending_job import code
from regard.bridges.transformers_folder import ModelFolder
from regard.spec.errors import KernelError
from regard.tasks.sources import cached, command, source


@dataclass(eq=False)
class Kept:
    """What was measured, by key; each row is in the file as soon as it is there."""

    path: Path
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.path.is_file():
            return
        text = self.path.read_text("utf-8")
        if not text.endswith("\n"):
            self._write("\n")  # the last row was cut short
        for line in text.splitlines():
            with suppress(json.JSONDecodeError):
                row = json.loads(line)
                self.rows[row.pop("key")] = row

    def add(self, key: str, row: dict[str, Any]) -> None:
        self.rows[key] = row
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._write(json.dumps({"key": key, **row}) + "\n")

    def _write(self, text: str) -> None:
        with self.path.open("ab", buffering=0) as file:  # at once, for another run may add to it as well
            file.write(text.encode())


@dataclass(frozen=True, eq=False)
class Study:
    """starts: where in the text the places begin, in tokens. front: what the tokenizer puts before a text."""

    name: str
    folder: Path
    decoder: Decoder
    tokenizer: Any
    tokens: list[int]
    front: list[int]
    length: int
    scored: int
    starts: list[int]
    ways: tuple[Way, ...]
    kept: Kept

    @classmethod
    def of(
        cls, name: str, kept: Kept, *, length: int, scored: int, places: int, settings: Path, shares: Sequence[float]
    ) -> Study:
        """settings: the file of `spending`. Raises `SystemExit` for what is not in the cache."""
        folder = cached_place(name)
        opened = ModelFolder.of(folder)
        model, tokenizer = opened.writer(), opened.tokenizer()
        text = (cached_place("austen") / f"{REPORTED}.txt").read_text(encoding="utf-8")
        tokens = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        front = [tokenizer.bos_token_id] if tokenizer("")["input_ids"] == [tokenizer.bos_token_id] else []
        paths, config = tuple(f"model.layers.{layer}.self_attn" for layer in LAYERS[name]), opened.config
        dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        rows = chosen(settings, name, length)
        many = tuple(ways(paths, config.num_key_value_heads, dim, rows, shares=shares))
        room = len(tokens) - length - scored
        starts = [room * (2 * at + 1) // (2 * places) for at in range(places)]
        decoder = Decoder(model, paths)
        return cls(name, folder, decoder, tokenizer, tokens, front, length, scored, starts, many, kept)

    def text(self, start: int) -> Tensor:
        """(1, length + scored + 1): the prompt, what is read after it, and the last token that is told."""
        most = self.length + self.scored + 1 - len(self.front)
        return torch.tensor([[*self.front, *self.tokens[start : start + most]]])

    def loss_key(self, start: int, way: Way) -> str:
        return self._key("loss", self.scored, start, way.key, code(own=way.own), mark("loss_decoding"))

    @property
    def middle(self) -> int:
        """Where the text begins in which facts are planted, in tokens."""
        return (len(self.tokens) - self.length) // 2

    def fact_key(self, depth: int, number: int, way: Way) -> str:
        where = self.middle, depth, FACTS[number]
        return self._key("fact", *where, way.key, code(own=way.own), mark("loss_decoding", "loss_facts"))

    def press_key(self, start: int, press: str, kept: int) -> str:
        return self._key("kvpress", self.scored, start, press, kept, mark("loss_kvpress"))

    def _key(self, *words: object) -> str:
        return ", ".join(map(str, (words[0], self.name, self.length, *words[1:])))


def losses(study: Study) -> None:
    """Every way at every place."""
    for number, start in enumerate(study.starts, 1):
        left = [way for way in study.ways if study.loss_key(start, way) not in study.kept.rows]
        if not left:
            continue
        print(f"  {study.name}, place {number} of {len(study.starts)}: {len(left)} ways", flush=True)
        ids = study.text(start)
        prompt = study.decoder.read(Prompt(), ids[:, : study.length])
        after, targets = ids[:, study.length : -1], ids[0, study.length + 1 :, None]
        exact = [said.log_softmax(-1) for said in study.decoder.decode(prompt, after, Exact())]
        right = listed(-torch.cat(exact).gather(1, targets)[:, 0])
        for way in left:
            row = _lost(study.decoder, prompt, after, targets, exact, way)
            study.kept.add(study.loss_key(start, way), {"exact": right, **row})


def _lost(
    decoder: Decoder, prompt: Prompt, after: Tensor, targets: Tensor, exact: Sequence[Tensor], way: Way
) -> dict[str, Any]:
    """nats and kl of each token, and bytes; or why the way is not to be had."""
    spender, nats, apart = OnBudget(prompt, way.setting, way.share), list[float](), list[float]()
    try:
        for truth, said in zip(exact, decoder.decode(prompt, after, spender), strict=True):
            found = said.log_softmax(-1)
            nats += listed(-found.gather(1, targets[len(nats) : len(nats) + len(found)])[:, 0])
            apart += listed((truth.exp() * (truth - found)).sum(-1))
    except KernelError as error:
        return {"failed": " ".join(str(error).split())}
    print(f"    {way.share:4.0%}  {sum(apart) / len(apart):.5f} apart  {way.title}", flush=True)
    return {"nats": nats, "kl": apart, "read": spender.read, "full": spender.full}


def facts(study: Study, depths: Sequence[int], each: int) -> None:
    """Every way at every depth, for `each` facts."""
    known = [Fact.of(study.tokenizer, *fact) for fact in FACTS]
    base = study.text(study.middle)[0, : study.length].tolist()
    ends = torch.tensor(["\n" in study.tokenizer.decode([token]) for token in base])
    many = fact_ways(study)
    left = [
        pair for pair in asked(depths, each) if any(study.fact_key(*pair, way) not in study.kept.rows for way in many)
    ]
    places = {depth: place(ends, depth) for depth in depths}
    for done, text in enumerate(planted(study.decoder, base, known, places, left), 1):
        number = known.index(text.fact)
        found = sum(_asked(study, text, number, many).values())
        print(f"  {study.name}, {done} of {len(left)}: depth {text.depth + 1}, found in {found} ways", flush=True)


def fact_ways(study: Study) -> list[Way]:
    """The ways in which facts are asked for: a question is one step, in which nothing is asked again."""
    ways = [way for way in study.ways if way.name in FACT_WAYS]
    return [*ways, *(way.named(QUESTION) for way in ways if way.name == "ObservedEarlier")]


def _asked(study: Study, text: Planted, number: int, many: Sequence[Way]) -> dict[str, bool]:
    """Ask for one fact in every way that is not known yet; which of them found it."""
    watched = Exact(watch=len(text.fact.asked))
    exact, told = text.found(study.decoder, watched), dict[str, bool]()
    for way in many:
        key = study.fact_key(text.depth, number, way)
        if key in study.kept.rows:
            continue
        votes = watched.votes if way.name == QUESTION else None
        spender = OnBudget(text.prompt, way.setting, way.share, votes=votes)
        try:
            row = {**text.found(study.decoder, spender), "read": spender.read, "full": spender.full}
        except KernelError as error:
            row = {"failed": " ".join(str(error).split())}
        study.kept.add(key, {"exact": exact, **row})
        told[way.key] = bool(row.get("found"))
    return told


def listed(numbers: Tensor) -> list[float]:
    return [round(float(each), 6) for each in numbers]


def cached_place(name: str) -> Path:
    """A benchmark fetches nothing."""
    found = cached(source(name))
    if found is None:
        raise SystemExit(f"{name} is not in the cache; type: regard data get {name}, or {command(source(name))}")
    return found


@lru_cache(maxsize=4)
def mark(*names: str) -> str:
    """Of benchmark files that figures depend on."""
    return hashlib.sha256(b"".join((record.HERE / f"{name}.py").read_bytes() for name in names)).hexdigest()[:12]
