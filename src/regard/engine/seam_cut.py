"""Which keys a mask leaves in reach of the queries, and the same mask over those keys alone.

A cache of fixed size holds room for keys to come, and a window has left most keys behind: neither need be read.
"""

from __future__ import annotations

from dataclasses import replace

from regard.spec.bias import ALiBi, Bias, RelativeBias, TensorBias
from regard.spec.mask import Block, Both, Either, Mask, Not
from regard.spec.membership import Dense, Documents
from regard.spec.padding import Padding
from regard.spec.place import Place
from regard.spec.positional import Causal, Dilated, Prefix, Sinks, Window
from regard.spec.request import Request

_BY_DISTANCE = (Causal, Window, Dilated)  # they say the same whichever key comes first
_MOVABLE = (*_BY_DISTANCE, Sinks, Prefix, Padding, Documents, Dense)


def span(mask: Mask | None) -> tuple[float, float]:
    """The least and greatest `key - position` that the mask may allow, infinite where it sets no bound."""
    low, high = -float("inf"), float("inf")
    if isinstance(mask, (Causal, Sinks)):
        high = 0
    elif isinstance(mask, (Window, Dilated)):
        low, high = -mask.before, mask.after
    elif isinstance(mask, (Both, Either)):
        left, right = span(mask.left), span(mask.right)
        if isinstance(mask, Both):
            return max(left[0], right[0]), min(left[1], right[1])
        return min(left[0], right[0]), max(left[1], right[1])
    return low, high


def in_reach(mask: Mask | None, place: Place) -> range:
    """The keys that some query may attend to by the mask's distances; all of them where that would be none."""
    low, high = span(mask)
    last = place.query_start + place.query_len - 1
    first = max(0, place.query_start + low)
    end = min(place.key_len, last + high + 1)
    return range(int(first), int(end)) if first < end and place.query_len else place.cols


def narrowed(mask: Mask | None, keys: range) -> Mask | None:
    """A `movable` mask over the keys `keys` alone, the first of them now being key 0 (so queries move with it)."""
    if mask is None or isinstance(mask, _BY_DISTANCE):
        return mask
    if isinstance(mask, (Both, Either)):
        left, right = narrowed(mask.left, keys), narrowed(mask.right, keys)
        assert left is not None
        assert right is not None
        return type(mask)(left, right)
    if isinstance(mask, Not):
        inner = narrowed(mask.inner, keys)
        assert inner is not None
        return Not(inner)
    return _moved(mask, keys)


def movable(mask: Mask | None) -> bool:
    """Whether `narrowed` knows every part of the mask."""
    if isinstance(mask, (Both, Either)):
        return movable(mask.left) and movable(mask.right)
    if isinstance(mask, Not):
        return movable(mask.inner)
    return mask is None or isinstance(mask, _MOVABLE)


def _moved(mask: Mask, keys: range) -> Mask:
    if isinstance(mask, Sinks):
        return Sinks(max(mask.n - keys.start, 0))
    if isinstance(mask, Prefix):
        return Prefix(max(mask.n - keys.start, 0))
    if isinstance(mask, Padding):
        return Padding((mask.key_lengths - keys.start).clamp(0, len(keys)), mask.query_lengths)
    if isinstance(mask, Documents):
        ids = mask.query_ids if mask.key_ids is None else mask.key_ids
        return Documents(mask.query_ids, ids[..., keys.start : keys.stop])
    assert isinstance(mask, Dense)
    return mask if mask.allowed.shape[-1] == 1 else Dense(mask.allowed[..., keys.start : keys.stop])


def opened(mask: Mask | None, place: Place) -> Mask | None:
    """The mask without the parts that allow everything here."""
    if mask is None or not (place.query_len and place.key_len):
        return mask
    if isinstance(mask, Both):
        left, right = opened(mask.left, place), opened(mask.right, place)
        if left is mask.left and right is mask.right:
            return mask
        return left if right is None else right if left is None else left & right
    return None if mask.block(place.rows, place.cols, place) is Block.ALL else mask


def fitted(mask: Mask | None, place: Place) -> tuple[range, Mask | None]:
    """(the keys to keep, the mask over them): nothing kept that no query reaches, no part that forbids nothing."""
    keys = in_reach(mask, place) if movable(mask) else place.cols
    if len(keys) < place.key_len:
        mask = narrowed(mask, keys)
    return keys, opened(mask, _over(place, keys))


def over(request: Request, keys: range, mask: Mask | None) -> Request:
    """The request with these keys alone, under `mask`, which is over them."""
    if len(keys) == request.place.key_len:
        return request if mask is request.mask else replace(request, mask=mask)
    return replace(
        request,
        key=request.key[:, :, keys.start : keys.stop],
        value=request.value[:, :, keys.start : keys.stop],
        mask=mask,
        biases=tuple(_bias(each, keys) for each in request.biases),
        place=_over(request.place, keys),
    )


def cuts(request: Request) -> bool:
    """Whether its biases can be cut with its keys."""
    return all(isinstance(each, (TensorBias, ALiBi, RelativeBias)) for each in request.biases)


def _bias(bias: Bias, keys: range) -> Bias:
    if isinstance(bias, TensorBias) and bias.values.shape[-1] > 1:
        return TensorBias(bias.values[..., keys.start : keys.stop])
    return bias


def _over(place: Place, keys: range) -> Place:
    return replace(place, key_len=len(keys), query_start=place.query_start - keys.start)
