"""The table of serving's figures, from a result that a person can read."""

from benchmarks.serving_table import serving


def test_a_row_for_each_way_and_a_sentence_for_the_rest():
    ways = {
        "batches of up to 16": {"per_second": 1193.4, "p50_ms": 24.2, "p99_ms": 43.21},
        "one at a time": {"per_second": 716.0, "p50_ms": 43.7, "p99_ms": 49.5},
    }
    found = {
        "requests": 200,
        "load": [{"run": "reviews", "connections": 32, "ways": ways}],
        "malformed": {"400": 999, "415": 1},
        "stops": [{"accepted": 400, "lost": 0}, {"accepted": 500, "lost": -1}],
    }
    (rounds,), rows, (rest,) = serving({"rounds": 5, "serving": found})
    assert rounds.startswith("Medians of 5 rounds after one of warm-up, of 200 requests each")
    assert rows[2:] == [
        "| reviews | 32 | batches of up to 16 | 1,193 | 24.2 ms | 43.2 ms |",
        "| reviews | 32 | one at a time | 716 | 43.7 ms | 49.5 ms |",
    ]
    malformed, stops = rest.removesuffix(".").split(". ")
    assert malformed == "Malformed requests answered: 999 with 400, 1 with 415"
    assert stops == "2 stops under load: 900 requests accepted, 1 of them lost"
