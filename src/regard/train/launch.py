"""How a run is launched: precision and processes, which are accelerate's to know."""

from __future__ import annotations

import os

from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs

from regard.spec.errors import RunError

PRECISIONS = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}  # regard's word -> accelerate's
_ENVIRONMENT = "ACCELERATE_MIXED_PRECISION"  # what `accelerate launch` sets


def accelerator_for(precision: str | None, *, partly: bool) -> Accelerator:
    """The accelerator of one run. `precision` None: as launched; `partly`: a step may leave some weights unused.

    accelerate keeps the precision of a process's first run for all that follow; another one is made to count.

    Raises:
        RunError: the launch spreads the optimizer's state over processes, so that a checkpoint would hold a part of it.
    """
    wanted = PRECISIONS[precision] if precision is not None else os.environ.get(_ENVIRONMENT, "no")
    if AcceleratorState._shared_state and AcceleratorState().mixed_precision != wanted:
        AcceleratorState._reset_state()
    unused = [DistributedDataParallelKwargs(find_unused_parameters=True)] if partly else None
    accelerator = Accelerator(mixed_precision=wanted, kwargs_handlers=unused)
    kind = str(accelerator.distributed_type).rpartition(".")[2]
    if kind not in ("NO", "MULTI_CPU", "MULTI_GPU", "MULTI_XPU", "MULTI_NPU"):
        raise RunError(
            f"launched as {kind}, expected one process or data parallel ones (DDP); launch it without {kind}"
        )
    return accelerator
