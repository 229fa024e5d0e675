"""Our explanations and measures against captum, ferret and interpreto, on the same inputs of one model.

    python -m benchmarks.faithfulness_agreement [--runs FOLDER] [--texts 12] [--smoke]

The classifier on MiniLM and endings of held-out reviews, of known words only (ferret decodes the tokens that are left
and tokenises them again, which must give the same tokens). captum: integrated gradients and leave-one-out values.
ferret-xai: comprehensiveness and sufficiency of integrated gradients, tokens masked and left out, and Kendall's tau
with leave-one-out. interpreto: deletion and insertion, tokens masked. The largest difference over all texts is told,
and goes into `faithfulness.json`.

    pip install --no-deps ferret-xai==0.4.2 interpreto==0.5.2

beside what these two load (their own pins exclude today's torch and transformers). A package that is not there is left
out, and the table says so.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks import record
from benchmarks.minilm_classifier import held_out, made
from regard.lens.explain import ask, weigh
from regard.lens.faithfulness import (
    SHARES,
    Comprehensiveness,
    Deletion,
    Insertion,
    LeftOut,
    Metric,
    Sufficiency,
    measure,
)
from regard.lens.faithfulness.orders import counts
from regard.lens.methods import Asking
from regard.lens.question import Question

STEPS = 64
EVERY = 10_000  # steps of a curve: each unit is one
_KNOWN = re.compile(r"[a-z]+|[.,]")


@dataclass(frozen=True, eq=False)
class Text:
    """One text, its question (units are tokens), and what every package needs of it."""

    text: str
    question: Question
    target: int
    encoded: Any
    weights: np.ndarray  # of integrated gradients, ours

    @property
    def ids(self) -> Tensor:
        found: Tensor = self.encoded["input_ids"]
        return found

    def measured(self, metric: Metric, way: str) -> float:
        return measure(self.question, {"it": self.weights}, way=way, metrics=(metric,), draws=1).values["it"][
            metric.name
        ]


def texts(model: Any, tokenizer: Any, count: int) -> list[Text]:
    """Held-out reviews of 8 to 32 tokens, all of them whole words that the tokenizer knows, or stops and commas."""
    found: list[Text] = []
    for text, _ in held_out():
        encoded = tokenizer(text, return_tensors="pt")
        pieces = tokenizer.convert_ids_to_tokens(encoded["input_ids"][0].tolist())[1:-1]
        if 8 <= len(pieces) <= 32 and all(map(_KNOWN.fullmatch, pieces)):
            question = ask(model, text, tokenizer=tokenizer)
            weights = weigh(question, "integrated gradients", Asking(steps=STEPS)).weights.numpy()
            found.append(Text(text, question, model.config.label2id[question.target], encoded, weights))
        if len(found) == count:
            break
    return found


def captum_rows(model: Any, tokenizer: Any, every: list[Text]) -> Iterator[tuple[str, str, list[float]]]:
    """(what, its range, differences)"""
    from captum.attr import FeatureAblation, LayerIntegratedGradients

    apart: dict[str, list[float]] = {"integrated gradients": [], "leave-one-out": []}
    sizes: dict[str, list[float]] = {name: [] for name in apart}
    for one in every:

        def score(ids: Tensor, one: Text = one) -> Tensor:
            mask = torch.ones_like(ids)
            found: Tensor = model(input_ids=ids, attention_mask=mask).logits.log_softmax(-1)[:, one.target]
            return found

        baseline = one.ids.clone()
        baseline[0, 1:-1] = tokenizer.mask_token_id
        theirs = LayerIntegratedGradients(score, model.get_input_embeddings()).attribute(
            one.ids, baselines=baseline, n_steps=STEPS, internal_batch_size=16
        )
        alone = FeatureAblation(score).attribute(one.ids, baselines=baseline)
        left_out = weigh(one.question, "occlusion", Asking(way="mask")).weights.numpy()
        for name, ours, found in (
            ("integrated gradients", one.weights, theirs.detach().sum(-1)[0, 1:-1].numpy()),
            ("leave-one-out", left_out, alone[0, 1:-1].numpy()),
        ):
            apart[name].append(float(np.abs(ours - found).max()))
            sizes[name].append(float(np.abs(found).max()))
    for name, found in apart.items():
        yield name, f"weights up to {max(sizes[name]):.2f}", found


def ferret_rows(model: Any, tokenizer: Any, every: list[Text]) -> Iterator[tuple[str, str, list[float]]]:
    sys.modules.setdefault("thermostat", ModuleType("thermostat"))  # only its own data sets need that package
    sys.modules["thermostat"].__dict__.setdefault("load", None)
    from ferret.evaluators.faithfulness_measures import (
        AOPC_Comprehensiveness_Evaluation,
        AOPC_Sufficiency_Evaluation,
        TauLOO_Evaluation,
    )
    from ferret.explainers.explanation import Explanation

    def theirs(kind: Any, one: Text, **more: Any) -> float:
        scores = np.concatenate(([0.0], one.weights, [0.0]))
        pieces = tokenizer.convert_ids_to_tokens(one.ids[0].tolist())
        explanation = Explanation(one.text, pieces, scores, "integrated gradients", one.target)
        return float(kind(model, tokenizer).compute_evaluation(explanation, target=one.target, **more).score)

    for way, removed in (("mask", False), ("delete", True)):
        for name, kind, metric in (
            ("comprehensiveness", AOPC_Comprehensiveness_Evaluation, Comprehensiveness),
            ("sufficiency", AOPC_Sufficiency_Evaluation, Sufficiency),
        ):
            found = []
            for one in every:
                units = len(one.weights)
                taken = sorted(set(counts(SHARES, units)))  # ferret counts a bin of the same units once
                asked = {"remove_tokens": removed, "based_on": "th", "thresholds": _between(one.weights, taken)}
                ours = one.measured(metric(shares=tuple(count / units for count in taken)), way)
                found.append(abs(ours - theirs(kind, one, removal_args=asked, only_pos=False)))
            yield f"{name}, {way}", "probabilities, 0 to 1", found
    taus = [abs(one.measured(LeftOut(), "delete") - theirs(TauLOO_Evaluation, one)) for one in every]
    yield "left out (Kendall's tau), delete", "-1 to 1", taus


def _between(weights: np.ndarray, taken: list[int]) -> list[float]:
    """For each count a number that so many weights are above."""
    falling = np.sort(weights)[::-1]
    return [float((falling[count - 1] + falling[count]) / 2) for count in taken]


def interpreto_rows(model: Any, tokenizer: Any, every: list[Text]) -> Iterator[tuple[str, str, list[float]]]:
    from interpreto.attributions.base import AttributionOutput, ModelTask
    from interpreto.attributions.metrics import Deletion as TheirDeletion
    from interpreto.attributions.metrics import Insertion as TheirInsertion
    from interpreto.commons.granularity import Granularity

    for name, kind, metric in (
        ("deletion", TheirDeletion, Deletion(steps=EVERY)),
        ("insertion", TheirInsertion, Insertion(steps=EVERY)),
    ):
        judge, found = kind(model, tokenizer, n_perturbations=EVERY), []
        for one in every:
            given = AttributionOutput(
                attributions=torch.from_numpy(one.weights).float()[None],
                elements=list(one.question.units.texts),
                model_inputs_to_explain=one.encoded,
                targets=torch.tensor([one.target]),
                model_task=ModelTask.CLASSIFICATION,
                granularity=Granularity.TOKEN,
            )
            found.append(abs(one.measured(metric, "mask") - judge.evaluate([given])[0]))
        yield f"{name}, mask", "probabilities, 0 to 1", found


PACKAGES: dict[str, Callable[[Any, Any, list[Text]], Iterator[tuple[str, str, list[float]]]]] = {
    "captum": captum_rows,
    "ferret-xai": ferret_rows,
    "interpreto": interpreto_rows,
}


def compared(model: Any, tokenizer: Any, every: list[Text]) -> Iterator[dict[str, Any]]:
    for package, rows in PACKAGES.items():
        try:  # one that is not there is no reason to leave out the next
            version = importlib.metadata.version(package)
            for what, scale, apart in rows(model, tokenizer, every):
                print(f"  {package} {version}: {what}: at most {max(apart):.1e} apart, {len(apart)} texts", flush=True)
                yield {"package": f"{package} {version}", "what": what, "scale": scale, "apart": max(apart),
                       "texts": len(apart)}  # fmt: skip
        except ImportError as error:  # noqa: PERF203
            print(f"  {package}: {error}", flush=True)
            yield {"package": package, "what": "-", "failed": str(error)}


def main() -> int:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    parsed = record.parser(__doc__)
    parsed.add_argument("--runs", type=Path, default=Path("runs"))
    parsed.add_argument("--texts", type=int, default=12)
    given = parsed.parse_args()
    _, folder = record.started(given)
    place = made(given.runs / "minilm-reviews")
    model: Any = AutoModelForSequenceClassification.from_pretrained(place).eval()
    tokenizer: Any = AutoTokenizer.from_pretrained(place)
    rows = list(compared(model, tokenizer, texts(model, tokenizer, 2 if given.smoke else given.texts)))
    path = folder / "faithfulness.json"
    if not path.is_file():
        raise SystemExit(f"{path} is not there: run python -m benchmarks.faithfulness first")
    found = json.loads(path.read_text("utf-8")) | {"agreement": rows}
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
