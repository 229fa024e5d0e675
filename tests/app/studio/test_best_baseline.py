"""Which baseline stands beside a run's score in the table of runs: the best of them, whichever way is better."""

from regard.app.studio.runs import _best


def row(name, value, better="higher"):
    return {"name": name, "scores": [{"value": value, "better": better}]}


def test_the_best_one_is_named():
    assert _best([row("always 'positive'", 0.5), row("TF-IDF", 0.91), row("length", 0.6)])["name"] == "TF-IDF"
    assert _best([row("week before", 0.66, "lower"), row("DLinear", 0.49, "lower")])["name"] == "DLinear"
    assert _best([]) is None
