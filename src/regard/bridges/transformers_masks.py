"""transformers' masks, taken from their description.

A model asks for its mask by three things: a function of (batch, head, query, key) that the library puts together from a
few closures, a 2-D tensor that tells tokens from padding, and offsets. While a model is to be answered, what comes back
is a mask that says these as a spec, and no query x key tensor is made. A function put together from anything else is
left to the library, and so is whatever does not hold at a few queries.
"""

from __future__ import annotations

import functools
import re
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad

from regard.bridges.transformers_closures import Sizes, spec_of
from regard.engine.seam_cut import in_reach
from regard.engine.seam_described import DescribedMask, Description, rows_of
from regard.engine.seam_forward import VISITOR
from regard.engine.seam_reach import Reaching
from regard.spec.mask import Mask
from regard.spec.membership import Dense
from regard.spec.padding import Padding

_SIZES = re.compile(r"\d+")
_NOT_KNOWN = "a mask function that is not the library's own"


class Notes(Protocol):
    """What is noted of masks: descriptions that held at a few queries, in words, and masks that were laid out in full,
    by what asked for it."""

    held: set[str]
    written: Counter[str]


def answering(own: Callable[..., Any]) -> Callable[..., Any]:
    """The library's look-up of mask functions, which hands out ours where a model of this context is to be answered."""

    @functools.wraps(own)
    def look_up(self: Any, key: str) -> Any:
        function = own(self, key)
        reaching = VISITOR.get()
        if not isinstance(reaching, Reaching) or not reaching.answers:
            return function
        library = sys.modules["transformers.masking_utils"]
        if function not in (library.sdpa_mask, library.eager_mask):
            return function
        return functools.partial(_mask, reaching, function)

    return look_up


def _mask(reaching: Reaching, function: Callable[..., Any], **given: Any) -> Tensor | None:
    """What the library's `function` gives for these arguments, described."""
    others = reaching.inside is None and id(given.get("config")) not in reaching.configs  # another model's mask
    sizes = None if others or torch.compiler.is_compiling() else Sizes.of(given)
    if sizes is None:
        return function(**given)  # type: ignore[no-any-return]
    padding = _padding(given.get("attention_mask"), sizes)
    if _left_out(function, given, sizes):
        return None
    described = _described(reaching, function, given, padding, sizes)
    if described is None:
        reaching.written[_NOT_KNOWN] += 1
        return function(**given)  # type: ignore[no-any-return]
    return described


def described_mask(notes: Notes, function: Callable[..., Any], given: dict[str, Any]) -> Tensor:
    """What the library's `function` gives for these arguments, described where that can be done: never nothing at all,
    so that nobody need guess what is meant by it."""
    given = {**given, "allow_is_causal_skip": False, "allow_is_bidirectional_skip": False}
    sizes = None if torch.compiler.is_compiling() else Sizes.of(given)
    padding = None if sizes is None else _padding(given.get("attention_mask"), sizes)
    described = None if sizes is None else _described(notes, function, given, padding, sizes)
    if described is not None:
        return described
    notes.written[_NOT_KNOWN] += 1
    return function(**given)  # type: ignore[no-any-return]


def _described(
    notes: Notes, function: Callable[..., Any], given: dict[str, Any], padding: Tensor | None, sizes: Sizes
) -> DescribedMask | None:
    found = spec_of(given["mask_function"], sizes)
    if found is None:
        return None
    dtype = torch.bool if function.__name__ == "sdpa_mask" else given.get("dtype", torch.float32)

    def write() -> Tensor:
        with torch._C.DisableTorchFunctionSubclass():
            laid: Tensor = function(**{**given, "allow_is_causal_skip": False, "allow_is_bidirectional_skip": False})
        return laid

    def tell(asked_by: str) -> None:
        notes.written[asked_by] += 1

    mask = _with_padding(found.mask, padding, sizes)
    shape = (sizes.batch, 1, sizes.query_len, sizes.key_len)
    made = DescribedMask.of(Description(mask, sizes.start, write, tell), shape, dtype, sizes.device)
    words = "none" if mask is None else _SIZES.sub("", mask.words())
    if sizes.query_len == 1 and words in notes.held:  # a decoding step is like the one before
        return made
    if not _holds(made, given, padding, sizes):
        return None
    notes.held.add(words)
    return made


def _padding(real: Tensor | None, sizes: Sizes) -> Tensor | None:
    """(batch, key_len) bool, True for tokens that are there; None if all are. `real` is (batch, keys seen so far)."""
    if real is None:
        return None
    whole = _lengthened(real.to(torch.bool), sizes)
    return None if whole is None else whole[:, sizes.key_start : sizes.key_start + sizes.key_len]


def _with_padding(mask: Mask | None, padding: Tensor | None, sizes: Sizes) -> Mask | None:
    """`mask`, and no key that is padding; keys that it leaves out of reach need not be asked."""
    if padding is None:
        return mask
    keys = in_reach(mask, sizes.place)
    if bool(padding[:, keys.start : keys.stop].all()):
        return mask
    if sizes.query_len == 1:  # any form will do
        filled: Mask = Dense(padding[:, None, None])
        return filled if mask is None else mask & filled
    lengths = padding.sum(1)
    counted = torch.arange(sizes.key_len, device=padding.device) < lengths[:, None]
    first = torch.equal(padding, counted)  # tokens first, padding behind them
    filled = Padding(lengths) if first else Dense(padding[:, None, None])
    return filled if mask is None else mask & filled


def _left_out(function: Callable[..., Any], given: dict[str, Any], sizes: Sizes) -> bool:
    """Whether the library would give no mask at all here, and let its attention function know by that. Asked of the
    library's own conditions, where it has them by these names; a mask that could be left out does no harm."""
    if "q_length" not in given:  # other releases ask their conditions otherwise
        return False
    library: Any = sys.modules["transformers.masking_utils"]
    real, local = _lengthened(given.get("attention_mask"), sizes), given.get("local_size")
    if function is library.sdpa_mask and given.get("allow_is_causal_skip", True):
        causal = getattr(library, "_ignore_causal_mask_sdpa", None)
        if causal and causal(real, sizes.query_len, sizes.key_len, sizes.query_offset, sizes.key_start, local):
            return True
    if not given.get("allow_is_bidirectional_skip", False):
        return False
    both = getattr(library, "_ignore_bidirectional_mask_sdpa", None)
    return bool(both and both(real, sizes.key_len, local))


def _lengthened(real: Tensor | None, sizes: Sizes) -> Tensor | None:
    """The 2-D mask, with False for the room that a cache has left."""
    missing = 0 if real is None else sizes.key_start + sizes.key_len - real.shape[1]
    return real if real is None or missing <= 0 else pad(real, (0, missing))


def _holds(mask: DescribedMask, given: dict[str, Any], padding: Tensor | None, sizes: Sizes) -> bool:
    """The description against the library's own function, at the first, the middle and the last query."""
    rows = sorted({0, sizes.query_len // 2, sizes.query_len - 1})
    device = sizes.device
    items = torch.arange(sizes.batch, device=device)[:, None, None, None]
    heads = torch.zeros(1, dtype=torch.long, device=device)[None, :, None, None]
    queries = (torch.tensor(rows, device=device) + sizes.query_offset)[:, None]
    keys = torch.arange(sizes.key_len, device=device) + sizes.key_start
    try:
        allowed = given["mask_function"](items, heads, queries, keys)
    except Exception:  # made for one index at a time, it cannot be asked in this way
        return False
    if padding is not None:
        allowed = allowed & padding[:, None, None]
    shown = rows_of(mask, rows)
    return torch.equal(shown if shown.dtype == torch.bool else shown == 0, allowed.expand(shown.shape))
