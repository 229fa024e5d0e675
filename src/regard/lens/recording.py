"""What a watched model did, call by call, put together into one trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from regard.engine.observation import Wanted
from regard.engine.observe import statistics
from regard.engine.seam_reach import Reached
from regard.lens.choice import Choice
from regard.lens.part import Part, layer_of, part_of, valid_keys
from regard.lens.sides import with_sides
from regard.lens.trace import Layer, Trace
from regard.lens.units import Units
from regard.spec.errors import SpecError
from regard.spec.request import Request


class Recording:
    """The calls seen so far. `trace()` gives them as one trace; `calls` the requests kept with `keep=True`, by layer.

    A layer is a module path; where a module attends several times in one pass, the later ones are `path#2`, `path#3`.
    Decoding steps continue their layer. A pass that starts anew (a second call of the model on other inputs) is another
    run: give it a trace of its own with `trace(run=1)`.
    """

    def __init__(self, model: str, wanted: Wanted, choice: Choice, *, keep: bool = False) -> None:
        self.unseen: dict[str, str] = {}
        self.runs = 0
        self._model, self._wanted, self._choice, self._keep = model, wanted, choice, keep
        self._order: dict[str, int] = {}
        self._parts: dict[str, list[tuple[int, Part]]] = {}  # by layer: (run, part)
        self._kept: dict[str, list[tuple[int, Request]]] = {}
        self._calls: dict[str, int] = {}
        self._doubted: dict[str, str] = {}
        self._turn, self._uses = 0, dict[str, int]()

    @property
    def calls(self) -> dict[str, tuple[Request, ...]]:
        """The kept calls of each layer in the latest run, in order, keys as the cache handed them over. The value of
        each is its key: no figure reads it."""
        latest = self.runs - 1
        return {name: tuple(asked for run, asked in kept if run == latest) for name, kept in self._kept.items()}

    def handle(self, reached: Reached) -> Any:
        """Run the model's own computation, then look. What comes back is what the model computed."""
        name = self._layer(reached)
        place = self._order.setdefault(name, len(self._order))
        out = reached.compute()
        if self._choice.takes(name, place):
            calls = self._calls[name] = self._calls.get(name, 0) + 1
            # held against the output at the 1st, 2nd, 4th, 8th call: a long generation is not asked at every token
            doubt = reached.explains(out) if calls & (calls - 1) == 0 else None
            if doubt is not None:
                self.unseen[name] = self._doubted[name] = doubt
                self._parts.pop(name, None)  # nor is what was recorded before to be trusted
                self._kept.pop(name, None)
            if name not in self._doubted:
                self._add(name, reached)
        return out

    def trace(
        self, units: Sequence[Units] | None = None, *, key_units: Sequence[Units] | None = None, run: int | None = None
    ) -> Trace:
        """What was seen, one layer a module path.

        units: what the queries are, one `Units` a batch item; by default they are numbered. key_units: likewise for
        what cross-attention reads, and for the self-attention of the encoder that made it. run: which of several.

        Raises `SpecError` where nothing ran, no attention was seen, a layer asked for did not run, or `run` is not
        given and there are several; `ShapeError` for units that do not fit.
        """
        chosen = self._chosen_run(run)
        series = {name: [part for at, part in parts if at == chosen] for name, parts in self._parts.items()}
        layers = [layer_of(name, parts) for name, parts in series.items() if parts]
        layers, folded = _of_one_batch(layers)
        return with_sides(
            Trace(
                model=self._model,
                layers=(),
                units=(),
                unseen=tuple(sorted({**self.unseen, **folded}.items())),
                about={
                    package: found for package in ("torch", "transformers", "regard") if (found := _version(package))
                },
            ),
            layers,
            units,
            key_units,
        )

    def _layer(self, reached: Reached) -> str:
        """The layer's name: the module's path, numbered from the second use within one pass."""
        if reached.turn != self._turn:
            self._turn, self._uses = reached.turn, {}
        use = self._uses[reached.name] = self._uses.get(reached.name, 0) + 1
        return reached.name if use == 1 else f"{reached.name}#{use}"

    def _add(self, name: str, reached: Reached) -> None:
        request = replace(reached.request, dropout=0.0)
        parts = self._parts.setdefault(name, [])
        fresh = request.place.query_start <= 0 and reached.kind == "self"
        if self.runs == 0 or (fresh and parts and parts[-1][0] == self.runs - 1):
            self.runs += 1
        run = self.runs - 1
        before = parts[-1][1] if parts and parts[-1][0] == run else None
        part, asked = part_of(
            *(reached.kind, request, valid_keys(request), before),
            look=lambda placed: self._look(name, placed, before is None),
        )
        parts.append((run, part))
        if self._keep:
            kept = replace(asked, key=asked.key.detach().clone(), query=asked.query.detach().clone())
            self._kept.setdefault(name, []).append((run, replace(kept, value=kept.key)))

    def _look(self, name: str, asked: Request, first: bool) -> Any:
        """The figures of one call. A map is of a layer's first call, and of no single query; nor is one sampled."""
        wanted, single = self._wanted, asked.place.query_len == 1
        if single or not first:
            wanted = replace(wanted, bins=None)
        if single:
            wanted = replace(wanted, sample=None)
        try:
            return statistics(asked, wanted)
        except SpecError as error:
            raise type(error)(f"{name}: {error}") from error

    def _chosen_run(self, run: int | None) -> int:
        if self._order:
            self._choice.check(list(self._order))
        if not any(self._parts.values()):
            raise SpecError(_nothing(self._model, self.unseen))
        if run is None and self.runs > 1:
            raise SpecError(
                f"{self._model} ran {self.runs} times while it was watched: pass run=0 to run={self.runs - 1} for one "
                "of them, and Trace.together([...]) to put several together"
            )
        chosen = 0 if run is None else run
        if self.runs and not 0 <= chosen < self.runs:
            raise SpecError(f"run={run}: expected 0 to {self.runs - 1}, one of the {self.runs} recorded")
        return chosen


def _nothing(model: str, unseen: dict[str, str]) -> str:
    if unseen:
        told = "; ".join(f"{path} {reason}" for path, reason in unseen.items())
        return f"no attention of {model} could be seen: {told}"
    return (
        f"no attention was seen in {model}: it has none, or did not run. Call the model itself inside the block, in "
        "the same thread; a model that attends in operations of its own cannot be seen"
    )


def _of_one_batch(layers: list[Layer]) -> tuple[list[Layer], dict[str, str]]:
    """The layers that saw the batch size most layers saw, and why the others are left out."""
    sizes = [layer.batch for layer in layers]
    usual = max(sizes, key=sizes.count, default=0)
    reason = "saw a batch of {}, most layers one of {}: windows or beams folded into the batch cannot be told apart"
    folded = {layer.name: reason.format(layer.batch, usual) for layer in layers if layer.batch != usual}
    return [layer for layer in layers if layer.batch == usual], folded


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
