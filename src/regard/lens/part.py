"""One call of a layer, placed on the layer's own axes; and the calls of a layer put together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from regard.engine.observation import Observation
from regard.lens.trace import Layer
from regard.spec.errors import SpecError
from regard.spec.mask import Both, Mask
from regard.spec.membership import Dense
from regard.spec.padding import Padding
from regard.spec.request import Request


@dataclass(frozen=True, eq=False)
class Part:
    """One call. `first_query`, `first_key`: where its query 0 and key 0 lie on the layer's axes (a cache that drops
    old keys hands over a later stretch of the axis at each step). `keys_valid` (batch, key_len) and `queries_valid`
    (batch, query_len): False for padding. The call's own tensors are not among these: a generation would hold on to
    every step's keys."""

    kind: str
    seen: Observation
    first_query: int
    first_key: int
    keys_valid: Tensor
    queries_valid: Tensor
    mask: str

    @property
    def next_query(self) -> int:
        return self.first_query + self.queries_valid.shape[1]

    @property
    def last_key(self) -> int:
        return self.first_key + self.seen.key_len


def part_of(
    kind: str, request: Request, real: Tensor, before: Part | None, look: Callable[[Request], Observation]
) -> tuple[Part, Request]:
    """The call on its layer's axes, after the one `before` it, and looked at; and the request that was looked at, from
    which padding queries are kept out. `real` is what `valid_keys` gives."""
    place = request.place
    mask = words(request.mask)
    if kind == "cross":
        first_query, first_key = (0 if before is None else before.next_query), 0
        queries_valid = torch.ones(place.batch, place.query_len, dtype=torch.bool)
        request = replace(request, place=replace(place, query_start=first_query))
    else:
        first_query = max(place.query_start, 0) if before is None else before.next_query
        first_key = first_query - max(place.query_start, 0)
        queries_valid = _queries_valid(real, place.query_start, place.query_len)
        if not bool(queries_valid.all()):  # what padding looks at is of no account
            rows = Dense(queries_valid[:, None, :, None].to(place.device))
            request = replace(request, mask=rows if request.mask is None else request.mask & rows)
    return Part(kind, look(request), first_query, first_key, real, queries_valid, mask), request


def valid_keys(request: Request) -> Tensor:
    """bool (batch, key_len): the keys that the mask's padding leaves, or that some query may attend to."""
    place = request.place
    real = torch.ones(place.batch, place.key_len, dtype=torch.bool)
    for part in _joined(request.mask):
        if isinstance(part, Dense):
            seen = part.allowed.any(-2).flatten(1, -2).any(1) if part.allowed.dim() == 4 else part.allowed.any(0)[None]
            real &= seen.cpu()
        elif isinstance(part, Padding):
            real &= torch.arange(place.key_len) < part.key_lengths.cpu()[:, None]
    return real


def words(mask: Mask | None) -> str:
    """A mask in words; what is one row for all queries is padding."""
    if mask is None:
        return "none"
    rowwise = (isinstance(part, Dense) and part.allowed.shape[-2] == 1 for part in _joined(mask))
    told = ["padding" if row else part.words() for row, part in zip(rowwise, _joined(mask), strict=True)]
    return " and ".join(dict.fromkeys(told))


def layer_of(name: str, parts: list[Part]) -> Layer:
    """The calls of one layer as one: queries in order, the mass received by each key added up.

    Raises `SpecError` where a later call is of other rows than the first: whose steps they are is not known.
    """
    _check_rows(name, [part.keys_valid.shape[0] for part in parts])
    first, keys = parts[0], max(part.last_key for part in parts)
    seen = [part.seen for part in parts]
    received = first.seen.received.new_zeros(*first.seen.received.shape[:2], keys).cpu()
    spread, keys_valid = torch.zeros_like(received), torch.zeros(received.shape[0], keys, dtype=torch.bool)
    for part in parts:
        stretch = slice(part.first_key, part.last_key)
        received[:, :, stretch] += part.seen.received.cpu()
        keys_valid[:, stretch] |= part.keys_valid
        if part.seen.received_error is not None:
            spread[:, :, stretch] += part.seen.received_error.cpu() ** 2  # the calls are sampled apart
    return Layer(
        name=name,
        kind=first.kind,
        mask=first.mask,
        heads=first.seen.heads,
        positions=torch.cat([part.first_query + part.seen.queries for part in parts]),
        population=sum(each.population for each in seen),
        lse=_joined_figure([each.lse for each in seen]),
        entropy=_joined_figure([each.entropy for each in seen]),
        distance=_joined_figure([each.distance for each in seen]),
        received=received.float(),
        queries_valid=torch.cat([part.queries_valid[:, part.seen.queries] for part in parts], 1),
        keys_valid=keys_valid,
        received_error=None if all(each.received_error is None for each in seen) else spread.sqrt().float(),
        **_tops(parts),
        **_map(first),
    )


def _check_rows(name: str, rows: list[int]) -> None:
    changed = next((step for step, count in enumerate(rows) if count != rows[0]), None)
    if changed is not None:
        raise SpecError(
            f"{name}: its first call was of {rows[0]} rows and call {changed + 1} of {rows[changed]}: rows were "
            "dropped or added on the way, as beam search and finished sequences do, and which is which is not known. "
            "Watch one sequence that is decoded greedily, or the model as it reads the finished sequences in one call"
        )


def _joined_figure(figures: list[Tensor]) -> Tensor:
    return torch.cat([figure.cpu() for figure in figures], 2).float()


def _tops(parts: list[Part]) -> dict[str, Tensor]:
    if parts[0].seen.top_keys is None:
        return {}
    keys = [torch.where(p.seen.top_keys < 0, -1, p.seen.top_keys + p.first_key).cpu() for p in parts]  # type: ignore
    weights = [part.seen.top_weights.cpu() for part in parts]  # type: ignore[union-attr]
    return {"top_keys": torch.cat(keys, 2).int(), "top_weights": torch.cat(weights, 2).float()}


def _map(part: Part) -> dict[str, Tensor]:
    seen = part.seen
    if seen.map is None or seen.row_edges is None or seen.col_edges is None:
        return {}
    edges = {"row_edges": seen.row_edges.cpu() + part.first_query, "col_edges": seen.col_edges.cpu() + part.first_key}
    return {"map": seen.map.cpu().float(), **edges}


def _queries_valid(real: Tensor, start: int, count: int) -> Tensor:
    """In self-attention a query is padding where its own key is; a query beyond the keys is none."""
    places = torch.arange(start, start + count)
    inside = (places >= 0) & (places < real.shape[1])
    found = torch.ones(real.shape[0], count, dtype=torch.bool)
    found[:, inside] = real[:, places[inside]]
    return found


def _joined(mask: Mask | None) -> Iterator[Mask]:
    """The masks that `&` holds together."""
    if isinstance(mask, Both):
        yield from _joined(mask.left)
        yield from _joined(mask.right)
    elif mask is not None:
        yield mask
