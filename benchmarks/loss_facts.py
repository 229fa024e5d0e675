"""Facts that are planted in a novel, at many depths, and asked for at its end.

A fact is found where the greedy answer begins with it: every token of the answer is the likeliest, given those before.
The text is read exactly; the question, and the answer, on the budget.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.loss_decoding import STEP, Decoder, Exact, OnBudget, Prompt

DEPTHS = 12
FACTS = (("Highbury", "7421"), ("Hartfield", "3958"), ("Randalls", "6170"), ("Donwell", "2846"))
STATED, ASKED = "\n\nThe secret number of {0} is {1}.\n\n", "\n\nThe secret number of {0} is"
NEAR = 400  # tokens in which a line must end


@dataclass(frozen=True, eq=False)
class Fact:
    """name: of the place. stated, asked, answer: token ids."""

    name: str
    stated: list[int]
    asked: list[int]
    answer: list[int]

    @classmethod
    def of(cls, tokenizer: Any, name: str, number: str) -> Fact:
        """Raises `SystemExit` where question and answer are more than is decoded in one step."""

        def ids(text: str) -> list[int]:
            return list(tokenizer(text, add_special_tokens=False)["input_ids"])

        asked = ids(ASKED.format(name))
        whole = ids(f"{ASKED.format(name)} {number}")
        if whole[: len(asked)] != asked or len(whole) > STEP + 1:
            raise SystemExit(f"{whole}: expected the question's tokens and a few more, {STEP + 1} at most")
        return cls(name, ids(STATED.format(name, number)), asked, whole[len(asked) :])


@dataclass(frozen=True, eq=False)
class Planted:
    """A text with a fact in it. depth: number of the place, `at`: tokens before it."""

    depth: int
    at: int
    fact: Fact
    prompt: Prompt

    def found(self, decoder: Decoder, spender: Exact | OnBudget) -> dict[str, Any]:
        """Whether the fact is found, and what its answer costs in nats a token."""
        fact = self.fact
        ids = torch.tensor([[*fact.asked, *fact.answer[:-1]]])
        said = torch.cat(list(decoder.decode(self.prompt, ids, spender)))[-len(fact.answer) :].log_softmax(-1)
        right = torch.tensor(fact.answer)
        return {
            "found": bool((said.argmax(-1) == right).all()),
            "nats": float(-said.gather(1, right[:, None]).mean()),
        }


def asked(depths: Sequence[int], each: int) -> list[tuple[int, int]]:
    """(depth, number of the fact): `each` facts at every depth, in turn."""
    return [(depth, (depth + number) % len(FACTS)) for depth in depths for number in range(each)]


def planted(
    decoder: Decoder,
    base: Sequence[int],
    facts: Sequence[Fact],
    places: Mapping[int, int],
    wanted: Sequence[tuple[int, int]],
) -> Iterator[Planted]:
    """Texts as long as `base`, one at a time, each with one fact in it; those (depth, fact) that are wanted.

    places: depth -> tokens before it. What comes before a depth is read once for its facts.
    """
    before = Prompt()
    for depth, at in sorted(places.items()):
        some = [number for deep, number in wanted if deep == depth]
        if not some:
            continue
        before = decoder.read(before, torch.tensor([base[before.length : at]]))
        for number in some:
            rest = [*facts[number].stated, *base[at : len(base) - len(facts[number].stated)]]
            yield Planted(depth, at, facts[number], decoder.read(before, torch.tensor([rest])))


def place(ends: Tensor, depth: int) -> int:
    """The first end of a line after the middle of the depth's part of the text. ends: bool (tokens,)"""
    start = (2 * depth + 1) * len(ends) // (2 * DEPTHS)
    found = ends[start : start + NEAR].nonzero()
    if not len(found):
        raise SystemExit(f"no line ends within {NEAR} tokens of {start:,}")
    return start + int(found[0]) + 1
