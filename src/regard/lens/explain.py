"""`explain`: why this answer, in one call, for any model; `ask` makes the question, `weigh` answers it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from regard.lens.evidenced import evidenced
from regard.lens.explanation import Explanation
from regard.lens.faithfulness import QUICK, choose, measure
from regard.lens.methods import METHODS, Asking, Method, method_named
from regard.lens.plain_question import plain_question
from regard.lens.question import Question
from regard.spec.errors import MissingExtraError, RegardError, SpecError
from regard.spec.value import described

__all__ = ["BEST", "ask", "explain", "weigh"]

BEST = "best"
PASSES = 1200  # of the model, for an input, that a method may take to be among those that are chosen from
WORK = 2e13  # multiplications that a method, or a measuring, may take: some minutes on a CPU
MEASURING = 250  # passes that measuring takes, about: a few for each method, share and random order
FALLBACK = ("gradient attention", "rollout", "gradient x input", "occlusion")  # where nothing can be measured

# whose models a bridge asks for: the library, by the module of a model's class -> the module that has `ask`
LIBRARIES = {"transformers": "regard.bridges.transformers_question"}


def explain(
    model: Any,
    inputs: Any = None,
    target: Any = None,
    *,
    method: str = BEST,
    way: str | None = None,
    steps: int | None = None,
    others: Sequence[Any] = (),
    seed: int = 0,
    evidence: bool = True,
    **given: Any,
) -> Explanation:
    """Why `model` gives this answer to these inputs: a weight for each unit of them, and how faithful the weights are.

    model, inputs, target and further keywords: see `ask`. method: one of `METHODS` by name ("rollout", "integrated
    gradients", "occlusion", ...), or "best": those that the model allows and that take a moment are measured on this
    input, and on `others`, and the most faithful one is taken; `how` says why. way: how units are taken away where a
    method or the measuring does ("mask", "delete", ...). steps: of integrated gradients. others: more inputs of the
    same kind. evidence: whether to measure how faithful the explanation is on this input, beside random order (some
    hundred passes of the model; where that would take too long, `how` says so).

        >>> import torch; from torch import nn
        >>> model = nn.Sequential(nn.Embedding(4, 2), nn.Flatten(), nn.Linear(6, 2))  # doctest: +SKIP
        >>> explain(model, torch.tensor([1, 2, 3]), method="occlusion").weights       # doctest: +SKIP

    Raises:
        SpecError: an unknown method or way, a target that is not there, attention that cannot be followed.
        MissingExtraError: the method needs a package that is not installed.
    """
    drawn = {"others": others} if others and not isinstance(model, Question) else {}
    question = ask(model, inputs, target, **drawn, **given)
    asking = Asking(way=way, steps=steps, seed=seed)
    if method == BEST:
        # each of the others about its own answer: the target of one input need not be another's
        more = [one if isinstance(one, Question) else ask(model, one, None, **given) for one in others]
        found = best([question, *more], asking)
    else:
        found = weigh(question, method, asking)
    if not evidence:
        return found
    if _work([question], MEASURING) > WORK:
        return replace(found, how=f"{found.how}; {_unmeasured(question)}")
    return evidenced(question, found, ways=(question.default if way is None else way,), seed=seed)


def ask(model: Any, inputs: Any = None, target: Any = None, **given: Any) -> Question:
    """The question about one input of one model.

    model: a regard run (`regard.train.load_run`), a transformers model (with `tokenizer=` for a text, `processor=` for
    a picture), any torch module (see `regard.lens.plain_question`), or a `Question`, which is given back. inputs: a
    text, a picture, token ids, a row. target: a class, a token, a position, a step to come; by default the model's own
    answer.

    Raises `SpecError` for what is none of these; see each kind of model for more.
    """
    if isinstance(model, Question):
        if inputs is not None or target is not None:
            raise SpecError("explain(question, ...): a Question has its inputs and its target already; leave them out")
        return model
    own: Callable[..., Question] | None = getattr(model, "question", None)
    if callable(own):
        return own(inputs, target, **given)
    if not isinstance(model, nn.Module):
        raise SpecError(f"explain({described(model)}): expected a run, a torch module or a Question")
    library = next((name for name in LIBRARIES if _is_of(model, name)), None)
    if library is not None:
        made: Question = importlib.import_module(LIBRARIES[library]).ask(model, inputs, target, **given)
        return made
    return plain_question(model, inputs, target, **given)


def weigh(question: Question, method: str, asking: Asking | None = None) -> Explanation:
    """The question answered by one method.

    Raises `SpecError` for a method that there is not, or that needs what this model does not give.
    """
    chosen, asking = method_named(method), Asking() if asking is None else asking
    lacking = chosen.missing(question)
    if lacking is not None:
        raise SpecError(lacking)
    found = chosen.weigh(question, asking)
    return Explanation(
        units=question.units,
        weights=found.weights,
        method=chosen.name,
        target=question.target,
        probability=question.probability,
        how="; ".join((found.how, *question.notes)),
    )


def best(questions: Sequence[Question], asking: Asking | None = None) -> Explanation:
    """The first question, answered by the method that is most faithful over all of them: comprehensiveness less
    sufficiency, beside random order. Methods that the model does not allow, that take too many passes, or that fail,
    are left out; `how` names them. Where even the measuring would take too long (a long text, a large model), it is the
    first of `FALLBACK` that the model allows, and `how` says that nothing was measured."""
    asking = Asking() if asking is None else asking
    if _work(questions, MEASURING) > WORK:
        return _unchosen(questions[0], asking)
    found: dict[str, Explanation] = {}
    left: list[str] = []
    rest: list[dict[str, Explanation]] = [{} for _ in questions[1:]]
    for method in METHODS:
        reason = _too_dear(method, questions) or method.missing(questions[0])
        if reason is None:
            reason = _tried(method, questions, asking, found, rest)
        if reason is not None:
            left.append(f"{method.name} ({reason})")
    if not found:
        raise SpecError(f"no method can explain {questions[0].model} here: {'; '.join(left)}")
    tables = [found, *rest]
    measured = [
        measure(
            question,
            {name: one.weights for name, one in table.items()},
            way=asking.way,
            metrics=QUICK,
            seed=asking.seed,
        )
        for question, table in zip(questions, tables, strict=True)
    ]
    chosen = choose(measured)
    told = [f"chosen as {chosen.why}", found[chosen.name].how]
    if left:
        told.append(f"left out: {', '.join(left)}")
    return replace(found[chosen.name], how="; ".join(told))


def _too_dear(method: Method, questions: Sequence[Question]) -> str | None:
    passes = max(method.cost(len(question.units)) for question in questions)
    dear = passes > PASSES or _work(questions, passes) > WORK
    return f"about {passes:,} passes of the model" if dear else None


def _work(questions: Sequence[Question], passes: int) -> float:
    """Multiplications of so many passes over the longest input, about: two a weight and place. 0 where the model is not
    known."""
    found = 0.0
    for question in questions:
        if question.attention is not None:
            weights = sum(part.numel() for part in question.attention.model.parameters())
            found = max(found, 2.0 * weights * len(question.attention.tokens) * passes)
    return found


def _unchosen(question: Question, asking: Asking) -> Explanation:
    """The answer of a method that was not measured."""
    for method in map(method_named, FALLBACK):
        if method.missing(question) is None:
            found = weigh(question, method.name, asking)
            return replace(found, how=f"{found.how}; not chosen by measuring: {_unmeasured(question)}")
    raise SpecError(f"no method can explain {question.model} here")


def _unmeasured(question: Question) -> str:
    return f"how faithful it is was not measured, for {len(question.units):,} units of {question.model} take too long"


def _tried(
    method: Method,
    questions: Sequence[Question],
    asking: Asking,
    found: dict[str, Explanation],
    rest: Sequence[dict[str, Explanation]],
) -> str | None:
    """Answers every question by a method, or says why not."""
    try:
        made = [weigh(question, method.name, asking) for question in questions]
    except MissingExtraError as error:
        return str(error).rpartition("type: ")[2]
    except RegardError as error:
        return str(error).partition(":")[0]
    for table, one in zip((found, *rest), made, strict=True):
        table[method.name] = one
    return None


def _is_of(model: nn.Module, library: str) -> bool:
    """True for a model that is one of the library's, or made of one of its classes."""
    return any(kind.__module__.partition(".")[0] == library for kind in type(model).__mro__)
