"""Which runs of keys each run of queries needs: what a mask leaves of the square, found once and kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from torch import Tensor

from regard.spec.mask import Block, Both, Mask
from regard.spec.padding import Padding
from regard.spec.place import Place
from regard.spec.request import Request

GRAIN = 64  # keys: a block that is mixed is not halved below this
COARSE = 512  # the same for a large tensor, of which every answer is read anew
RUNG = 32  # queries: strips are of a multiple of it, but the last before the mask's structure changes
_PROBES = 8

Span = tuple[range, Block]


@dataclass(frozen=True, slots=True)
class Strip:
    """A run of queries and the runs of keys it needs, left to right: of each all (ALL) or some (MIXED) entries."""

    rows: range
    spans: tuple[Span, ...]

    @property
    def keys(self) -> int:
        """How many keys the spans hold."""
        return _keys(self.spans)

    def runs(self, width: int) -> list[Span]:
        """The spans in runs of about `width` keys, neighbours put together: mixed where any part of one is."""
        found: list[Span] = []
        for whole, parts in touching(self.spans):
            runs = cut(whole, max(1, round(len(whole) / width)), GRAIN)
            found += [(run, _answer(parts, run.start, run.stop)) for run in runs]
        return found


def spans(mask: Mask | None, rows: range, keys: range, place: Place) -> tuple[Span, ...]:
    """The runs of `keys` that hold anything for the queries `rows`; neighbours of one answer are one run."""
    if mask is None:
        return ((keys, Block.ALL),) if keys else ()
    hull = mask.hull(rows, place)
    start, stop = max(hull.start, keys.start), min(hull.stop, keys.stop)
    found: list[Span] = []
    for cols, answer in _halved(mask, rows, range(start, stop), place) if rows and start < stop else ():
        if found and found[-1][1] is answer and found[-1][0].stop == cols.start:
            found[-1] = (range(found[-1][0].start, cols.stop), answer)
        else:
            found.append((cols, answer))
    return tuple(found)


def touching(spans: tuple[Span, ...]) -> list[tuple[range, list[Span]]]:
    """The spans by runs of keys without a gap."""
    found: list[tuple[range, list[Span]]] = []
    for cols, answer in spans:
        if found and found[-1][0].stop == cols.start:
            found[-1] = (range(found[-1][0].start, cols.stop), [*found[-1][1], (cols, answer)])
        else:
            found.append((cols, [(cols, answer)]))
    return found


def cut(whole: range, count: int, step: int) -> list[range]:
    """`whole` in at most `count` runs of one length, a multiple of `step`; the last is what is left."""
    length = _length(len(whole), count, step)
    return [range(first, min(first + length, whole.stop)) for first in range(whole.start, whole.stop, length)]


def _length(total: int, count: int, step: int) -> int:
    return max(1, total if count <= 1 else -(-total // (count * step)) * step)


def _answer(parts: list[Span], first: int, last: int) -> Block:
    held = [answer for cols, answer in parts if cols.start < last and cols.stop > first]
    return Block.ALL if all(answer is Block.ALL for answer in held) else Block.MIXED


def _keys(spans: tuple[Span, ...]) -> int:
    return sum(len(cols) for cols, _ in spans)


def _halved(mask: Mask, rows: range, cols: range, place: Place) -> Iterator[Span]:
    """Blocks of `cols` that are all or mixed; a mixed one is cut in two until it is narrow."""
    answer = mask.block(rows, cols, place)
    if answer is Block.NONE:
        return
    grain = GRAIN if mask.lasting else COARSE
    if answer is Block.ALL or len(cols) <= grain:
        yield cols, answer
        return
    # cut at a multiple of the grain from the hull's start, so that alike strips are cut alike
    middle = cols.start + max(grain, (len(cols) // 2 + grain // 2) // grain * grain)
    yield from _halved(mask, rows, range(cols.start, middle), place)
    if middle < cols.stop:
        yield from _halved(mask, rows, range(middle, cols.stop), place)


def strips(request: Request, height: int) -> tuple[Strip, ...]:
    """All queries of a request in strips of at most `height`, rounded up to a multiple of RUNG, top to bottom."""
    kept = request.mask is None or request.mask.lasting
    return (_kept if kept else _strips)(request.mask, request.place, max(1, height))


def _strips(mask: Mask | None, place: Place, height: int) -> tuple[Strip, ...]:
    marks = () if mask is None else mask.cuts(place)
    return tuple(Strip(rows, spans(mask, rows, place.cols, place)) for rows in _rows(marks, place, height))


_kept = lru_cache(maxsize=256)(_strips)


def reach(request: Request) -> int:
    """About how many keys a query sees, where it sees most; all of them where that is not known cheaply."""
    if request.mask is None or not request.mask.lasting:
        return request.place.key_len
    return _reach(request.mask, request.place)


@lru_cache(maxsize=256)
def _reach(mask: Mask, place: Place) -> int:
    single = (spans(mask, range(row, row + 1), place.cols, place) for row in _probed(place))
    return max((_keys(found) for found in single), default=0)


def _probed(place: Place) -> list[int]:
    return [place.query_len * step // _PROBES for step in range(_PROBES)] if place.query_len else []


def _rows(cuts: Iterable[int], place: Place, height: int) -> list[range]:
    """Runs of at most `height` queries. At `cuts`, where the mask's structure changes, a run ends, unless it is a short
    one."""
    marks = [cut for cut in cuts if 0 < cut < place.query_len]
    found: list[range] = []
    start = 0
    for stop in (*marks, place.query_len):
        if stop - start < min(height, GRAIN) and stop < place.query_len:
            continue  # a short document stays together with the next
        found += cut(range(start, stop), max(1, -(-(stop - start) // height)), RUNG)
        start = stop
    return found


def items(request: Request) -> list[Request]:
    """One request a batch item, over views, where the mask tells the items apart; else the request itself."""
    mask, place = request.mask, request.place
    if mask is None or not _apart(request):
        return [request]
    found = []
    for item in range(place.batch):
        one = slice(item, item + 1)
        found.append(
            replace(
                request,
                query=request.query[one],
                key=request.key[one],
                value=request.value[one],
                mask=mask.item(item),
                place=replace(place, batch=1),
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class Work:
    """How much of the square is left, over all batch items and heads."""

    cells: float  # scores in the spans
    strips: int  # over all items that are computed apart
    tiles: int  # runs of `width` keys, over all strips and all lanes (batch items x key heads)


def work(request: Request, height: int, width: int) -> Work:
    """What `strips` of `height` leaves to compute. A large tensor is not looked into: it counts as leaving all."""
    mask = request.mask if request.mask is None or request.mask.lasting else None
    return _work(mask, request.place, request.groups, _apart(request), height, width)


@lru_cache(maxsize=256)
def _work(mask: Mask | None, place: Place, groups: int, apart: bool, height: int, width: int) -> Work:
    parted = _parted(mask) if apart else None
    if parted is not None:
        left = _of_lengths(*parted, replace(place, batch=1), max(1, height), width)
        return Work(place.heads * left.cells, left.strips, left.tiles * place.heads // max(1, groups))
    masks = [mask.item(item) for item in range(place.batch)] if apart and mask is not None else [mask]
    own = replace(place, batch=place.batch // len(masks)) if masks else place
    lanes, cells, count, runs = own.batch * own.heads, 0.0, 0, 0
    for each in masks:
        for strip in _kept(each, own, max(1, height)):
            cells += float(lanes * len(strip.rows) * strip.keys)
            runs += sum(_runs(len(whole), width) for whole, _ in touching(strip.spans))
            count += 1
    return Work(cells, count, runs * lanes // max(1, groups))


Lengths = tuple[int, int]  # real keys and queries


def _parted(mask: Mask | None) -> tuple[Mask | None, list[Lengths]] | None:
    """What all items of a batch share, and each item's lengths; None where there is more to the mask than that."""
    if isinstance(mask, Padding):
        return None, mask.lengths()
    for own, other in ((mask.left, mask.right), (mask.right, mask.left)) if isinstance(mask, Both) else ():
        found = _parted(own) if other.solid and other.extent() == (1, 1) else None
        if found is not None:
            return (other if found[0] is None else other & found[0]), found[1]
    return None


def _of_lengths(shared: Mask | None, lengths: list[Lengths], place: Place, height: int, width: int) -> Work:
    """What is left over the items in a single head, without a mask for each of them: of a solid mask and of padding
    the keys that a strip needs are one run, from the hull's start to its end or to the item's, whichever is first."""
    hulls: dict[int, Counter[tuple[int, int, int]]] = {}  # by the item's queries: how many strips of rows and of a hull
    cells, strips, tiles = 0.0, 0, 0
    for (keys, queries), items in Counter(lengths).items():
        if queries not in hulls:
            hulls[queries] = _hulls(shared, queries, place, height)
        for (rows, start, stop), alike in hulls[queries].items():
            needed = min(stop, keys) - start
            strips += items * alike
            if needed > 0:
                cells += float(items * alike * rows * needed)
                tiles += items * alike * _runs(needed, width)
    return Work(cells, strips, tiles)


def _hulls(shared: Mask | None, queries: int, place: Place, height: int) -> Counter[tuple[int, int, int]]:
    """The strips of an item with so many real queries: rows, and the run of keys that `shared` leaves; how many."""
    found: Counter[tuple[int, int, int]] = Counter()
    for rows in _rows((queries,), place, height):
        hull = place.cols if shared is None else shared.hull(rows, place)
        found[len(rows), hull.start, hull.stop if rows.start < queries else hull.start] += 1
    return found


def _runs(total: int, width: int) -> int:
    """How many runs `Strip.runs` makes of so many keys."""
    return -(-total // _length(total, max(1, round(total / width)), GRAIN))


def by_item(request: Request, tensors: tuple[Tensor, ...]) -> Iterator[tuple[Request, list[Tensor]]]:
    """The call in parts of which each has one mask for all its items, and the tensors' own parts (views)."""
    parts = items(request)
    for number, part in enumerate(parts):
        yield part, list(tensors) if len(parts) == 1 else [t[number : number + 1] for t in tensors]


def _apart(request: Request) -> bool:
    """Whether the batch items are computed one by one: the mask tells them apart, and no bias does."""
    biased = any(t.dim() == 4 and t.shape[0] > 1 for bias in request.biases for t in bias.tensors())
    return request.mask is not None and request.place.batch > 1 and request.mask.extent()[0] > 1 and not biased
