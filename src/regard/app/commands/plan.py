"""`regard plan`: what a call of `attend` would run, at what cost, and why."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated, Any

import typer

from regard.app.screen import Screen

_DTYPES = ("float64", "float32", "bfloat16", "float16")
_MEMORY = Path("/proc/meminfo")  # Linux's


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(plan)


def plan(
    query: Annotated[str, typer.Option(metavar="B,H,N,D", help="Shape: batch, heads, queries, dim.")],
    key: Annotated[
        str | None, typer.Option(metavar="B,H,M,D", help="Shape: batch, key heads, keys, dim; by default the query's.")
    ] = None,
    value: Annotated[str | None, typer.Option(metavar="B,H,M,E", help="Shape; by default the key's.")] = None,
    mask: Annotated[
        str | None, typer.Option(help='What may be attended to, such as "Causal() & Window(255, 0)". [everything]')
    ] = None,
    score: Annotated[str | None, typer.Option(help='Such as "ScaledDot(softcap=50)". By default ScaledDot().')] = None,
    bias: Annotated[str | None, typer.Option(help='Such as "ALiBi.for_heads(8)".')] = None,
    dtype: Annotated[str, typer.Option(help=f"One of {', '.join(_DTYPES)}.")] = "float32",
    device: Annotated[str, typer.Option(help="Such as cpu or cuda.")] = "cpu",
    dropout: Annotated[float, typer.Option(help="Share of weights dropped in training.")] = 0.0,
    kernel: Annotated[str | None, typer.Option(help="Force a kernel: is it able to?")] = None,
    gradient: Annotated[bool, typer.Option("--gradient", help="Plan for training: gradients are wanted.")] = False,
    measure: Annotated[bool, typer.Option("--measure", help="Run it on random numbers; show measured times.")] = False,
) -> None:
    """What attention would run, at what cost, and why.

    Nothing is run, and no memory is taken, unless you ask to --measure: then the chosen kernel and those that may be as
    fast are run a few times. Predicted times come from: regard calibrate

    \b
    Examples:
      regard plan --query 1,8,4096,64 --key 1,2,4096,64 --mask "Causal() & Window(255, 0)"
      regard plan --query 1,8,1,64 --key 1,8,32768,64 --dtype bfloat16 --measure
    """
    if dtype not in _DTYPES:
        raise typer.BadParameter(f"{dtype!r} is none of {', '.join(_DTYPES)}", param_hint="--dtype")
    from regard.app.expression import bias_from, mask_from, score_from
    from regard.engine.attend import plan as planned
    from regard.spec.score import ScaledDot

    key = query if key is None else key
    shapes = {"--query": query, "--key": key, "--value": key if value is None else value}
    tensors = [_tensor(_shape(text, option), dtype, device) for option, text in shapes.items()]
    asked = functools.partial(
        planned,
        score=ScaledDot() if score is None else score_from(score),
        mask=None if mask is None else mask_from(mask),
        bias=None if bias is None else bias_from(bias),
        dropout=dropout,
        kernel=kernel,
    )
    found = asked(*(tensor.requires_grad_(gradient) for tensor in tensors))
    if measure:
        made = _filled(tensors, found.chosen.cost.extra_bytes)
        found = asked(*(tensor.requires_grad_(gradient) for tensor in made), measure=True)
    Screen().lines(str(found).splitlines())


def _shape(text: str, option: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 4 or not all(part.isascii() and part.isdigit() for part in parts):
        raise typer.BadParameter(f"{text!r} is no shape; expected four whole numbers, 1,8,4096,64", param_hint=option)
    return tuple(int(part) for part in parts)


def _tensor(shape: tuple[int, ...], dtype: str, device: str) -> Any:
    """One element, expanded: it has the shape, and takes no memory."""
    import torch

    try:
        return torch.empty(1, dtype=getattr(torch, dtype), device=device).expand(shape)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise typer.BadParameter(f"{device!r} cannot be used here ({reason})", param_hint="--device") from None


def _filled(tensors: list[Any], extra_bytes: float) -> list[Any]:
    """Random numbers in these shapes, if they and what the chosen kernel needs beside them fit in memory."""
    import torch

    copies = 1 + tensors[0].requires_grad  # a gradient is as large as what it is of
    needed = copies * sum(tensor.numel() * tensor.element_size() for tensor in tensors) + extra_bytes
    free = _free_bytes() if tensors[0].device.type == "cpu" else None
    if free is not None and needed > free:
        raise typer.BadParameter(
            f"{needed / 2**20:,.0f} MiB are needed, {free / 2**20:,.0f} MiB are free; give smaller shapes",
            param_hint="--measure",
        )
    return [torch.randn(tensor.shape, dtype=tensor.dtype, device=tensor.device) for tensor in tensors]


def _free_bytes() -> int | None:
    """Memory that can be had now; None where the system does not say."""
    try:
        lines = _MEMORY.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)
