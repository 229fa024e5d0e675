"""torch's scaled dot product attention, where it computes exactly what is asked and never falls to n x n arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

from regard.kernels import guard
from regard.spec.mask import Block
from regard.spec.positional import Causal
from regard.spec.request import Request


def run(request: Request) -> tuple[Tensor, None]:
    """(output, None): torch keeps the lse to itself."""
    added = None if triangular(request) else laid_out(request)
    output = _output(request, (request.query, request.key, request.value), added)
    # whatever is not finite among the keys that are computed with shows in the output, for 0 x NaN is NaN
    looked_past = triangular(request) or added is not None
    if looked_past and not guard.finite(output):
        return _guarded(request, added), None
    return _zeroed(output, added), None


def with_lse(request: Request) -> tuple[Tensor, Tensor | None]:
    """`run`'s output, bit for bit, and the lse (batch, heads, query_len) where torch lets it be seen, else None.

    torch's CPU operation returns the lse to its own backward pass. Its name is private: it is asked for only where it
    is spelled as in the torch versions this was tried on, and only where no mask or bias has to be laid out.
    """
    plain = triangular(request) or (open_mask(request) and not request.biases)
    query, key, value = request.query, request.key, request.value
    if FLASH is None or not (plain and _flash_runs(request) and guard.finite(query, key, value)):
        return run(request)[0], None
    query, key, value, scale = _as_taken(request, (query, key, value))
    output, lse = FLASH(query, key, value, 0.0, triangular(request), attn_mask=None, scale=scale)
    return output[..., : request.value.shape[3]], lse


def _flash_runs(request: Request) -> bool:
    """Whether torch would run its own operation here (a caller may have switched it off, or autocast on), as it stands.

    Not for half types: torch's exponentials are rougher there, which shows in the lse's fifth digit, and queries that a
    score prepares are rounded first. Grouped heads: only where the operation is known to take them as they are.
    """
    whole = request.query.dtype in (torch.float32, torch.float64) and (request.groups == 1 or TAKES_GROUPS)
    switched_on = torch.backends.cuda.flash_sdp_enabled()  # type: ignore[no-untyped-call]
    free = switched_on and not torch.is_autocast_enabled("cpu")
    return whole and free and request.query.device.type == "cpu"


def _flash() -> Callable[..., tuple[Tensor, Tensor]] | None:
    """torch's operation, if it is there and takes and returns what is expected."""
    found = getattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu", None)
    if found is None:
        return None
    takes = [argument.name for argument in found.default._schema.arguments]
    gives = [result.name for result in found.default._schema.returns]
    return found if (takes, gives) == (_TAKES, ["output", "logsumexp"]) else None


_TAKES = ["query", "key", "value", "dropout_p", "is_causal", "attn_mask", "scale"]
FLASH = _flash()
TAKES_GROUPS = tuple(int(part) for part in torch.__version__.split(".")[:2]) >= (2, 13)


def _output(request: Request, inputs: tuple[Tensor, Tensor, Tensor], added: Tensor | None) -> Tensor:
    """(batch, heads, query_len, value_dim) from torch; `added` is what `laid_out` gives."""
    query, key, value, scale = _as_taken(request, inputs)
    output = scaled_dot_product_attention(
        query, key, value, added, is_causal=triangular(request), scale=scale, enable_gqa=request.groups > 1
    )
    return output[..., : request.value.shape[3]]


def _zeroed(output: Tensor, added: Tensor | None) -> Tensor:
    """0 in empty rows, whatever torch left there."""
    if added is None:
        return output
    empty = ~_seen(added).any(-1, keepdim=True)  # as small as the mask; most calls have none
    return output.masked_fill(empty, 0.0) if bool(empty.any()) else output


def _as_taken(request: Request, inputs: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor, float]:
    """Query, key, value and scale as torch is to be given them."""
    query, key, scale, _ = request.score.prepare(*inputs[:2])
    value = inputs[2]
    causal = triangular(request)
    if causal and request.place.key_len > request.place.query_len:  # keys beyond the last query are never seen
        key, value = key[:, :, : query.shape[2]], value[:, :, : query.shape[2]]
    if causal:
        query, scale = _above_zero(query, scale)
    return (*one_size(query, key, value), scale)


def _guarded(request: Request, added: Tensor | None) -> Tensor:
    """The output where inputs are not all finite: 0 in their place, then NaN for each query that may attend to one."""
    query, key, value = request.query, request.key, request.value
    output = _zeroed(_output(request, (guard.zeroed(query), guard.zeroed(key), guard.zeroed(value)), added), added)
    spoilt = (guard.broken(key)[..., None] | ~torch.isfinite(value)).to(torch.float32)  # (batch, kv_heads, m, e)
    spoilt = spoilt.repeat_interleave(request.groups, 1)
    if added is None:  # causal from position 0: the first i + 1 keys
        last = torch.arange(query.shape[2], device=query.device).clamp_max(key.shape[2] - 1)
        reached, alive = spoilt.cumsum(2)[:, :, last], torch.ones((), dtype=torch.bool, device=query.device)
    else:
        reached, alive = _seen(added).to(torch.float32) @ spoilt, _seen(added).any(-1, keepdim=True)
    return output.masked_fill((reached > 0) | (guard.broken(query)[..., None] & alive), torch.nan)


def _seen(added: Tensor) -> Tensor:
    """bool: where the laid-out mask and biases let a query attend."""
    return added if added.dtype == torch.bool else added != -torch.inf


def triangular(request: Request) -> bool:
    """True when torch's own `is_causal` (aligned top left) says what the mask says."""
    return isinstance(request.mask, Causal) and request.place.query_start == 0 and not request.biases


def open_mask(request: Request) -> bool:
    """True when the mask forbids nothing here, so that it can be left out."""
    place = request.place
    if request.mask is None or not (place.query_len and place.key_len):
        return True
    return request.mask.block(place.rows, place.cols, place) is Block.ALL


def laid_out(request: Request) -> Tensor | None:
    """Mask and biases as the one 4-D tensor that torch takes: bool, or floats to be added; None if there is neither."""
    place = request.place
    allowed = None if open_mask(request) or request.mask is None else request.mask.tile(place.rows, place.cols, place)
    if not request.biases:
        return None if allowed is None else _four(allowed)
    added = sum((bias.tile(place.rows, place.cols, place) for bias in request.biases), torch.zeros(()))
    # on a CPU torch takes a float32 bias beside half inputs: bfloat16 cannot tell a bias of -256 from one of -257
    wide = request.query.device.type == "cpu"
    added = added.to(torch.promote_types(request.query.dtype, torch.float32) if wide else request.query.dtype)
    return _four(added if allowed is None else torch.where(allowed, added, -torch.inf))


def _four(tensor: Tensor) -> Tensor:
    return tensor[(None,) * (4 - tensor.dim())]


def _above_zero(query: Tensor, scale: float) -> tuple[Tensor, float]:
    """The same scores with a scale above 0: torch multiplies its causal mask's -inf by the scale too, to NaN."""
    if scale < 0:
        query, scale = -query, -scale
    return (query, scale) if scale >= torch.finfo(torch.float32).tiny else (query * scale, 1.0)


def one_size(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """As torch's linear-memory path wants them: one size, so zeros fill up the smaller (they change nothing), and
    neighbours in the last axis side by side in memory."""
    more = value.shape[3] - query.shape[3]
    if more > 0:
        query, key = pad(query, (0, more)), pad(key, (0, more))
    if more < 0:
        value = pad(value, (0, -more))
    first, second, third = (t if t.stride(3) == 1 else t.contiguous() for t in (query, key, value))
    return first, second, third
