"""The figures of `benchmarks.serving` as tables."""

from __future__ import annotations

from typing import Any


def serving(result: dict[str, Any]) -> list[list[str]]:
    """Load by run and by how many ask at a time; malformed requests and stops."""
    found = result["serving"]
    rows = ["| run | connections | | requests a second | p50 | p99 |", "|---|---|---|---|---|---|"]
    for load in found["load"]:
        for way, each in load["ways"].items():
            times = f"{each['p50_ms']:.1f} ms | {each['p99_ms']:.1f} ms"
            rows.append(f"| {load['run']} | {load['connections']} | {way} | {each['per_second']:,.0f} | {times} |")
    statuses = ", ".join(f"{count:,} with {status}" for status, count in found["malformed"].items())
    stops = found["stops"]
    accepted, lost = sum(one["accepted"] for one in stops), sum(abs(one["lost"]) for one in stops)
    told = f"{len(stops)} stops under load: {accepted:,} requests accepted, {lost} of them lost"
    rounds = f"Medians of {result['rounds']} rounds after one of warm-up, of {found['requests']} requests each"
    rounds += " (a quarter of them from a single connection)."
    return [[rounds], rows, [f"Malformed requests answered: {statuses}. {told}."]]
