"""`Focus` once more, slowly: NumPy, float64, query by query, head by head, key by key, from the words that describe it.

What the kernel and this share is the sketch: its codes, means and basis are read here, and decoded by hand. Everything
that is chosen, read, weighed and counted is found again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from regard.kernels import reference
from regard.kernels.sketch import Sketch
from regard.spec import Budget, Request

Array = npt.NDArray[np.float64]
Seen = npt.NDArray[np.bool_]
Where = tuple[int, int, int]
CLOSE = 1e-5  # two keys whose shares differ by less, relatively, may be chosen in either order


@dataclass
class Found:
    """output (batch, heads, query_len, e), lse (batch, heads, query_len), bytes (batch, kv_heads, query_len).

    doubts: (batch item, key head, query) of which the choice hangs on a rounding error. chosen, again: by the same, the
    keys read one by one, and those of them that are read as they are. largest_score: of keys as they are.
    """

    output: Array
    lse: Array
    bytes: Array
    doubts: list[Where] = field(default_factory=list)
    chosen: dict[Where, list[int]] = field(default_factory=dict)
    again: dict[Where, list[int]] = field(default_factory=dict)
    largest_score: float = 0.0


@dataclass
class Shelf:
    """What there is of one key head of one batch item. Rows of keys and values beyond the sketch are as they are."""

    sketch: Sketch
    key: Array  # (n, d)
    value: Array  # (n, e)
    mean_key: Array  # (blocks, d)
    mean_value: Array  # (blocks, e)
    judged: Array  # (length, d): what the sketch makes of each key
    rounded_key: Array  # (length, d)
    rounded_value: Array  # (length, e)


def focused(request: Request, budget: Budget, sketch: Sketch) -> Found:
    """`sketch` has taken in all whole blocks of the request's keys."""
    batch, heads, length, _ = request.output_shape
    kv_heads, groups = request.key.shape[1], request.groups
    output, lse = np.zeros(request.output_shape), np.zeros((batch, heads, length))
    found = Found(output, lse, np.zeros((batch, kv_heads, length)))
    key, value = reference.array(request.key), reference.array(request.value)
    query = asked_vectors(request)
    for item in range(batch):
        allowed = seen(request, item)
        for kv in range(kv_heads):
            shelf = stocked(sketch, item, kv, key[item, kv], value[item, kv])
            group = slice(kv * groups, (kv + 1) * groups)
            for row in range(length):
                one(found, (item, kv, row), shelf, query[item, group, row], allowed[row], budget)
    found.output, found.lse = with_sink(request, found.output, found.lse)
    return found


def asked_vectors(request: Request) -> Array:
    """(batch, heads, query_len, d): a key's product with it is its score."""
    form = request.score.prepare(request.query.double(), request.key[:, :, :0].double())
    return reference.array(form.query) * form.scale


def seen(request: Request, item: int) -> Seen:
    """(query_len, n)"""
    place = request.place
    if request.mask is None:
        return np.ones((place.query_len, place.key_len), dtype=bool)
    tile = request.mask.tile(place.rows, place.cols, place)
    tile = tile[(None,) * (4 - tile.dim())]
    return np.broadcast_to(tile[min(item, len(tile) - 1), 0].numpy(), (place.query_len, place.key_len))


def stocked(sketch: Sketch, item: int, kv: int, key: Array, value: Array) -> Shelf:
    lane, length, grain = item * sketch.shape[1] + kv, sketch.length, sketch.policy.grain
    dim, size = sketch.shape[2:]
    means = reference.array(sketch.means[lane, : length // grain])
    block = np.arange(length) // grain
    codes = sketch.codes[lane, :, :length].numpy().T.astype(int)  # (length, rank / 2)
    numbers = np.concatenate((codes // 16, codes % 16), 1) - 7.5
    base_key, base_value = means[block, :dim], means[block, dim:]
    # the product of the codes with the query's numbers, q @ basis.query, is a product with q of this:
    judged = base_key + numbers @ reference.array(sketch.basis.query[kv]).T
    if sketch.policy.bits == 16:
        rounded_key, rounded_value = key[:length], value[:length]
    else:
        steps = [reference.array(each[kv, 0]) for each in (sketch.basis.key_step, sketch.basis.value_step)]
        rounded_key = base_key + steps[0] * decoded(sketch, sketch.keys[lane, :length].numpy(), dim)
        rounded_value = base_value + steps[1] * decoded(sketch, sketch.values[lane, :length].numpy(), size)
    return Shelf(sketch, key, value, means[:, :dim], means[:, dim:], judged, rounded_key, rounded_value)


def decoded(sketch: Sketch, stored: npt.NDArray[np.uint8], size: int) -> Array:
    """Rows of bytes as numbers in units of their steps."""
    if sketch.policy.bits == 8:
        return stored.astype(float) - 127.5
    halves = np.concatenate((stored // 16, stored % 16), -1)  # the first half of the numbers lies above
    return np.asarray(halves[..., :size].astype(float) - 7.5)


def prices(sketch: Sketch, tail: int) -> tuple[float, float, float]:
    """(each key that is seen, each query, each key that is read) in bytes."""
    policy, rank, (dim, size) = sketch.policy, sketch.basis.rank, sketch.shape[2:]
    pair = 2 * (dim + size)
    fixed = 2 * rank * dim + tail * pair  # the query's way into the sketch; keys that are not in it yet
    if policy.bits != 16:
        fixed += pair + policy.exact * pair  # the steps; what is read again
    return rank / 2 + pair / policy.grain, fixed, (dim + size) * policy.bits / 8


def one(found: Found, at: Where, shelf: Shelf, query: Array, allowed: Seen, budget: Budget) -> None:
    """Puts into `found` what one query (groups, d) of the heads that share a key head comes to."""
    length, (item, kv, row), groups = shelf.sketch.length, at, len(query)
    each, fixed, read = prices(shelf.sketch, len(shelf.key) - length)
    count = int(allowed.sum())
    left = budget.bytes(count, shelf.key.shape[1], shelf.value.shape[1]) - fixed - each * count
    most = min(count, math.floor(left / read))
    found.bytes[item, kv, row] = fixed + each * count + read * most
    chosen, sure = choice(shelf, query, allowed[:length], most)
    again, sure_again = read_again(shelf, query, chosen)
    found.chosen[at], found.again[at] = chosen, again
    found.doubts += [] if sure and sure_again else [at]
    for head in range(groups):
        made = weighed(shelf, query[head], allowed, chosen, again)
        found.output[item, kv * groups + head, row], found.lse[item, kv * groups + head, row] = made
    scores = query @ shelf.key[allowed].T
    found.largest_score = max(found.largest_score, float(np.abs(scores).max(initial=0.0)))


def choice(shelf: Shelf, query: Array, allowed: Seen, most: int) -> tuple[list[int], bool]:
    """The keys to read one by one, and whether that is beyond doubt."""
    policy = shelf.sketch.policy
    keys = [key for key in range(len(allowed)) if allowed[key]]
    partly = [key for key in keys if not allowed[block_of(shelf, key)].all()]
    wanted: list[int] = []
    late = min(math.floor(most * policy.latest), most - policy.first)
    for group in (partly, keys[: policy.first], keys[len(keys) - late :] if late > 0 else []):
        wanted += [key for key in group if key not in wanted]
    if len(wanted) > most:
        return wanted[:most], False
    shares = sum(softmax(shelf.judged[keys] @ each) for each in query) if keys else np.zeros(0)
    rest = sorted(((share, key) for share, key in zip(shares, keys, strict=True) if key not in wanted), reverse=True)
    count = most - len(wanted)
    sure = count >= len(rest) or count == 0 or rest[count - 1][0] > rest[count][0] * (1 + CLOSE)
    return wanted + [key for _, key in rest[:count]], sure


def read_again(shelf: Shelf, query: Array, chosen: list[int]) -> tuple[list[int], bool]:
    """Which of the keys that were read rounded are read as they are: the first, then those with the largest share."""
    policy = shelf.sketch.policy
    if policy.bits == 16:
        return chosen, True
    shares = sum(softmax(shelf.rounded_key[chosen] @ each) for each in query) if chosen else np.zeros(0)
    order = sorted(((key < policy.first, share, key) for share, key in zip(shares, chosen, strict=True)), reverse=True)
    count = min(policy.exact, len(order))
    sure = count in (0, len(order)) or order[count - 1][:2] > (order[count][0], order[count][1] * (1 + CLOSE))
    if 0 < count < len(order) and order[count][0]:
        sure = False  # more first keys than may be read again
    return [key for _, _, key in order[:count]], sure


def weighed(shelf: Shelf, query: Array, allowed: Seen, chosen: list[int], again: list[int]) -> tuple[Array, float]:
    """(output (e), lse) of one head: a softmax over single keys and over the rests of blocks."""
    length, grain = shelf.sketch.length, shelf.sketch.policy.grain
    scores: list[float] = []
    values: list[Array] = []
    for key in range(len(allowed)):
        if allowed[key] and (key >= length or key in again):
            scores.append(float(query @ shelf.key[key]))
            values.append(shelf.value[key])
        elif allowed[key] and key in chosen:
            scores.append(float(query @ shelf.rounded_key[key]))
            values.append(shelf.rounded_value[key])
        elif allowed[key] and allowed[block_of(shelf, key)].all():
            scores.append(float(query @ shelf.judged[key]))
            read = [other for other in chosen if other // grain == key // grain]
            total = grain * shelf.mean_value[key // grain] - shelf.rounded_value[read].sum(0)
            values.append(total / (grain - len(read)))
    if not scores:
        return np.zeros(shelf.value.shape[1]), -math.inf
    top = max(scores)
    parts = np.exp(np.array(scores) - top)
    return np.asarray(parts @ np.stack(values) / parts.sum()), top + math.log(parts.sum())


def block_of(shelf: Shelf, key: int) -> slice:
    grain = shelf.sketch.policy.grain
    return slice(key // grain * grain, key // grain * grain + grain)


def softmax(scores: Array) -> Array:
    parts = np.exp(scores - scores.max())
    return np.asarray(parts / parts.sum())


def with_sink(request: Request, output: Array, lse: Array) -> tuple[Array, Array]:
    """One more logit in every sum, which has no value."""
    if request.sink is None:
        return output, lse
    raised = np.logaddexp(lse, reference.array(request.sink.per_head)[:, None])
    return output * np.exp(lse - raised)[..., None], raised
