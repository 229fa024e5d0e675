"""Keys as they are and a sketch of the others, in one softmax: against the slow truth, and in less memory."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.allocate.slow_past import Text, truth
from torch import Tensor

from regard.allocate import Eviction, Periphery
from regard.allocate.held import Held
from regard.allocate.past import Past
from regard.allocate.shares import chosen, worth
from regard.allocate.sketched import Sketched, _added
from regard.engine.attend import choose
from regard.spec.bias import SinkLogits
from regard.spec.errors import KernelError
from regard.spec.request import Request, request
from regard.spec.score import Additive, Cosine, ScaledDot

DIM, WIDE, HEADS, KEY_HEADS, BATCH, LENGTH, GRAIN = 11, 5, 6, 3, 2, 67, 3
PERIPHERY = Periphery(sketch=1.5, grain=GRAIN)
SCORE = ScaledDot(0.4, softcap=3.0)
REAL = torch.ones(BATCH, LENGTH, dtype=torch.bool)
PADDED = torch.arange(LENGTH) >= torch.tensor([[0], [7]])  # the third block has padding and keys that go


def drawn(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


K, V = drawn(BATCH, KEY_HEADS, LENGTH, DIM, seed=1), drawn(BATCH, KEY_HEADS, LENGTH, WIDE, seed=2)
Q, SINK = drawn(BATCH, HEADS, LENGTH, DIM, seed=3), SinkLogits(drawn(HEADS, seed=4))
CLOSE: Any = {"rtol": 2e-3, "atol": 1e-3}  # means of values are kept in float16


def run(asked: Request) -> tuple[Tensor, Tensor | None]:
    return choose(asked, None).run(asked)


def silent(asked: Request) -> tuple[Tensor, Tensor | None]:
    """A kernel that keeps the lse to itself."""
    return run(asked)[0], None


def asked(start: int, stop: int, dtype: torch.dtype = torch.float32) -> Request:
    """New keys alone, as a model's attention is called with."""
    new = (each[:, :, start:stop].to(dtype) for each in (Q, K, V))
    return request(*new, score=SCORE, bias=SINK, query_start=0)


class Reading:
    """Tokens that go through a storage, and what of them is held, by position."""

    def __init__(self, first: int, real: Tensor = REAL, dtype: torch.dtype = torch.float32) -> None:
        self.real, self.dtype, self.stop = real, dtype, first
        key, value = (each[:, :, :first].to(dtype) for each in (K, V))
        shown = None if bool(real[:, :first].all()) else real[:, :first]
        held = Held.of(key, value, room=4, half_life=None, real=shown)
        self.storage = Sketched.of(held, PERIPHERY, asked(0, first, dtype))
        self.storage.attend(asked(0, first, dtype), run)
        self.held = torch.ones(BATCH, KEY_HEADS, LENGTH, dtype=torch.bool)

    def further(self, count: int, run: Callable[[Request], Any] = run) -> tuple[Tensor, Tensor]:
        """The output of so many more tokens, and the truth."""
        start, self.stop = self.stop, self.stop + count
        some = slice(start, self.stop)
        self.storage.append(K[:, :, some].to(self.dtype), V[:, :, some].to(self.dtype))
        if not bool(self.real[:, some].all()):
            self.storage.mark(self.real[:, some])
        found = self.storage.attend(asked(start, self.stop, self.dtype), run)
        key, value, query = (
            each.to(self.dtype) for each in (K[:, :, : self.stop], V[:, :, : self.stop], Q[:, :, some])
        )
        text = Text(key, value, self.real[:, : self.stop], self.held[:, :, : self.stop])
        return found, truth(text, self.storage.past, query, scale=0.4, cap=3.0, sink=SINK.per_head)

    def cut(self, sizes: list[int]) -> None:
        """Each head keeps what a random eviction keeps: the first, the latest of a block, and some between."""
        last = slice(self.stop - 1, self.stop)
        self.storage.account(asked(last.start, last.stop, self.dtype))
        eviction = Eviction(keys=max(sizes), first=1, latest=0.0, by="random", periphery=PERIPHERY)
        kept = []
        for head, mass in enumerate(self.storage.masses()):
            places = chosen(worth(eviction, mass, sizes[head]), sizes[head])
            here = self.held[:, head, : self.stop].nonzero()[:, 1].view(BATCH, -1)
            self.held[:, head, : self.stop] = False
            self.held[:, head].scatter_(1, here.gather(1, places), True)
            kept.append(places)
        self.storage.keep(kept)


@pytest.mark.parametrize("real", [REAL, PADDED], ids=["real", "padded"])
@pytest.mark.parametrize("sizes", [[9, 9, 9], [7, 14, 7]], ids=str)
@pytest.mark.parametrize("calls", [[1] * 6, [7, 5], [2, 1, 9]], ids=str)
@pytest.mark.parametrize("kernel", [run, silent], ids=["lse", "no lse"])
def test_one_softmax_over_keys_and_their_sketch(kernel: Any, calls: list[int], sizes: list[int], real: Tensor) -> None:
    reading = Reading(23, real)
    for less in (0, 2, 1):  # three times cut back, and grown again
        reading.cut([size - less for size in sizes])
        assert reading.storage.sizes == [size - less for size in sizes]
        for count in calls[: 2 if less else None]:
            found, expected = reading.further(count, kernel)
            shown = real[:, reading.stop - count : reading.stop]
            torch.testing.assert_close(found.transpose(1, 2)[shown].double(), expected.transpose(1, 2)[shown], **CLOSE)
    past = reading.storage.past
    assert past is not None
    assert past.length > 23
    assert (past.real is None) == (real is REAL)


FAULTS: dict[str, Callable[[Any], Any]] = {
    "held keys count twice": lambda of: lambda past, held: of(past, []),
    "the sketch is not seen": lambda of: lambda past, held: torch.ones_like(of(past, held)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_error_shows(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    monkeypatch.setattr(Past, "_closed", FAULTS[fault](Past._closed))
    reading = Reading(23)
    reading.cut([9, 9, 9])
    found, expected = reading.further(3)
    assert not torch.allclose(found.double(), expected, **CLOSE)


def test_a_mean_of_all_values_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    def let_go(past: Past, heads: Any, positions: Tensor, value: Tensor, going: Tensor) -> None:
        late = positions >= past.length
        of(past, heads, positions, value, ~late)

    of = Past.let_go
    monkeypatch.setattr(Past, "let_go", let_go)
    reading = Reading(23)
    reading.cut([12, 12, 12])
    found, expected = reading.further(3)
    assert not torch.allclose(found.double(), expected, **CLOSE)


@pytest.mark.parametrize(("dtype", "close"), [(torch.float16, 4e-3), (torch.bfloat16, 3e-2), (torch.float64, 1e-3)])
def test_in_other_precisions(dtype: torch.dtype, close: float) -> None:
    reading = Reading(23, dtype=dtype)
    reading.cut([7, 14, 7])
    for count in (1, 4):
        found, expected = reading.further(count)
        assert found.dtype == dtype
        torch.testing.assert_close(found.double(), expected, rtol=close, atol=close)
    with torch.autocast("cpu", torch.bfloat16):
        found, expected = reading.further(2)
    torch.testing.assert_close(found.double(), expected, rtol=3e-2, atol=3e-2)


def test_nothing_is_sketched_before_something_goes() -> None:
    """The output is the kernel's own, and a model's own attention could read what is held."""
    reading = Reading(5)
    assert reading.storage.whole is not None
    reading.storage.account(asked(4, 5))
    assert reading.storage.past is None  # two blocks of 3 are to be there first
    found, _ = reading.further(11)
    assert torch.equal(found, run(_whole(16, 11))[0])
    reading.storage.account(asked(5, 16))
    assert reading.storage.past is not None
    assert reading.storage.past.length == 0
    assert reading.storage.whole is not None
    reading.cut([9, 9, 9])
    assert reading.storage.whole is None


def _whole(stop: int, count: int) -> Request:
    causal = torch.ones(stop, stop, dtype=torch.bool).tril()[-count:]
    return request(Q[:, :, stop - count : stop], K[:, :, :stop], V[:, :, :stop], score=SCORE, bias=SINK, mask=causal)


def test_a_cut_without_queries_learns_from_keys() -> None:
    reading = Reading(23)
    reading.storage.forget()
    reading.cut([9, 9, 9])
    found, expected = reading.further(3)
    torch.testing.assert_close(found.double(), expected, **CLOSE)


def test_how_many_keys_stay() -> None:
    """All until two blocks are there; then what the sketch leaves of the fraction."""
    eviction = Eviction(fraction=0.9, first=1, periphery=PERIPHERY)
    assert Reading(5).storage.size(eviction) == 5
    beside = PERIPHERY.keys(23, DIM, WIDE)
    assert Reading(23).storage.size(eviction) == max(int(21 - beside), 1 + GRAIN)
    assert Reading(23).storage.size(Eviction(fraction=1.0, periphery=PERIPHERY)) == 23


def test_padding_goes_first_but_for_the_last_block() -> None:
    """Item 1 ends with 2 keys of padding; the last of 3 x 7 + 2 keys are in no block yet, and stay."""
    real = REAL.clone()
    real[1, 19:23] = False
    masses = Reading(23, real).storage.masses()
    assert masses[0].real is not None
    assert masses[0].real[1, 17:].tolist() == [True, True, False, False, True, True]
    assert all(mass.real is None for mass in Reading(23).storage.masses())


def test_memory_is_truly_less() -> None:
    """A long layer of 16-bit numbers, a quarter: what is held and the sketch, as allocated."""
    key, value = (drawn(1, 1, 4096, 64, seed=seed).bfloat16() for seed in (1, 2))
    new = request(key[:, :, -1:], key[:, :, -1:], value[:, :, -1:], query_start=0)
    periphery = Periphery(sketch=0.25, grain=64)
    eviction = Eviction(fraction=0.25, periphery=periphery, step=16)
    storage = Sketched.of(Held.of(key, value, room=16, half_life=None, real=None), periphery, new)
    del key, value
    storage.attend(new, run)
    storage.account(new)
    size = storage.size(eviction)
    storage.keep([torch.arange(4096 - size, 4096)[None]])
    past = storage.past
    assert past is not None
    codes, means, counts, maps = 4096 * 2, 64 * 128 * 2, 64 * 4, 2 * 64 * 4 * 2
    assert past.bytes == codes + means + counts + maps
    assert size == 1024 - -(-(codes + means + maps) // 256)  # a key and its value take 256 bytes
    assert storage.bytes == past.bytes + (size + 17) * (256 + 8)  # with the room, and each key's mass and place
    assert storage.bytes < 0.27 * storage.full


def test_items_are_chosen_and_repeated() -> None:
    order = torch.tensor([1, 1, 0])
    reading = Reading(23, PADDED)
    reading.storage.select(torch.arange(BATCH))  # nothing is in the sketch yet
    reading.cut([7, 14, 7])
    twin = copy.deepcopy(reading.storage)
    found, _ = reading.further(1)
    twin.select(order)
    assert twin.batch == 3
    twin.append(K[order, :, 23:24], V[order, :, 23:24])
    new = asked(23, 24)
    three = request(new.query[order], new.key[order], new.value[order], score=SCORE, bias=SINK, query_start=0)
    torch.testing.assert_close(twin.attend(three, run), found[order])


def test_what_was_made_in_inference_mode_goes_on_outside() -> None:
    with torch.inference_mode():
        reading = Reading(23)
        reading.cut([9, 9, 9])
        reading.storage = copy.deepcopy(reading.storage)
    reading.held = reading.held.clone()
    for size in (9, 8):
        found, expected = reading.further(7)
        torch.testing.assert_close(found.double(), expected, **CLOSE)
        reading.cut([size] * 3)


@pytest.mark.parametrize("score", [Cosine(2.0), Additive(torch.ones(DIM))])
def test_scores_that_cannot_be_sketched(score: Any) -> None:
    new = request(Q[:, :, :9], K[:, :, :9], V[:, :, :9], score=score)
    with pytest.raises(KernelError, match="a periphery takes ScaledDot, Dot and General"):
        Sketched.of(Held.of(K, V, room=4, half_life=None, real=None), PERIPHERY, new)


def test_keys_that_cannot_be_sketched() -> None:
    new = request(Q[..., :1], K[..., :1], V)
    with pytest.raises(KernelError, match="at least 2 dimensions"):
        Sketched.of(Held.of(K[..., :1], V, room=4, half_life=None, real=None), PERIPHERY, new)


def test_two_parts_of_a_softmax() -> None:
    """Weights of 3 and 1; a part without keys; neither."""
    one, two = torch.full((1, 1, 3, 1), 8.0), torch.full((1, 1, 3, 1), 4.0)
    none = -torch.inf
    near, far = torch.tensor([[[3.0, 1.0, 0.0]]]).log(), torch.tensor([[[1.0, 0.0, 0.0]]]).log()
    assert far[0, 0, 1] == none
    assert _added((one, near), (two, far)).flatten().tolist() == pytest.approx([7.0, 8.0, 0.0])
