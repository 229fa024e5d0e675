"""How long each kernel takes for what it counts: coefficients fitted to measured times, and where they come from.

The model is linear, so that a person can check it with a pencil:

    seconds = fixed + flop * flops + cell * cells + byte * bytes + step * steps + bias * biased

with the counts of `regard.kernels.cost.Cost` and one set of coefficients for each kernel, dtype and direction (forward;
gradient: forward and backward together). A calibration is of one processor and one number of threads. One ships with
regard, of a 2-core x86 machine with AVX512; `regard calibrate` makes one's own.
"""

from __future__ import annotations

import functools
import os
import platform
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date
from pathlib import Path

import torch

from regard.kernels.cost import Cost
from regard.kernels.row import Row
from regard.spec.errors import DataError
from regard.spec.request import DTYPES, Request

DTYPE_NAMES = {dtype: str(dtype).removeprefix("torch.") for dtype in DTYPES}
DIRECTIONS = ("forward", "gradient")
Kind = tuple[str, str]  # dtype, direction
Key = tuple[str, str, str]  # kernel, dtype, direction

_TABLE_BYTES_PER_S = 1e10  # of main memory, on the machine that the table's own figures are of


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Seconds for each thing counted, none below 0; and how good the fit was on requests held out of it."""

    fixed: float  # a call
    flop: float
    cell: float  # a score computed
    byte: float  # read or written
    step: float  # a separate small computation
    bias: float = 0.0  # a score that a bias is added to
    requests: int = 0  # how many the fit is of; 0 where the rates are no fit
    median_off: float = 1.0  # predicted / measured or its inverse, whichever is above 1: the median
    worst_off: float = 1.0  # and the largest

    def __post_init__(self) -> None:
        for each in fields(self):
            given = getattr(self, each.name)
            least = 1.0 if each.name.endswith("_off") else 0.0
            if isinstance(given, bool) or not isinstance(given, (int, float)) or not least <= given < float("inf"):
                raise DataError(f"{each.name}={given!r}: expected a finite number, at least {least:g}")

    def seconds(self, cost: Cost) -> float:
        """The predicted time of a call that costs this."""
        return (
            self.fixed
            + self.flop * cost.flops
            + self.cell * cost.cells
            + self.byte * cost.bytes
            + self.step * cost.steps
            + self.bias * cost.biased
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Of what, with what and when the times were measured."""

    cpu: str
    cores: int
    threads: int  # that torch computed with
    torch: str
    date: str  # 2026-11-21

    def __post_init__(self) -> None:
        for name, kind in (("cpu", str), ("cores", int), ("threads", int), ("torch", str), ("date", str)):
            if type(getattr(self, name)) is not kind:
                raise DataError(f"machine {name}={getattr(self, name)!r}: expected {kind.__name__}")

    def is_this(self) -> bool:
        """Whether this process computes on such a processor, with as many threads."""
        return (self.cpu, self.threads) == (cpu_name(), torch.get_num_threads())

    def processor(self) -> str:
        """What a calibration is of: "AMD EPYC (AVX512) with 2 threads"."""
        return f"{self.cpu} with {self.threads} thread{'s' if self.threads != 1 else ''}"

    def words(self) -> str:
        """The machine on a line."""
        return f"{self.processor()}, torch {self.torch}, {self.date}"


@dataclass(frozen=True)
class Calibration:
    """A machine and the rates measured on it. `path` is the file it was read from; None: it came with regard.

    `behind` is the calibration whose rates of a kernel, dtype and direction stand in where this one has none.
    """

    machine: Machine
    rates: Mapping[Key, Rates] = field(default_factory=dict)
    path: Path | None = None
    behind: Calibration | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "rates", dict(self.rates))  # of its own; torch.compile cannot trace a mapping proxy

    def seconds(self, row: Row, cost: Cost, kind: Kind | None) -> float:
        """The predicted time of a call of this row's kernel; `kind` is what `kind_of` says of the request."""
        return (self._of(row, kind) or rates_of_table(row)).seconds(cost)

    def knows(self, row: Row, kind: Kind | None) -> bool:
        """Whether the prediction rests on a fit; if not, on the kernel table's own rough constants."""
        return self._of(row, kind) is not None

    def source(self, row: Row, kind: Kind | None) -> str:
        """Where the rates that predict this row's kernel come from, on a line."""
        if self._own(row, kind) is not None:
            return self.words()
        return "the kernel table's rough constants" if self.behind is None else self.behind.source(row, kind)

    def words(self) -> str:
        """Where these rates come from, on a line."""
        whose = "the calibration that ships with regard" if self.path is None else "your calibration"
        return f"{whose} ({self.machine.words()})"

    def _of(self, row: Row, kind: Kind | None) -> Rates | None:
        found = self._own(row, kind)
        return found if found is not None or self.behind is None else self.behind._of(row, kind)

    def _own(self, row: Row, kind: Kind | None) -> Rates | None:
        if kind is None:
            return None
        found = self.rates.get((row.name, *kind))
        if found is None and kind[0] == "float16":  # less is measured of it
            return self.rates.get((row.name, "bfloat16", kind[1]))
        return found


def kind_of(request: Request) -> Kind | None:
    """The request's dtype and direction; None on a device that is not the processor: no calibration is of one."""
    if request.place.device.type != "cpu":
        return None
    return DTYPE_NAMES[request.query.dtype], DIRECTIONS[request.wants_gradient()]


def rates_of_table(row: Row) -> Rates:
    """The kernel table's own constants: for a kernel that is newer than the calibration."""
    key = (row.fixed_s, row.flops_per_s)
    if key not in _ROUGH:  # made and checked once: the planner asks at every call
        fixed, flop = row.fixed_s, 1 / row.flops_per_s
        _ROUGH[key] = Rates(fixed=fixed, flop=flop, cell=0.0, byte=1 / _TABLE_BYTES_PER_S, step=0.0)
    return _ROUGH[key]


_ROUGH: dict[tuple[float, float], Rates] = {}


def current() -> Calibration:
    """The user's own calibration if it is of this machine, else the one that ships with regard. Read once.

    Where the user's own has no rates of a kernel, dtype and direction, those that ship with regard stand in. A file of
    the user's own that cannot be used is told once, as a `UserWarning` that says why and what to do, and the one that
    ships with regard is used: a file in a cache stops no job. In code that torch.compile traces no file can be looked
    at: there it is what was read before, or the kernel table's constants if nothing was.
    """
    if torch.compiler.is_compiling():
        return next(reversed(_READ.values()), _NONE)
    threads = torch.get_num_threads()
    if threads not in _READ:
        _READ[threads] = _read()
    return _READ[threads]


_READ: dict[int, Calibration] = {}  # by the number of threads
_NONE = Calibration(Machine(cpu="no processor", cores=0, threads=0, torch="none", date="never"))


def _read() -> Calibration:
    from regard.engine import calibration_file  # the planner asks for it once: `import regard` need not

    shipped = calibration_file.shipped()
    try:
        found = calibration_file.own()
    except DataError as error:
        if str(error) not in _TOLD:
            _TOLD.add(str(error))
            warnings.warn(f"{error}. Until then the calibration that ships with regard is used", stacklevel=2)
        return shipped
    return shipped if found is None or not found.machine.is_this() else replace(found, behind=shipped)


_TOLD: set[str] = set()  # once, whatever the number of threads and the filters are


def forget() -> None:
    """Let `current` read again: the file has changed."""
    _READ.clear()
    _TOLD.clear()


def this_machine() -> Machine:
    """The machine this process runs on, today."""
    return Machine(
        cpu=cpu_name(),
        cores=os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        torch=str(torch.__version__),
        date=date.today().isoformat(),
    )


@functools.lru_cache(maxsize=1)
def cpu_name() -> str:
    """The processor and the instructions that torch uses of it, such as "AMD EPYC (AVX512)"."""
    name = _linux_name(Path("/proc/cpuinfo")) or platform.processor() or platform.machine() or "unknown processor"
    return f"{name} ({torch.backends.cpu.get_cpu_capability()})"


def _linux_name(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
