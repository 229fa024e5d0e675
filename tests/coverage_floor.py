"""Hold line and branch coverage of the rooms that compute against a floor: `coverage_floor.py COVERAGE.json`."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

FLOOR = 95.0  # per cent of lines and branches
ROOMS = ("spec", "kernels", "engine", "lens", "allocate")


def shares(report: dict) -> dict[str, float]:
    """Per cent of lines and branches covered in each room."""
    hit, total = defaultdict(int), defaultdict(int)
    for path, found in report["files"].items():
        room = Path(path).parts[Path(path).parts.index("regard") + 1]
        numbers = found["summary"]
        hit[room] += numbers["covered_lines"] + numbers["covered_branches"]
        total[room] += numbers["num_statements"] + numbers["num_branches"]
    return {room: 100.0 * hit[room] / total[room] if total[room] else 100.0 for room in total}


def main(path: str) -> int:
    found = shares(json.loads(Path(path).read_text()))
    for room, share in sorted(found.items()):
        print(f"coverage {room:<12} {share:5.1f} %" + (f"  (floor {FLOOR:.0f} %)" if room in ROOMS else ""))
    low = [room for room in ROOMS if room in found and found[room] < FLOOR]
    if low:
        print(f"coverage below {FLOOR:.0f} % in: {', '.join(low)}", file=sys.stderr)
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
