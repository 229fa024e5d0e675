"""The planner: read the kernel table, say what each row would cost or why it cannot, choose the cheapest that fits."""

from __future__ import annotations

from dataclasses import dataclass

from regard.kernels.cost import Cost
from regard.kernels.table import SQUARE_LIMIT, TABLE, Row, row
from regard.spec.errors import KernelError
from regard.spec.request import Request

BYTES_PER_S = 1e10  # of main memory, on the machine the table's figures are of


@dataclass(frozen=True)
class Candidate:
    """One row of the table as it stands to a request: its cost, and the reasons why it cannot be used, if any."""

    row: Row
    cost: Cost
    reasons: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """A rough time, good for ordering rows."""
        return self.row.fixed_s + self.cost.flops / self.row.flops_per_s + self.cost.bytes / BYTES_PER_S


@dataclass(frozen=True)
class Plan:
    """What would run, at what cost, and why. `print(plan)` shows it."""

    asked: str
    chosen: Candidate
    forced: bool
    others: tuple[Candidate, ...]

    @property
    def kernel(self) -> str:
        """The chosen kernel's name."""
        return self.chosen.row.name

    def __str__(self) -> str:
        why = f"forced by kernel={self.kernel!r}" if self.forced else "the cheapest that fits"
        cost = self.chosen.cost
        lines = [
            f"asked       {self.asked}",
            f"kernel      {self.kernel}: {self.chosen.row.about}",
            f"why         {why}, about {_time(self.chosen.seconds)} on a 2-core machine (rough; orders the rows)",
            f"operations  {_short(cost.flops)}FLOP",
            f"memory      {_bytes(cost.bytes)} read and written, {_bytes(cost.extra_bytes)} peak extra"
            + (f", of which {_bytes(cost.square_bytes)} query x key arrays" if cost.square_bytes else ""),
        ]
        for other in self.others:
            dearer = other.seconds >= self.chosen.seconds
            fits = f"{'dearer' if dearer else 'cheaper, had none been forced'}: about {_time(other.seconds)}"
            reason = "; ".join(other.reasons) or fits
            lines.append(f"not {other.row.name + ':':<12} {reason}")
        return "\n".join(lines)


def plan(request: Request, kernel: str | None = None) -> Plan:
    """Choose a kernel, or hold the forced one against the request. Raises `KernelError`; never falls back."""
    candidates = [Candidate(each, each.cost(request), reasons(each, request)) for each in TABLE]
    if kernel is not None:
        return _forced(request, kernel, candidates)
    fitting = [c for c in candidates if c.row.automatic and not c.reasons and c.cost.square_bytes <= SQUARE_LIMIT]
    if not fitting:
        told = "\n".join(f"  {c.row.name}: {'; '.join(_all_reasons(c))}" for c in candidates)
        raise KernelError(f"no kernel can do this ({words(request)}):\n{told}")
    chosen = min(fitting, key=lambda c: c.seconds)
    others = tuple(Candidate(c.row, c.cost, _all_reasons(c)) for c in candidates if c is not chosen)
    return Plan(words(request), chosen, False, others)


def reasons(each: Row, request: Request) -> tuple[str, ...]:
    """Why this row cannot do the request, in words; empty if it can."""
    curve = getattr(request.score, "_curve", None)
    learned_bias = any(t.requires_grad for bias in request.biases for t in bias.tensors())
    checks = (
        (type(request.score) in each.scores, f"does not know the score {type(request.score).__name__}"),
        (each.curved or curve is None or curve.straight, "has no softcap or activation inside the scores"),
        (each.sink or request.sink is None, "has no sink logits"),
        (each.dropout or not request.dropout, "has no dropout in linear memory"),
        (each.empty or 0 not in (*request.output_shape, request.place.key_len), "takes no length of 0"),
        (each.gradients or not request.wants_gradient(), "has no gradient"),
        (each.bias_gradients or not (learned_bias and request.wants_gradient()), "has no gradient for a bias"),
        (request.query.dtype in each.dtypes, f"does not take {request.query.dtype}"),
        (request.query.device.type in each.devices, f"does not run on {request.query.device.type}"),
    )
    return tuple(reason for ok, reason in checks if not ok)


def words(request: Request) -> str:
    """The request in a line."""
    q, k, v = (tuple(t.shape) for t in (request.query, request.key, request.value))
    parts = [f"query {q}, key {k}, value {v}", str(request.query.dtype)[6:], repr(request.score)]
    parts += [] if request.mask is None else [f"mask: {request.mask.words()}"]
    parts += [repr(bias) for bias in (*request.biases, request.sink) if bias is not None]
    parts += [f"dropout {request.dropout}"] if request.dropout else []
    parts += ["with gradient"] if request.wants_gradient() else []
    return ", ".join(parts)


def _forced(request: Request, kernel: str, candidates: list[Candidate]) -> Plan:
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
    others = tuple(Candidate(c.row, c.cost, _all_reasons(c)) for c in candidates if c is not chosen)
    return Plan(words(request), chosen, True, others)


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


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
