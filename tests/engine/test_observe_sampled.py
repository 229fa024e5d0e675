"""Figures of sampled queries: every possible sample by hand, many seeds, and how often the stated interval holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import pytest
import torch
from tests.observed import every_sample, hold_unbiased
from torch import Tensor

from regard.engine.observation import Observation, Wanted
from regard.engine.observe import statistics
from regard.kernels import layout, tallies
from regard.spec import Causal, Request, request


def ask(queries: int, keys: int, dtype: torch.dtype = torch.float64) -> Request:
    source = torch.Generator().manual_seed(1)
    q = 2 * torch.randn(1, 2, queries, 4, generator=source, dtype=torch.float64)
    k = torch.randn(1, 2, keys, 4, generator=source, dtype=torch.float64)
    return request(q.to(dtype), k.to(dtype), k.to(dtype), mask=Causal())


def received(seen: Observation) -> tuple[Tensor, Tensor]:
    assert seen.received_error is not None
    return seen.received, seen.received_error


def mapped(seen: Observation) -> tuple[Tensor, Tensor]:
    assert seen.map is not None
    assert seen.map_error is not None
    return seen.map, seen.map_error


FIGURES: dict[str, Callable[[Observation], tuple[Tensor, Tensor]]] = {
    "received": received,
    "entropy": lambda seen: seen.mean("entropy"),
    "breadth": lambda seen: seen.mean("breadth"),
    "distance": lambda seen: seen.mean("distance"),
    "lse": lambda seen: seen.mean("lse"),
}


@pytest.mark.parametrize("figure", FIGURES)
def test_over_every_sample_of_2_of_4_and_3_of_5(figure: str) -> None:
    """6 and 10 samples, all of them drawn by some seed; exact, no statistics about it."""
    for queries, drawn in ((4, 2), (5, 3)):
        asked = ask(queries, 6)
        samples = every_sample(asked, drawn / queries)
        assert set(samples) == set(combinations(range(queries), drawn))
        whole = statistics(asked, Wanted())
        truth = whole.received if figure == "received" else whole.mean(figure)[0]
        hold_unbiased(*map(list, zip(*map(FIGURES[figure], samples.values()), strict=True)), truth)  # type: ignore[arg-type]


def test_the_map_over_every_sample_with_2_of_3_in_each_row_of_bins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bins of keys lie across tiles of 2 keys: a query's weight on a bin is squared whole."""
    monkeypatch.setattr(layout, "GRAIN", 2)
    for name in ("Received", "Flow", "Distance", "Entropy"):
        monkeypatch.setattr(getattr(tallies, name), "width", 2)
    asked = ask(6, 9)
    for bins in ((2, 3), (2, 1), (2, 9)):
        samples = every_sample(asked, 4 / 6, bins=bins)
        even = [seen for drawn, seen in samples.items() if sum(query < 3 for query in drawn) == 2]
        assert len(even) == 9
        whole = statistics(asked, Wanted(bins=bins)).map
        assert whole is not None
        hold_unbiased(*map(list, zip(*map(mapped, even), strict=True)), whole)  # type: ignore[arg-type]


def test_mass_received_by_hand() -> None:
    """Queries 0 and 2 of 4 are drawn; key 0 has weight 1 and 1/3 of theirs: mean 2/3, estimate 8/3. Variance
    2 (1/3)² = 2/9, halved by 1 - 2/4, halved by the two: 1/18; error 4 / sqrt(18)."""
    q = torch.zeros(1, 1, 4, 1, dtype=torch.float64)
    asked = request(q, q, q, mask=Causal())
    seen = every_sample(asked, 0.5, bins=(1, 1))[0, 2]
    mass, error = received(seen)
    assert mass.flatten().tolist() == pytest.approx([8 / 3, 2 / 3, 2 / 3, 0])
    assert error.flatten().tolist()[0] == pytest.approx(4 / 18**0.5)
    assert error.flatten().tolist()[3] == 0
    assert [t.item() for t in mapped(seen)] == pytest.approx([4, 0])  # every query gives 1 in all: no spread
    assert (seen.queries.tolist(), seen.population, seen.lse.shape) == ([0, 2], 4, (1, 1, 2))


def test_a_sample_of_all_is_all_and_has_no_error_to_state() -> None:
    asked = ask(7, 7)
    for wanted in (Wanted(sample=1, bins=(2, 2)), Wanted(sample=0.95, bins=(2, 2))):
        seen = statistics(asked, wanted)
        assert seen.population == len(seen.queries) == 7
        assert seen.received_error is None
        assert seen.map_error is None
        torch.testing.assert_close(seen.received, statistics(asked, Wanted()).received)


def test_bins_that_were_not_drawn_from_are_nan_and_bins_without_queries_0() -> None:
    """8 queries at both ends of 40, in 10 bins: the eight bins between hold none. In 4 bins of 2, some have 1 or 0."""
    asked = ask(40, 40)
    ends = torch.tensor([0, 1, 2, 3, 36, 37, 38, 39])
    total, error = mapped(statistics(asked, Wanted(queries=ends, bins=(10, 2), sample=0.75)))
    assert torch.equal(total[:, :, 1:9], torch.zeros(1, 2, 8, 2))
    assert torch.equal(error[:, :, 1:9], torch.zeros(1, 2, 8, 2))
    assert torch.isfinite(total).all()
    for drawn, seen in every_sample(ask(8, 8), 3 / 8, bins=(4, 2)).items():
        total, error = mapped(seen)
        times = torch.tensor([sum(query // 2 == row for query in drawn) for row in range(4)])
        assert torch.equal(total.isnan().all(1).all(-1)[0], times == 0)
        assert torch.equal(error.isnan().any(1).any(-1)[0], times < 2)
        assert not error[:, :, times == 2].any()


def test_over_a_thousand_seeds_estimates_are_right_on_average() -> None:
    """In float32, 8 of 40 queries: each mean within 4.5 of its standard errors (about 260 figures: 1 in 600 by luck,
    and the seeds are always the same)."""
    asked = ask(40, 64, torch.float32)
    whole = statistics(asked, Wanted(bins=(1, 4)))
    assert whole.map is not None
    seen = [statistics(asked, Wanted(sample=0.2, seed=seed, bins=(1, 4))) for seed in range(1000)]
    for truth, pairs in (
        (whole.received, [received(one) for one in seen]),
        (whole.map, [mapped(one) for one in seen]),
        (whole.mean("entropy")[0], [one.mean("entropy") for one in seen]),
    ):
        estimates = torch.stack([estimate for estimate, _ in pairs]).double()
        spread = estimates.std(0) / 1000**0.5
        moved = spread > 1e-9
        assert float(((estimates.mean(0) - truth).abs() / spread)[moved].max()) < 4.5
        stated = torch.stack([error for _, error in pairs]).double().square().mean(0).sqrt()
        torch.testing.assert_close(stated[moved], estimates.std(0)[moved], rtol=0.12, atol=0)  # sd of a sd: 2 to 4 %


def coverage(asked: Request, reads: list[Callable[[Observation], tuple[Tensor, Tensor]]]) -> list[Tensor]:
    """The share of 1,000 seeds for which estimate ± 1.96 errors holds the truth, from 30 of 150 queries."""
    whole = replace(statistics(asked, Wanted()), received_error=torch.zeros(()))
    truths = [read(whole)[0] for read in reads]
    inside = [torch.zeros_like(truth) for truth in truths]
    for seed in range(1000):
        seen = statistics(asked, Wanted(sample=0.2, seed=seed))
        for times, truth, read in zip(inside, truths, reads, strict=True):
            estimate, error = read(seen)
            times += (estimate - truth).abs() <= 1.96 * error
    return [times / 1000 for times in inside]


def test_the_interval_of_95_percent_holds_95_times_in_100() -> None:
    """Student's t with 29 degrees of freedom takes 0.8 of 95, and binomial noise is 0.7."""
    found = coverage(ask(150, 150, torch.float32), [FIGURES["entropy"], FIGURES["distance"]])
    assert all(bool(((share > 0.92) & (share < 0.97)).all()) for share in found)


def test_the_interval_of_the_mass_of_a_key_holds_where_no_query_gives_it_most() -> None:
    """Weights are near 1/150, with a long tail upwards. Of a key that few queries look at, which a sample may miss
    altogether, no interval from the sample can say so: under a causal mask that of key 0 holds 82 times in 100."""
    asked = ask(150, 150, torch.float32)
    broad = request(0.1 * asked.query, asked.key, asked.value)
    (found,) = coverage(broad, [received])
    assert 0.92 < float(found.mean()) < 0.96
    assert float(found.min()) > 0.88
