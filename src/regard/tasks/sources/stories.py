"""Questions about stories and about everyday physics, out of an evaluation package's data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from regard.spec.errors import DataError
from regard.tasks.archive import member
from regard.tasks.event import Listener
from regard.tasks.packages import Package
from regard.tasks.sources.json_rows import write_jsonl
from regard.tasks.sources.source import Source

_DATA = "evals/registry/data"
_QUESTION = re.compile(r"(?P<context>.+[.]) (?P<question>[^.]+[?])")  # the last sentence asks
_CHOICE = re.compile(r"(?P<context>.+?)\s*A: (?P<A>.+?)\s*B: (?P<B>.+?)\s*", re.DOTALL)


def tomi(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """Who moved what, who saw it, and who looks where: the last sentence asks, one word answers.

    `group` is the story, by number: each has several questions.
    """
    stories: dict[str, int] = {}

    def rows() -> Iterator[dict[str, str]]:
        for number, text, answer in _asked(files[0], "theory_of_mind/tomi/test.jsonl"):
            found = _match(_QUESTION, text, number)
            story = stories.setdefault(found["context"], len(stories) + 1)
            yield {**found, "answer": answer, "group": f"story {story}"}

    write_jsonl(target, rows())


def quartz(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """A situation, two ways it may go on, and the right one in words."""

    def rows() -> Iterator[dict[str, str]]:
        for number, text, answer in _asked(files[0], "quartz/samples.jsonl"):
            found = _match(_CHOICE, text, number)
            ways = {name: found[name].rstrip("?") for name in ("A", "B")}
            question = f"{ways['A']} or {ways['B']}?"
            yield {"context": found["context"], "question": question, "answer": ways[answer]}

    write_jsonl(target, rows())


def _asked(file: Path, path: str) -> Iterator[tuple[int, str, str]]:
    """Number, what the user says, and the right answer, of each line of a file of samples."""
    for number, line in enumerate(member(file, f"{_DATA}/{path}").decode("utf-8").splitlines(), start=1):
        sample: dict[str, Any] = json.loads(line)
        said = [one["content"] for one in sample["input"] if one["role"] == "user"]
        yield number, " ".join(said), sample["ideal"]


def _match(pattern: re.Pattern[str], text: str, number: int) -> dict[str, str]:
    found = pattern.fullmatch(text)
    if found is None:
        raise DataError(f"row {number}: {text!r} is not a text with a question as this version knows it")
    return {name: " ".join(part.split()) for name, part in found.groupdict().items()}


_EVALS = Package(
    name="evals",
    version="3.0.1.post1",
    file="evals-3.0.1.post1-py3-none-any.whl",
    sha256="0abcb2051303500784b1641a6e4f6b813ed43ad64f879a37d344a6774eb8eb78",
    size=46_322_659,
)
_TOMI = Source(
    name="tomi",
    about="short made-up stories with a question about where a thing is, was, or is looked for",
    kind="questions",
    holds="5,993 questions",
    packages=(_EVALS,),
    licence="The package: MIT; the stories were made by ToMi (Le et al. 2019), whose own licence is for research.",
    licence_member="evals-3.0.1.post1.dist-info/LICENSE.md",
    home="https://github.com/facebookresearch/ToMi",
    make=tomi,
)
_QUARTZ = Source(
    name="quartz",
    about="everyday physics, biology and economics: which of two ways it goes",
    kind="questions",
    holds="3,860 questions",
    packages=(_EVALS,),
    licence="The package: MIT; the questions are those of QuaRTz (Tafjord et al. 2019), CC BY 4.0.",
    licence_member="evals-3.0.1.post1.dist-info/LICENSE.md",
    home="https://allenai.org/data/quartz",
    make=quartz,
)

SETS = (_TOMI, _QUARTZ)
