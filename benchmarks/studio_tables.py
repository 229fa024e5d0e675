"""The studio's figures and those of long rollouts, as markdown."""

from __future__ import annotations

from typing import Any

_MIB = 2**20


def studio(result: dict[str, Any]) -> list[list[str]]:
    """A table for each part that was measured."""
    found = result["studio"]
    made = (_looks, _painted, _tiles, _answers, _held, _load)
    return [rows for rows in (each(found) for each in made) if rows]


def rollout(result: dict[str, Any]) -> list[list[str]]:
    """Peak memory by length, beside what n x n weights take."""
    rows = [
        "| tokens | peak after one pass | peak after the rollout | n x n weights of one layer |",
        "|---|---|---|---|",
    ]
    rows += [
        f"| {row['length']:,} | {row['pass']:,.0f} MiB | {row['rollout']:,.0f} MiB | {row['square']:,.0f} MiB |"
        for row in result["rollout"]
    ]
    return [rows]


def _looks(found: dict[str, Any]) -> list[str]:
    rows = [
        "| look | units | heads | from the last block to the first picture | from the request |",
        "|---|---|---|---|---|",
    ]
    for row in found.get("looks", ()):
        after = "too quick to be told apart" if row["after_pass_s"] is None else f"{row['after_pass_s']:.2f} s"
        rows.append(f"| {row['what']} | {row['units']:,} | {row['heads']} | {after} | {row['whole_s']:.1f} s |")
    return rows if len(rows) > 2 else []


def _painted(found: dict[str, Any]) -> list[str]:
    rows = [
        "| in Chromium | units | from | until the first tile is painted | until all in sight are |",
        "|---|---|---|---|---|",
    ]
    rows += [
        f"| {row['what']} | {row['units']:,} | {row['from']} | {row['first_s']:.2f} s | {row['whole_s']:.2f} s |"
        for row in found.get("painted", ())
    ]
    return rows if len(rows) > 2 else []


def _tiles(found: dict[str, Any]) -> list[str]:
    """A row a kind of layer and zoom: with sinks, and without."""
    rows = ["| a tile of | zoom | median | slowest | sinks hidden: median | slowest |", "|---|---|---|---|---|---|"]
    by_place: dict[tuple[str, str, int], dict[bool, dict[str, Any]]] = {}
    for row in found.get("tiles", ()):
        by_place.setdefault((row["subject"], row["mask"], row["zoom"]), {})[row["sinks"]] = row
    for (subject, mask, zoom), pair in by_place.items():
        cells = " | ".join(
            f"{pair[sinks][name]:.1f} ms" for sinks in (True, False) for name in ("median_ms", "worst_ms")
        )
        rows.append(f"| {subject}, mask: {mask} | {zoom} | {cells} |")
    return rows if by_place else []


def _answers(found: dict[str, Any]) -> list[str]:
    rows = ["| asked for meanwhile | during | requests | median | slowest |", "|---|---|---|---|---|"]
    rows += [
        f"| `{row['address']}` | {row['during']} | {row['requests']:,} | {row['median_ms']:.1f} ms "
        f"| {row['worst_ms']:,.0f} ms |"
        for row in found.get("answers", ())
    ]
    return rows if len(rows) > 2 else []


def _held(found: dict[str, Any]) -> list[str]:
    rows = ["| resident memory | after warm-up | after as many again | |", "|---|---|---|---|"]
    rows += [
        f"| {row['subject']} | {row['warm_mb']:,.0f} MB | {row['end_mb']:,.0f} MB | {row['requests']} requests |"
        for row in found.get("held", ())
    ]
    return rows if len(rows) > 2 else []


def _load(found: dict[str, Any]) -> list[str]:
    rows = ["| load | requests | statuses | |", "|---|---|---|---|"]
    clients, fuzz = found.get("clients"), found.get("fuzz")
    if clients:
        told = f"median {clients['median_ms']:.0f} ms, 99 of 100 within {clients['p99_ms']:.0f} ms"
        rows.append(
            f"| {clients['clients']} clients at once | {clients['requests']:,} | {_statuses(clients)} | {told} |"
        )
    if fuzz:
        broken = len(fuzz["broken"]) + len(fuzz["opened_outside"])
        told = f"slowest {fuzz['slowest_s']:.1f} s; broken promises: {broken}"
        rows.append(f"| random requests | {fuzz['requests']:,} | {_statuses(fuzz)} | {told} |")
    return rows if len(rows) > 2 else []


def _statuses(part: dict[str, Any]) -> str:
    return ", ".join(f"{status}: {count:,}" for status, count in part["statuses"].items())
