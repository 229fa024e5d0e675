"""train, evaluate, predict and explain, on a small run that was trained by the command itself."""

import csv
import json
import re
import shutil

import pytest
from safetensors.torch import load_file
from tests.app.moved import moved

from regard.lens import LIMITS
from regard.tasks.task import Asked
from regard.train.run import load_run

TEXT = "A warm and witty script. I loved the ending, great fun."


def figures(text, name):
    """The numbers on the lines of a table that begin with a name."""
    return [[float(n) for n in re.findall(r"-?\d\.\d{4}", line)] for line in text.splitlines() if line.startswith(name)]


def test_train_leaves_the_folder_it_promises(trained):
    there = {one.name for one in trained.iterdir()}
    assert there >= {"config.json", "model.safetensors", "metrics.json", "log.jsonl", "vocab"}
    assert "checkpoint" not in there


def test_train_typed_again_shows_the_results_and_trains_nothing(trained, train_command, regard):
    before = (trained / "model.safetensors").stat().st_mtime_ns
    code, out, err = regard(*train_command, "--out", trained)
    assert (code, err) == (0, "")
    assert "is done already" in out
    scores = json.loads((trained / "metrics.json").read_text())["scores"]
    wanted = [round(scores[0][name], 4) for name in ("value", "low", "high")]
    assert figures(out, "accuracy, this model") == [wanted]
    assert "On 24 rows held out from training" in out
    assert figures(out, "accuracy, TF-IDF")
    assert figures(out, "accuracy, always")
    assert "part:test" in out
    assert f"Next: regard explain {trained} --text" in out
    assert (trained / "model.safetensors").stat().st_mtime_ns == before


def test_other_settings_in_the_same_folder_are_refused(trained, train_command, regard, one_line):
    code, _, err = regard(*train_command, "--out", trained, "--seed", "7")
    assert code == 1
    assert "train.seed: 0 there, 7 here" in one_line(err)


def test_a_run_that_is_refused_before_it_starts_leaves_nothing(examples, tmp_path, regard, one_line):
    out = tmp_path / "runs" / "reviews"
    asked = ["--data", examples / "reviews.csv", "--text", "review", "--label", "stars"]
    code, _, err = regard("train", "classify", *asked, "--out", out)
    assert code == 1
    assert "'stars'" in one_line(err)
    assert list(tmp_path.iterdir()) == []
    out.mkdir(parents=True)
    (out / "notes.txt").write_text("mine")
    assert regard("train", "classify", *asked, "--out", out)[0] == 1
    assert [path.name for path in out.iterdir()] == ["notes.txt"]


def test_evaluate_is_what_the_library_says(trained, examples, regard):
    code, out, err = regard("evaluate", trained, "--data", examples / "reviews.csv")
    assert (code, err) == (0, "")
    found = load_run(trained).evaluate(examples / "reviews.csv")
    assert figures(out, "accuracy ") == [
        [round(n, 4) for n in (found.scores[0].value, found.scores[0].low, found.scores[0].high)]
    ]
    assert "120 rows of reviews.csv" in out
    assert f"{found.seen} of the rows were seen in training" in out


def test_evaluate_with_labels_the_run_does_not_know(trained, tmp_path, regard, one_line):
    file = tmp_path / "other.csv"
    file.write_text("review,verdict\nfine film,great\n")
    code, out, err = regard("evaluate", trained, "--data", file)
    assert (code, out) == (1, "")
    assert "labels unknown to this run: 'great'" in one_line(err)


def test_predict_writes_one_json_object_a_line(trained, regard):
    code, out, err = regard("predict", trained, "--text", TEXT, "--text", "Dull [bold] 苹果 :smile:")
    assert (code, err) == (0, "")
    first, second = map(json.loads, out.splitlines())
    assert (first["text"], second["text"]) == (TEXT, "Dull [bold] 苹果 :smile:")
    assert set(first["probabilities"]) == {"good", "bad"}
    assert sum(first["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert first["probability"] == first["probabilities"][first["label"]] == max(first["probabilities"].values())


def test_predict_on_a_file_keeps_the_row_numbers(trained, examples, tmp_path, regard):
    out_file = tmp_path / "answers.jsonl"
    code, out, _ = regard("predict", trained, "--data", examples / "reviews.csv", "--out", out_file)
    assert (code, out) == (0, f"120 answers written to {out_file}\n")
    answers = [json.loads(line) for line in out_file.read_text(encoding="utf-8").splitlines()]
    rows = list(csv.DictReader((examples / "reviews.csv").read_text(encoding="utf-8").splitlines()))
    assert [answer["row"] for answer in answers] == list(range(1, 121))
    assert [answer["text"] for answer in answers] == [row["review"] for row in rows]


def test_predict_refuses_rows_it_cannot_use_unless_told_to_skip_them(trained, tmp_path, regard, one_line):
    file = tmp_path / "some.csv"
    file.write_text('words\nfine film\n" "\ndull film\n')
    code, out, err = regard("predict", trained, "--data", file, "--column", "words")
    assert (code, out) == (1, "")
    assert "1 of 3 rows cannot be used: row 2 (line 3): empty text" in one_line(err)
    code, out, _ = regard("predict", trained, "--data", file, "--column", "words", "--skip-refused")
    assert code == 0
    assert [json.loads(line)["row"] for line in out.splitlines()] == [1, 3]


def test_predict_into_a_folder_that_is_not_there(trained, tmp_path, regard, one_line):
    code, _, err = regard("predict", trained, "--text", TEXT, "--out", tmp_path / "none" / "a.jsonl")
    assert code == 1
    assert "cannot be written" in one_line(err)


def test_explain_shows_the_models_own_numbers(trained, regard):
    code, out, err = regard("explain", trained, "--text", TEXT, "--method", "last attention")
    assert (code, err) == (0, "")
    found = load_run(trained).predict([TEXT])[0]
    assert out.startswith(f"{found.label}  (probability {found.probability:.3f})\n")
    assert TEXT in out
    heaviest = max(found.tokens, key=lambda token: token.weight)
    first = re.split(r"word +weight\n", out)[1].splitlines()[0]  # ". (6th)": the text has two full stops
    assert first.split() == [TEXT[heaviest.start : heaviest.end], f"{heaviest.weight:.3f}"]
    assert "taking away the 10% heaviest words (2 of " in out
    assert moved(out, found.label)[0] == f"{found.probability:.3f}"
    assert "taking away 2 words at random: " in out
    assert "20 draws" in out
    assert "measured on this input alone" in out
    assert LIMITS in out
    assert "\x1b" not in out


def test_explain_chooses_the_method_and_says_why(trained, regard):
    code, out, err = regard("explain", trained, "--text", TEXT, "--way", "delete")
    assert (code, err) == (0, "")
    assert "chosen as the best of " in out
    assert "what is taken away is left out" in out
    assert "instead: from" not in out  # one way was asked for


def test_explain_a_file_into_a_page(trained, tmp_path, regard):
    file, page = tmp_path / "review.txt", tmp_path / "page.html"
    file.write_text("Great <b>fun</b>!\nI loved it.", encoding="utf-8")
    code, out, _ = regard("explain", trained, "--file", file, "--html", page, "--method", "occlusion", "--draws", "3")
    assert code == 0
    assert f"written to {page}" in out
    assert "taking away the 10% heaviest words (" in out
    assert "3 draws" in out
    source = page.read_text(encoding="utf-8")
    assert source.startswith("<!doctype html>")
    assert "<b>" not in source
    assert "run &#x27;reviews&#x27;" in source
    assert "How faithful" in source


def test_explain_measures_on_rows_of_a_file(trained, examples, regard):
    asked = ("explain", trained, "--text", TEXT, "--data", examples / "reviews.csv", "--evidence", "12")
    code, out, err = regard(*asked, "--method", "gradient x input", "--draws", "2")
    assert (code, err) == (0, "")
    assert "on 12 further inputs, taking away the 10% heaviest words lowers" in out
    assert "comprehensiveness (higher is better): " in out
    assert "sufficiency (lower is better): " in out
    assert "measured on this input and on 12 others" in out
    given = load_run(trained).given(Asked(examples / "reviews.csv", {"text": "review"}, truths=False))
    marks = load_file(trained / "seen.safetensors")["marks"].tolist()
    known = sum(mark in marks for mark in given.marks[:12].tolist())
    assert known > 0
    assert f"the run was trained or validated on {known} of the 12 further inputs: of new ones this" in out


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ((), "one of --text, --file and --data"),
        (("--text", "a", "--file", "b"), "one of --text, --file and --data"),
        (("--text", "a", "--data", "b"), "--data goes with --evidence N"),
        (("--text", "a", "--evidence", "5"), "needs --data FILE"),
        (("--text", "a", "--model", "b"), "either the folder of a run, or --model"),
        (("--text", "fine", "--method", "guessing"), "expected 'best' or one of 'last attention'"),
        (("--text", "fine", "--way", "blur"), "way='blur': this question has mask, delete"),
        (("--text", "fine", "--target", "superb"), "'superb'"),
    ],
)
def test_explain_refuses_what_makes_no_sense_in_a_line(typed, said, trained, regard, one_line):
    code, out, err = regard("explain", trained, *typed)
    assert (code, out) == (2, "")
    assert said in one_line(err)


def test_explain_needs_a_model(regard, one_line):
    code, _, err = regard("explain", "--text", "a")
    assert code == 2
    assert "either the folder of a run, or --model" in one_line(err)


def test_explain_one_word(trained, regard):
    code, out, _ = regard("explain", trained, "--text", "fun", "--method", "occlusion")
    assert code == 0
    assert "taking away the 10% heaviest words (1 of 1: fun)" in out


def test_a_text_longer_than_the_model_reads(trained, regard):
    text = " ".join(f"fun{i}" for i in range(300)) + " and <br /> great fun"
    code, out, _ = regard("explain", trained, "--text", text, "--method", "gradient x input", "--draws", "1")
    assert code == 0
    unread = load_run(trained).predict([text])[0].unread
    assert unread > 0
    assert f"{unread} tokens of the text are not read." in out
    label, probability = re.match(r"(\w+)  \(probability (.*)\)", out).groups()
    assert moved(out, label)[0] == probability  # cut to what is read, the answer is the same


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "vocab/tokenizer.json"])
def test_a_run_that_was_cut_in_half_is_one_line(name, trained, tmp_path, regard, one_line):
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: len(content) // 2])
    code, out, err = regard("explain", copy, "--text", TEXT)
    assert (code, out) == (1, "")
    assert one_line(err).startswith("error: ")
    assert "train" in err


def test_train_on_chinese(examples, tmp_path, regard):
    file, out_folder = examples / "chinese.csv", tmp_path / "zh"
    columns = ("--text", "评论", "--label", "态度", "--out", out_folder)
    code, out, err = regard("train", "classify", "--data", file, *columns, "--epochs", "1", "--core", "transformer")
    assert (code, err) == (0, "")
    assert "subwords" in out
    code, out, _ = regard("explain", out_folder, "--text", "质量很好，非常喜欢。")
    assert code == 0
    assert out.splitlines()[0].split()[0] in ("好", "差")


def test_precision_is_a_setting_that_the_run_keeps(examples, tmp_path, regard):
    file, folder = examples / "reviews.csv", tmp_path / "half"
    columns = ("--text", "review", "--label", "verdict", "--epochs", "1", "--precision", "bfloat16", "--out", folder)
    code, _, err = regard("train", "classify", "--data", file, *columns)
    assert (code, err) == (0, "")
    assert json.loads((folder / "config.json").read_text())["asked"]["train"]["precision"] == "bfloat16"
    assert json.loads((folder / "metrics.json").read_text())["cost"]["precision"] == "bf16"


def test_explain_a_row_of_a_file(trained, examples, regard, one_line):
    code, out, err = regard(
        "explain", trained, "--data", examples / "reviews.csv", "--row", "2", "--method", "last attention"
    )
    assert (code, err) == (0, "")
    second = list(csv.DictReader((examples / "reviews.csv").read_text(encoding="utf-8").splitlines()))[1]["review"]
    found = load_run(trained).predict([second])[0]
    assert out.startswith(f"{found.label}  (probability {found.probability:.3f})\n")
    assert second in out
    heaviest = max(found.tokens, key=lambda token: token.weight)
    assert f"{heaviest.weight:.3f}" in out.split("weight\n")[1].splitlines()[0]
    code, _, err = regard("explain", trained, "--data", examples / "reviews.csv", "--row", "200")
    assert code == 2
    assert one_line(err) == (
        "error: --row 200: reviews.csv has no such row that can be used; ask for one of 1, 2, 3, 4, 5 and 115 more"
    )


def test_predict_and_explain_number_rows_as_the_file_does(trained, tmp_path, regard, one_line):
    rows = tmp_path / "rows.csv"
    rows.write_text('review,verdict\n"",positive\na fine film,positive\n')
    _, out, _ = regard("predict", trained, "--data", rows, "--column", "text=review", "--skip-refused")
    assert json.loads(one_line(out))["row"] == 2
    asked = ("explain", trained, "--data", rows, "--column", "text=review", "--method", "last attention")
    for row in ((), ("--row", "2")):
        code, out, _ = regard(*asked, *row)
        assert code == 0
        assert "a fine film" in out
        assert "1 row of rows.csv cannot be used and is left out." in out
    code, _, err = regard(*asked, "--row", "1")
    assert code == 2
    assert one_line(err).startswith(
        "error: --row 1: rows.csv has no such row that can be used; ask for one of 2 (regard "
    )


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("--row", "0"), "--row 0: expected 1 or more"),
        (("--row", "-1"), "--row -1: expected 1 or more"),
        (("--row", "x"), "--row x: expected a whole number"),
        (("--row", "1.5"), "--row 1.5: expected a whole number"),
        (("--evidence", "-3"), "--evidence -3: expected 0 or more"),
    ],
)
def test_a_number_that_cannot_be_is_told_in_one_line(typed, said, regard, one_line):
    code, _, err = regard("explain", "RUN", "--data", "rows.csv", *typed)
    assert (code, one_line(err)) == (2, f"error: {said}; see: regard explain --help")


def test_the_result_says_what_beats_what_and_what_it_cost(trained, train_command, regard):
    _, out, _ = regard(*train_command, "--out", trained)
    metrics = json.loads((trained / "metrics.json").read_text())
    model = metrics["scores"][0]
    for baseline in metrics["baselines"]:
        theirs = baseline["scores"][0]
        beats = model["low"] > theirs["high"]
        assert (f"\nbeats {baseline['name']}: intervals apart" in out) == beats
        others = ("is behind", "is ahead of", "is not told apart from")
        assert any(f"\n{other} {baseline['name']}" in out for other in others) == (not beats)
    assert 0 <= metrics["cost"]["padding"] < 0.15
    assert f"padding: {metrics['cost']['padding']:.1%} of the tokens computed" in out


def test_a_column_of_any_role(trained, tmp_path, regard, one_line):
    file = tmp_path / "some.csv"
    file.write_text("words,kind\nfine film,good\n")
    code, out, _ = regard("evaluate", trained, "--data", file, "--column", "text=words", "--column", "label=kind")
    assert (code, "1 rows of some.csv" in out) == (0, True)
    code, _, err = regard("evaluate", trained, "--data", file, "--column", "words")
    assert (code, "expected ROLE=NAME" in one_line(err)) == (2, True)
    code, _, err = regard("train", "classify", "--data", file, "--column", "picture=words")
    assert (code, "the columns of classify are: text, label" in one_line(err)) == (2, True)
