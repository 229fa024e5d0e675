"""The planner: read the kernel table, say what each row would cost or why it cannot, choose the cheapest that fits."""

from __future__ import annotations

from dataclasses import dataclass, replace

from regard.engine.calibration import Calibration, Kind, current, kind_of
from regard.kernels.cost import Cost
from regard.kernels.row import Row
from regard.kernels.table import SQUARE_LIMIT, TABLE, row
from regard.spec.drawn import is_drawn
from regard.spec.errors import KernelError
from regard.spec.request import Request

CLOSE = 4.0  # `measure` also runs the kernels that are predicted to take at most this many times the chosen one's time
ROUNDS, ROUNDS_S = 7, 3.0  # of measuring: at most so many, and none is begun after so many seconds


@dataclass(frozen=True)
class Candidate:
    """One row of the table as it stands to a request: its cost, and the reasons why it cannot be used, if any."""

    row: Row
    cost: Cost
    reasons: tuple[str, ...]
    seconds: float  # predicted
    measured: float | None = None  # seconds; None where it was not run


@dataclass(frozen=True)
class Plan:
    """What would run, at what cost, and why. `print(plan)` shows it."""

    asked: str
    chosen: Candidate
    forced: bool
    others: tuple[Candidate, ...]
    calibration: Calibration
    kind: Kind | None  # dtype and direction; None on a device that no calibration is of

    @property
    def kernel(self) -> str:
        """The chosen kernel's name."""
        return self.chosen.row.name

    @property
    def calibrated(self) -> bool:
        """Whether the chosen kernel's time was predicted from `calibration`, not from the kernel table's constants."""
        return self.calibration.knows(self.chosen.row, self.kind)

    def __str__(self) -> str:
        why = f"forced by kernel={self.kernel!r}" if self.forced else "the cheapest that fits"
        cost = self.chosen.cost
        lines = [
            f"asked       {self.asked}",
            f"kernel      {self.kernel}: {self.chosen.row.about}",
            f"why         {why}, about {_timed(self.chosen)}",
            f"times by    {self.calibration.source(self.chosen.row, self.kind)}",
            f"operations  {_short(cost.flops)}FLOP",
            f"memory      {_bytes(cost.bytes)} read and written, {_bytes(cost.extra_bytes)} peak extra"
            + (f", of which {_bytes(cost.square_bytes)} query x key arrays" if cost.square_bytes else ""),
        ]
        for other in self.others:
            dearer = other.seconds >= self.chosen.seconds
            fits = f"{'dearer' if dearer else 'cheaper, had none been forced'}: about {_timed(other)}"
            reason = "; ".join(other.reasons) or fits
            lines.append(f"not {other.row.name + ':':<12} {reason}")
        return "\n".join(lines)


def plan(request: Request, kernel: str | None = None, *, measure: bool = False) -> Plan:
    """Choose a kernel, or hold the forced one against the request. Raises `KernelError`; never falls back.

    Nothing is run, unless `measure`: then the chosen kernel, the next cheapest that fits, and every other that fits and
    is predicted to take at most `CLOSE` times the chosen one's time, run a few times in turns.
    """
    calibration, kind = current(), kind_of(request)
    candidates = []
    for each in TABLE:
        cost = each.cost(request)
        seconds = calibration.seconds(each, cost, kind)
        candidates.append(Candidate(each, cost, reasons(each, request), seconds))
    chosen = _cheapest(request, candidates) if kernel is None else _forced(request, kernel, candidates)
    others = tuple(replace(c, reasons=_all_reasons(c)) for c in candidates if c is not chosen)
    if measure:
        chosen, others = _measured(request, chosen, others)
    return Plan(words(request), chosen, kernel is not None, others, calibration, kind)


def choose(request: Request, kernel: str | None = None) -> Row:
    """The row that `plan` chooses, sooner: only what fits is costed, and nothing is put into words."""
    if is_drawn():
        return _drawn(request, kernel)
    if kernel is not None:
        return plan(request, kernel).chosen.row
    calibration, kind = current(), kind_of(request)
    found, least = None, float("inf")
    for each in TABLE:
        if each.automatic and not reasons(each, request):
            cost = each.cost(request)
            seconds = calibration.seconds(each, cost, kind)
            if seconds < least and cost.square_bytes <= SQUARE_LIMIT:
                found, least = each, seconds
    return plan(request).chosen.row if found is None else found  # where none fits, the plan's error says why


def reasons(each: Row, request: Request) -> tuple[str, ...]:
    """Why this row cannot do the request, in words; empty if it can."""
    curve = getattr(request.score, "_curve", None)
    learned_bias = any(t.requires_grad for bias in request.biases for t in bias.tensors())
    checks = (
        (each.draws == is_drawn(), "only draws graphs" if each.draws else "cannot be drawn as a graph"),
        (type(request.score) in each.scores, f"does not know the score {type(request.score).__name__}"),
        (each.curved or curve is None or curve.straight, "has no softcap or activation inside the scores"),
        (each.sink or request.sink is None, "has no sink logits"),
        (each.dropout or not request.dropout, "has no dropout in linear memory"),
        (each.empty or 0 not in (*request.output_shape, request.place.key_len), "takes no length of 0"),
        (each.gradients or not request.wants_gradient(), "has no gradient"),
        (each.bias_gradients or not (learned_bias and request.wants_gradient()), "has no gradient for a bias"),
        (request.budget is None or type(request.budget.policy) in each.policies, _unspent(request)),
        (request.query.dtype in each.dtypes, f"does not take {request.query.dtype}"),
        (request.query.device.type in each.devices, f"does not run on {request.query.device.type}"),
    )
    found = [reason for ok, reason in checks if not ok]
    unfit = None if found else each.fits(request)
    return tuple(found) if unfit is None else (unfit,)


def _drawn(request: Request, kernel: str | None) -> Row:
    """The row whose operations are drawn. No cost is looked at: it would be one of sizes that are symbols."""
    found = [each for each in TABLE if each.draws and kernel in (None, each.name)]
    refused = {each.name: reasons(each, request) for each in found}
    fitting = [each for each in found if not refused[each.name]]
    if not fitting:
        told = "; ".join(f"{name}: it {', '.join(why)}" for name, why in refused.items())
        told = told or f"kernel={kernel!r} is none of those that can be"
        raise KernelError(f"no kernel can be drawn as a graph for this ({told}): leave kernel=None")
    return fitting[0]


def _unspent(request: Request) -> str:
    return "" if request.budget is None else f"does not spend by {type(request.budget.policy).__name__}"


def words(request: Request) -> str:
    """The request in a line."""
    q, k, v = (tuple(t.shape) for t in (request.query, request.key, request.value))
    parts = [f"query {q}, key {k}, value {v}", str(request.query.dtype)[6:], repr(request.score)]
    parts += [] if request.mask is None else [f"mask: {request.mask.words()}"]
    parts += [repr(bias) for bias in (*request.biases, request.sink) if bias is not None]
    parts += [f"dropout {request.dropout}"] if request.dropout else []
    parts += [repr(request.budget)] if request.budget is not None else []
    parts += ["with gradient"] if request.wants_gradient() else []
    return ", ".join(parts)


def _cheapest(request: Request, candidates: list[Candidate]) -> Candidate:
    fitting = [c for c in candidates if not _all_reasons(c)]
    if not fitting:
        told = [f"  {c.row.name}: {'; '.join(_all_reasons(c))}" for c in candidates if _spends(c, request)]
        told += [] if request.budget is None else _without(request, candidates)
        raise KernelError("\n".join([f"no kernel can do this ({words(request)}):", *told]))
    return min(fitting, key=lambda c: c.seconds)


def _spends(candidate: Candidate, request: Request) -> bool:
    return request.budget is None or type(request.budget.policy) in candidate.row.policies


def _without(request: Request, candidates: list[Candidate]) -> list[str]:
    """The rows that have no such policy, in one line, and what to do about a budget that none can keep."""
    others = ", ".join(c.row.name for c in candidates if not _spends(c, request))
    ways = ["call it under torch.no_grad()"] if request.wants_gradient() else []
    ways += ["leave dropout= out"] if request.dropout else []
    todo = ", or ".join([" and ".join(ways), "give no budget"] if ways else ["give no budget"])
    return [*([f"  {others} do {_unspent(request).removeprefix('does ')}"] if others else []), f"  {todo}"]


def _forced(request: Request, kernel: str, candidates: list[Candidate]) -> Candidate:
    if row(kernel) is None:
        raise KernelError(
            f"kernel={kernel!r}: expected one of {', '.join(each.name for each in TABLE)}, or None to choose"
        )
    chosen = next(c for c in candidates if c.row.name == kernel)
    if chosen.reasons:
        raise KernelError(
            f"kernel={kernel!r} cannot do this ({words(request)}): it {'; it '.join(chosen.reasons)}. "
            "Leave kernel=None to let the planner choose"
        )
    return chosen


def _measured(
    request: Request, chosen: Candidate, others: tuple[Candidate, ...]
) -> tuple[Candidate, tuple[Candidate, ...]]:
    """The candidates again, with the times of those that `plan` says are run."""
    from regard.engine.calibration_clock import call_of, in_turns

    fitting = sorted((c for c in others if not c.reasons), key=lambda c: c.seconds)
    run = [chosen, *fitting[:1], *(c for c in fitting[1:] if c.seconds <= CLOSE * chosen.seconds)]
    calls = [call_of(c.row, request) for c in run]
    taken = in_turns(calls, request.place.device, rounds=ROUNDS, seconds=ROUNDS_S)
    found = {c.row.name: replace(c, measured=each) for c, each in zip(run, taken, strict=True)}
    return found[chosen.row.name], tuple(found.get(c.row.name, c) for c in others)


def _all_reasons(candidate: Candidate) -> tuple[str, ...]:
    found = candidate.reasons
    if candidate.cost.square_bytes > SQUARE_LIMIT:
        size, limit = _bytes(candidate.cost.square_bytes), _bytes(SQUARE_LIMIT)
        found = (
            *found,
            f"needs {size} of query x key arrays, over the limit of {limit} (force it to run it all the same)",
        )
    return found if candidate.row.automatic else (*found, "only when asked for")


def _short(number: float) -> str:
    for unit in ("", "k", "M", "G", "T"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} P"


def _bytes(number: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.4g} {unit}"
        number /= 1024
    return f"{number:.4g} TiB"


def _timed(candidate: Candidate) -> str:
    """The predicted time and, beside it, the measured one."""
    told = _time(candidate.seconds)
    return told if candidate.measured is None else f"{told}, measured {_time(candidate.measured)}"


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
