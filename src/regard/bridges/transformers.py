"""transformers: the attention function that a model asks for by name is handed out with a look over its shoulder.

Every model on the library's attention interface asks `AttentionInterface.get_interface(name, default)` for its function
at each call. While a model is being reached, that method gives the same function, wrapped. The name in the model's
configuration stays, and with it the mask function that belongs to it and every special case a model makes of it.
"""

from __future__ import annotations

import functools
import inspect
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from regard.bridges.transformers_calls import Call, read_call
from regard.engine.seam_check import accounts_for
from regard.engine.seam_forward import VISITOR
from regard.engine.seam_reach import Reaching
from regard.spec.request import Request

_LOCK = threading.Lock()
_USERS = 0
_OWN: Callable[..., Any] | None = None


@contextmanager
def opened() -> Iterator[None]:
    """Models of this context, if it is reaching one, get wrapped attention functions; all others get them as ever."""
    interface = getattr(sys.modules.get("transformers.modeling_utils"), "AttentionInterface", None)
    if interface is None or not hasattr(interface, "get_interface"):  # no model was loaded, so there is none to reach
        yield
        return
    _open(interface)
    try:
        yield
    finally:
        _close(interface)


def _open(interface: type) -> None:
    global _USERS, _OWN
    with _LOCK:
        if _USERS == 0:
            _OWN = interface.__dict__["get_interface"]
            interface.get_interface = _answering(_OWN)  # type: ignore[attr-defined]
        _USERS += 1


def _close(interface: type) -> None:
    global _USERS, _OWN
    with _LOCK:
        _USERS -= 1
        if _USERS == 0:
            interface.get_interface, _OWN = _OWN, None  # type: ignore[attr-defined]


def _answering(own: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(own)
    def get_interface(self: Any, attn_implementation: Any, default: Any) -> Any:
        function = own(self, attn_implementation, default)
        reaching = VISITOR.get()
        if not isinstance(reaching, Reaching) or reaching.inside is None:
            return function
        return _watched(reaching, function, attn_implementation or "eager")

    return get_interface


def _watched(reaching: Reaching, function: Callable[..., Any], name: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def attention(*args: Any, **kwargs: Any) -> Any:
        if reaching.inside is None:
            return function(*args, **kwargs)
        given = _signature(function).bind(*args, **kwargs).arguments
        call = Call(function, name, {**given, **given.pop("kwargs", {})})
        return reaching.offer(
            lambda: read_call(reaching.masks, call), lambda: function(*args, **kwargs), explains=_explains
        )

    return attention


def _explains(request: Request, out: Any) -> str | None:
    """`out` is what an attention function gives: (batch, query_len, heads, value_dim), and weights or None."""
    return accounts_for(request, out[0].transpose(1, 2))


@functools.lru_cache(maxsize=64)
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(function)
