"""`profile`: run a model on many samples and measure, head by head, where it looks and what budgets do to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from regard.allocate.fingerprint import Fingerprint
from regard.allocate.measuring import Asked
from regard.allocate.profiled import Layer, Profile, finite
from regard.allocate.running import Running
from regard.allocate.sample import Sample
from regard.allocate.weighing import Weighing
from regard.spec.errors import DataError, RunError, SpecError
from regard.spec.policy import Focus, HeavyHitters, ObservedWindow, Policy, WindowSinks

# How Focus may split a head's bytes: between the latest keys, the sketch and the keys read one by one. Plain
# WindowSinks is always among the choices, so that an allocation is never worse than it on its profile.
POLICIES: tuple[Policy, ...] = (
    WindowSinks(),
    Focus(),
    Focus(bits=4, exact=64),
    Focus(bits=4, exact=160),
    Focus(bits=4, exact=48, first=4, latest=0.5),
    Focus(sketch=0.25, grain=128, bits=4, exact=48, first=4),
    Focus(sketch=0.25, grain=32, bits=4, exact=64, first=4),
    Focus(sketch=0.125, grain=128, bits=4, exact=16, first=4),
)
FRACTIONS = (0.02, 0.05, 0.1, 0.2, 0.4)
QUERIES = 32

Listener = Callable[[int, str], None]


def _unheard(done: int, told: str) -> None:
    """For those who do not listen."""


def profile(
    model: nn.Module,
    samples: Iterable[Any],
    *,
    policies: Sequence[Policy] = POLICIES,
    fractions: Sequence[float] = FRACTIONS,
    queries: int = QUERIES,
    path: str | Path | None = None,
    listen: Listener = _unheard,
) -> Profile:
    """Measure a model's heads on `samples`, one after another: dicts of arguments, tensors, or rows of token ids.

    Every sample is read once. `queries` of its queries (of the last 128 of a text that the model decodes, of the second
    half of any other input) are looked at in each layer: where they look (breadth, distance, lse, the shares on the
    first and the latest keys), how far each of `policies` is off at each of `fractions` of the bytes, as if that query
    were decoded, and, by gradients of what the model says, what that costs (`regard.allocate.weighing`). Nothing is
    query x key; a sample takes the memory of reading it, and of a training step on its last 128 tokens (on all of it
    where the model keeps no cache).

    Beside these figures the sums are kept from which sketches of `Focus` learn in which directions keys differ, so that
    an allocation made from the profile brings its bases along, and nothing is learnt at a prompt.

    path: written after each sample; where it holds a profile of the same model and settings, its samples are not
    measured again. listen: called with the number of samples done and what is being done.

    WindowSinks() is measured whether it is named or not. The model should be in evaluation mode.

    Raises:
        SpecError: a model in training mode, no samples, a text of one token, settings out of range, a policy that
            watches earlier queries, or samples that run other layers.
        DataError: the file at `path` is of another model, other settings, or other samples.
        RunError: the figures of a sample are not finite, or the file cannot be written.
    """
    if isinstance(model, nn.Module) and any(part.training for part in model.modules()):
        raise SpecError(f"{type(model).__name__} is in training mode: call model.eval() first")
    _refuse_watching(policies)
    listed = tuple(policies) if WindowSinks() in policies else (WindowSinks(), *policies)
    fresh = Profile(Fingerprint.of(model), listed, tuple(fractions), queries)
    place = None if path is None else Path(path)
    found = fresh if place is None or not place.exists() else _resumed(fresh, place)
    before, number = found.samples, 0
    for number, given in enumerate(samples, 1):
        sample = Sample.of(given)
        if number <= len(before):
            _same(before[number - 1], sample, number, place)
            continue
        listen(number - 1, f"sample {number}")
        found = _measured(model, found, sample, number, listen)
        if place is not None:
            found.save(place)
    if not number:
        raise SpecError("there are no samples: give at least one input of the model")
    listen(number, "done")
    return found


def _refuse_watching(policies: Sequence[Policy]) -> None:
    for policy in policies:
        if isinstance(policy, (HeavyHitters, ObservedWindow)):
            raise SpecError(
                f"{type(policy).__name__} goes by what earlier queries looked at, and a profile looks at a few queries "
                "alone: leave it out, and measure Budget(..., policy=...) by compare"
            )


def _measured(model: nn.Module, found: Profile, sample: Sample, number: int, listen: Listener) -> Profile:
    asked = Asked(found.policies, found.fractions, found.queries, seed=number)
    weighing = Weighing(asked, lambda path: listen(number - 1, f"sample {number}: {path}"))
    unit, figures = weighing.run(model, sample)
    layers = {
        path: Layer({name: Running.of(value) for name, value in each.items()}, weighing.lessons.get(path))
        for path, each in figures.items()
    }
    _check(layers, number)
    return found.further(sample.hash, unit, layers, weighing.kept)


def _check(layers: dict[str, Layer], number: int) -> None:
    broken = [path for path, layer in layers.items() if not finite(layer)]
    if broken:
        raise RunError(
            f"sample {number}: the figures of {broken[0]} are not finite (NaN, or beyond the dtype's range); run the "
            "model in float32, or leave the sample out"
        )


def _resumed(fresh: Profile, path: Path) -> Profile:
    """The profile in the file, if it is one of this model and with these settings."""
    found = Profile.load(path)
    settings = ("policies", "fractions", "queries")
    other = [name for name in settings if getattr(found, name) != getattr(fresh, name)]
    if found.model != fresh.model:
        raise DataError(f"{path} is the profile of another model (a {found.model.kind}); name another file, or move it")
    if other:
        raise DataError(
            f"{path} was made with other {' and '.join(other)}: {getattr(found, other[0])!r}; name another file, or "
            "give the same"
        )
    return found


def _same(known: str, sample: Sample, number: int, path: Path | None) -> None:
    if known != sample.hash:
        raise DataError(
            f"{path}: its sample {number} is not the one given now; give the same samples in the same order, further "
            "ones after them, or name another file"
        )
