"""`regard explain` of runs that are no text classifiers: rows, pieces, pages."""

import re

import pytest

from regard.app.explaining import Wish, explained, show
from regard.app.run_asking import RunAsking
from regard.app.screen import Screen
from regard.lens.explanation import Explanation
from regard.lens.reading import Reading
from regard.lens.units import Units

QUICK = ["--set", "core.dim=16", "--set", "core.hidden=16", "--set", "core.layers=1", "--set", "core.heads=2"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(task, file of the examples) -> the folder of a run that was trained for an epoch, once."""
    from tests.app.conftest import EXAMPLES

    from regard.app.cli import main

    folder, there = tmp_path_factory.mktemp("runs"), {}

    def make(task, file):
        if task not in there:
            there[task] = folder / task
            typed = ["train", task, "--data", EXAMPLES / file, "--epochs", "1", "--out", there[task], *QUICK]
            assert main([str(one) for one in typed]) == 0
        return there[task]

    return make


def test_a_row_of_a_table_has_its_evidence_and_a_page(made, examples, tmp_path, regard):
    run, page = made("tabular", "plants.csv"), tmp_path / "page.html"
    asked = ("explain", run, "--data", examples / "plants.csv", "--row", "5", "--draws", "3", "--html", page)
    code, out, err = regard(*asked)
    assert (code, err) == (0, "")
    assert "height = 15.8 · width = 15.9 · petals = 5" in out
    assert "on this input, taking away the 10% heaviest cells (1 of 3: " in out
    assert "one input cannot tell methods apart" in out or "did as well: of equals" in out
    assert "measured on this input alone; what is taken away is told as the column's mean" in out
    told = page.read_text(encoding="utf-8")
    assert "How faithful" in told
    known = "this input is a row that the run was trained or validated on"
    assert (known in out) == (known in told)


def test_a_sample_says_on_how_many_rows_it_stands(made, examples, regard):
    run = made("tabular", "plants.csv")
    asked = ("explain", run, "--data", examples / "plants.csv", "--evidence", "4", "--method", "occlusion")
    code, out, _ = regard(*asked, "--draws", "2")
    assert code == 0
    assert "on 4 further inputs, taking away" in out
    assert "measured on this input and on 4 others" in out
    assert re.search(r"the run was trained or validated on (none|\d) of the 4 further inputs", out)
    code, out, _ = regard(*asked[:-3], "1", "--method", "occlusion", "--draws", "2")
    assert "on 1 further input, taking away" in out
    assert "(one input: no interval)" in out
    assert "measured on this input and on 1 other;" in out


def test_rows_that_cannot_be_used_are_left_out_and_counted(made, tmp_path, regard):
    rows = tmp_path / "rows.csv"
    rows.write_text("height,width,petals\ntall,9,5\n30,9,5\n")
    code, out, _ = regard("explain", made("tabular", "plants.csv"), "--data", rows, "--method", "occlusion")
    assert code == 0
    assert "height = 30 · width = 9 · petals = 5" in out
    assert "1 row of rows.csv cannot be used and is left out." in out


def test_what_is_written_is_shown_by_where_it_looked_and_a_piece_with_evidence(made, tmp_path, regard):
    run, text = made("translate", "pairs.csv"), "At the station the cat waits."
    code, out, _ = regard("explain", run, "--text", text, "--target", "Die Katze", "--piece", "2", "--draws", "2")
    assert code == 0
    assert "'Katze' after 'Die'  (probability 0." in out
    assert "How faithful" in out


def test_a_language_model_has_a_page(made, tmp_path, regard):
    page = tmp_path / "page.html"
    asked = ("explain", made("language-model", "tales.jsonl"), "--text", "The fox", "--html", page, "--draws", "2")
    code, out, _ = regard(*asked)
    assert code == 0
    assert "measured on this input alone; what is taken away is left out" in out
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_patches_and_words_lie_over_and_beside_the_picture(made, examples, tmp_path, regard):
    page = tmp_path / "page.html"
    run = made("image-text", "captions.csv")
    asked = ("explain", run, "--data", examples / "captions.csv", "--method", "gradient x input", "--draws", "2")
    code, out, _ = regard(*asked, "--html", page)
    assert code == 0
    assert "row 1, column 1 · row 1, column 2" not in out  # names of patches one after the other say nothing
    source = page.read_text(encoding="utf-8")
    assert "data:image/png;base64," in source
    assert "Beside the picture" in source


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("--piece", "1"), "an answer of classify is of one piece"),
        (("--piece", "0"), "--piece"),
        (("--method", "occlusion", "--target", "no such"), "no such class"),
    ],
)
def test_pieces_and_targets_that_are_not_there_are_one_line(trained, regard, one_line, typed, said):
    code, _, err = regard("explain", trained, "--text", "A fine film.", *typed)
    assert code == 2
    assert said in one_line(err)


def test_a_piece_goes_with_a_run(tmp_path, regard, one_line):
    code, _, err = regard("explain", "--model", tmp_path, "--text", "a", "--piece", "1")
    assert code == 2
    assert "it goes with a run" in one_line(err)


def reading(weights, kind="word"):
    import torch

    texts = tuple("abcdefgh"[: len(weights)])
    found = Explanation(Units(texts, kind), torch.tensor(weights).double(), "occlusion", "good", 0.9996, "by hand")
    return Reading(found, "the model")


def test_what_speaks_against_is_not_among_the_heaviest(capsys):
    show(Screen(), reading([0.5, -0.4, 0.0]))
    out = capsys.readouterr().out
    assert out.split("Heaviest words")[1].split("What speaks against it")[0].split()[-2:] == ["a", "0.500"]
    assert reading([0.5, -0.4, 0.0]).heaviest(10) == (("a", 0.5),)
    show(Screen(), reading([-0.5, -0.4]))
    out = capsys.readouterr().out
    assert "Heaviest words, by occlusion: none speaks for it, no weight is above 0" in out


def test_what_is_nearly_all_is_not_told_as_all():
    assert reading([0.1]).title == "good (99.96%)"


def test_a_piece_is_asked_of_the_run_and_the_rest_about_their_whole_answers(made, examples):
    asked = RunAsking.of(made("translate", "pairs.csv"), None, examples / "pairs.csv", [], 1, piece=1)
    assert asked.question("Die Katze").quantity == "probability"
    (ask,), _ = asked.others(1, choosing=False)
    assert ask().quantity == "probability a symbol, their geometric mean"
    found = explained(Screen(), asked.question("Die Katze"), Wish("occlusion", draws=2), sample=(), choose=())
    assert found.target == "'Die' at the beginning"
