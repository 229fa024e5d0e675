"""Where a model's attention can be reached: a table of ways in, and `reach`, which opens them all for one model.

A way in is a torch function, one of torch's own layers, or an optional library, whose bridge is loaded by its name
when the library itself has been imported already. Nothing stays open after the block, also not after an exception.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from regard.engine.attend import WATCHER
from regard.engine.seam_forward import VISITOR, wrapped
from regard.engine.seam_multihead import answer_function, read_function, run_layer, run_multihead
from regard.engine.seam_reach import Handler, Reached, Reaching, Way
from regard.engine.seam_sdpa import answer_sdpa, read_sdpa
from regard.spec.errors import SpecError
from regard.spec.value import described

__all__ = ["Reached", "Reaching", "reach"]

FUNCTIONS: dict[Callable[..., Any], Way] = {
    F.scaled_dot_product_attention: Way(
        lambda reaching, args, kwargs: read_sdpa(reaching.masks, args, kwargs), answer_sdpa
    ),
    F.multi_head_attention_forward: Way(read_function, answer_function),
}
MODULES: dict[Callable[..., Any], Any] = {
    nn.MultiheadAttention.forward: run_multihead,
    nn.TransformerEncoderLayer.forward: run_layer,
}
FAST = (nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerEncoder)
LIBRARIES = {"transformers": "regard.bridges.transformers"}  # each bridge has `opened()`, a context manager


@contextmanager
def reach(model: nn.Module, handler: Handler, *, answers: bool = False) -> Iterator[Reaching]:
    """Call `handler(reached)` for every attention call that `model` makes in this thread, in order.

    What the handler returns is what the model gets; `reached.compute()` runs the model's own computation, so that a
    handler which returns that changes nothing, to the last bit. Each call comes once, named by its module's path. Other
    threads, other models, and calls outside of the model's modules are left alone. The yielded `Reaching` knows what
    could not be seen: `unseen`, path -> reason.

    answers: the handler means to give outputs of its own (`reached.give`). Layers then take their slow path, in which
    their attention is a call, and a library whose masks can be described hands out descriptions, not n x n tensors.

    Raises `SpecError` for what is no module, a compiled or scripted model, and a `reach` inside a `reach`.
    """
    names = _names(model)
    if VISITOR.get() is not None:
        raise SpecError(
            "a model is being watched in this thread already, or used: leave that block first, or pass a module that "
            "holds both"
        )
    configs = frozenset(id(module.__dict__["config"]) for module in model.modules() if "config" in module.__dict__)
    reaching = Reaching(names, handler, FUNCTIONS, MODULES, FAST, answers, configs)
    with ExitStack() as stack:
        for bridge in _bridges():
            stack.enter_context(bridge)
        stack.enter_context(wrapped([module for _, module in model.named_modules() if _worth(module, model)]))
        stack.callback(VISITOR.reset, VISITOR.set(reaching))
        stack.callback(WATCHER.reset, WATCHER.set(reaching.attended))
        stack.callback(reaching.masks.forget)
        yield reaching


def _names(model: object) -> dict[int, str]:
    """id of each module -> its path; refuses what runs as something else than its modules' `forward`."""
    if not isinstance(model, nn.Module):
        raise SpecError(f"{described(model)} is no torch.nn.Module: pass the model itself, not a pipeline around it")
    for path, module in model.named_modules():
        where = f"the module {path!r}" if path else "the model"
        undo = _compiled(path, module)
        if undo is not None:
            raise SpecError(
                f"{where} is compiled (torch.compile), and its attention runs inside compiled code, out of reach: "
                f"{undo}"
            )
        if isinstance(module, torch.jit.ScriptModule):
            raise SpecError(f"{where} is a TorchScript module, whose attention is out of reach: pass the eager model")
    return {id(module): path or type(module).__name__ for path, module in model.named_modules()}


def _compiled(path: str, module: nn.Module) -> str | None:
    """How to come by the module as it was before torch.compile; None where it is not compiled. Asked by the marks that
    are left on it, for torch's compiler is slow to import and need not be there."""
    if type(module).__name__ == "OptimizedModule":
        return "pass the model as it was before (`compiled._orig_mod`), and call that one"
    if module._compiled_call_impl is not None:
        return "leave its `.compile()` out, or pass and call `copy.deepcopy(model)`, which is not compiled"
    forward = module.__dict__.get("forward")
    # torch.compiler.disable leaves the first mark too, and is harmless
    if hasattr(forward, "_torchdynamo_orig_callable") and not getattr(forward, "_torchdynamo_disable", False):
        whose = f"model.get_submodule({path!r})" if path else "model"
        return f"its `forward` was replaced by a compiled one; `del {whose}.forward` brings back that of its class"
    return None


def _worth(module: nn.Module, model: nn.Module) -> bool:
    """Whether to tell of a module's calls: torch's own attend only where they are of a kind in the table."""
    return module is model or isinstance(module, FAST) or not type(module).__module__.startswith("torch.nn.modules.")


def _bridges() -> list[AbstractContextManager[Any]]:
    found = [importlib.import_module(bridge) for library, bridge in LIBRARIES.items() if library in sys.modules]
    return [module.opened() for module in found]
