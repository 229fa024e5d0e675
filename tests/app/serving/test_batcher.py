"""Items of many requests in batches: who goes with whom, what is refused, and whose error is whose."""

import asyncio
import threading

import pytest

from regard.app.serving.batcher import Batcher, FullError, Item, alike
from regard.app.serving.limits import Limits
from regard.spec.errors import SpecError


class Heard:
    def __init__(self):
        self.sizes = []

    def batched(self, size, seconds):
        self.sizes.append(size)


def run(limits, answer, play):
    """Plays with a batcher that runs; gives what `play` gives, and the sizes of the batches."""

    async def together():
        heard = Heard()
        batcher = Batcher(answer, limits, heard)
        running = asyncio.create_task(batcher.run())
        try:
            return await play(batcher), heard.sizes
        finally:
            running.cancel()
            batcher.close()

    return asyncio.run(together())


def doubled(items):
    return [item.given * 2 for item in items]


def held(answer=doubled):
    """An answer that waits for a word the first time, and that word: what comes meanwhile is in the queue."""
    free = threading.Event()

    def slow(items):
        free.wait(5)
        return answer(items)

    return slow, free


def test_what_waits_while_a_batch_is_in_the_model_goes_together_and_gets_its_own_answers():
    slow, free = held()

    async def play(batcher):
        requests = [asyncio.create_task(batcher.submit([Item(n, 4), Item(n + 0.5, 4)])) for n in range(3)]
        await asyncio.sleep(0.05)
        free.set()
        return await asyncio.gather(*requests)

    found, sizes = run(Limits(batch=3, queue=64, items=8), slow, play)
    assert found == [[0, 1.0], [2, 3.0], [4, 5.0]]
    assert sizes == [3, 3]


def test_an_item_alone_goes_at_once():
    async def play(batcher):
        return [await batcher.submit([Item(n, 1)]) for n in range(3)]

    assert run(Limits(batch=64, queue=64, items=2), doubled, play) == ([[0], [2], [4]], [1, 1, 1])


def test_the_first_takes_along_those_nearest_in_length():
    #       the first; twice it; too long; half of it, but a quarter of the 8; like it; explained
    items = [Item(0, 4), Item(1, 8), Item(2, 9), Item(3, 2), Item(4, 4), Item(5, 5, explain=True)]
    assert alike(items, 16) == [0, 4, 1]
    assert alike(items, 2) == [0, 4]
    assert alike([Item(0, 4), Item(1, 2), Item(2, 5), Item(3, 3)], 16) == [0, 2, 3]  # 3 to 5: 2 would be padded to 5
    assert alike(items[5:] + items[:5], 16) == [0]


def test_lengths_of_other_magnitudes_and_explanations_go_apart():
    seen = []

    def answer(items):
        seen.append([(item.length, item.explain) for item in items])
        return doubled(items)

    async def play(batcher):
        items = [Item(1, 4), Item(2, 100), Item(3, 7), Item(4, 5, explain=True)]
        return await batcher.submit(items)

    found, _ = run(Limits(batch=8, queue=64, items=8), answer, play)
    assert found == [2, 4, 6, 8]
    assert seen == [[(4, False), (7, False)], [(100, False)], [(5, True)]]


def test_a_full_queue_refuses_and_says_when_to_come_again():
    free = threading.Event()

    def slow(items):
        free.wait(5)
        return doubled(items)

    async def play(batcher):
        first = asyncio.create_task(batcher.submit([Item(1, 1)]))
        await asyncio.sleep(0.05)  # it is in the model now, and the queue is empty
        second = asyncio.create_task(batcher.submit([Item(2, 1), Item(3, 1)]))
        await asyncio.sleep(0)
        with pytest.raises(FullError) as refused:
            await batcher.submit([Item(4, 1)])
        free.set()
        return await first, await second, refused.value.seconds

    (first, second, seconds), _ = run(Limits(batch=1, queue=2, items=2), slow, play)
    assert (first, second) == ([2], [4, 6])
    assert seconds >= 1


def test_an_item_that_is_not_answered_in_time_is_given_up_and_leaves_the_queue():
    free = threading.Event()

    def slow(items):
        free.wait(5)
        return doubled(items)

    async def play(batcher):
        first = asyncio.create_task(batcher.submit([Item(1, 1)]))
        await asyncio.sleep(0.02)
        second = asyncio.create_task(batcher.submit([Item(2, 1)]))
        found = await asyncio.gather(first, second, return_exceptions=True)
        free.set()
        return [type(one) for one in found], await batcher.submit([Item(3, 1)])

    (kinds, later), sizes = run(Limits(batch=1, queue=8, items=2, seconds=0.2), slow, play)
    assert kinds == [TimeoutError, TimeoutError]
    assert later == [6]
    assert sizes == [1, 1]  # the second was never run


def test_an_error_of_one_item_is_its_own_and_one_of_all_is_everybodys():
    def answer(items):
        if any(item.given == "all" for item in items):
            raise ValueError("the model")
        return [KeyError("x") if item.given == "bad" else 1 for item in items]

    async def play(batcher):
        return await batcher.submit([Item("good", 1), Item("bad", 1)]), await batcher.submit([Item("all", 1)])

    (first, second), _ = run(Limits(batch=2, queue=8, items=2), answer, play)
    assert first[0] == 1
    assert isinstance(first[1], KeyError)
    assert isinstance(second[0], ValueError)


def test_limits_are_checked():
    with pytest.raises(SpecError, match="batch=0"):
        Limits(batch=0)
    with pytest.raises(SpecError, match="must fit"):
        Limits(items=10, queue=5)
