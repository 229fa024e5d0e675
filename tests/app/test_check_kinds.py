"""`regard check` on data of every kind: what it counts, what it refuses, and its exit code."""

import io
import json
import wave

import pytest
from PIL import Image


@pytest.fixture
def file(tmp_path):
    def write(name, *lines):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


def png(shade, size=(6, 4)):
    out = io.BytesIO()
    Image.new("L", size, shade).save(out, "PNG")
    return out.getvalue()


def wav(path, rate=8000, channels=1, loud=9000):
    with wave.open(str(path), "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(
            b"".join(int(loud * (-1) ** (n // channels)).to_bytes(2, "little", signed=True) for n in range(8000))
        )


def test_pairs(file, regard, one_line):
    path = file("rows.csv", "source,target", "a,b", "A,B", "c,c", "d,eeeeeeeee", ",f", "g,h")
    test = file("test.csv", "source,target", "g,x")
    code, out, err = regard("check", path, "--test", test)
    assert code == 1
    lines = out.splitlines()
    assert lines[:2] == [
        "rows.csv: 5 rows can be used, 1 cannot",
        "read as pairs of texts (it has the columns source, target); another kind: --kind NAME",
    ]
    for said in (
        "  row 5 (line 6): empty text in column 'source'",
        "characters a target: shortest 1, median 1, nine of ten at most 9, longest 9",
        "pairs with one side over four times as long as the other: 1 (row 4 is the first)",
        "pairs with equal sides: 1",
        "duplicates (training keeps the first of each): 1",
        "rows whose source is also in the test file: 1",
        "warning: 1 rows have a source that is also in the test file: training leaves them out",
    ):
        assert said in lines
    assert one_line(err).startswith("error: rows.csv cannot be trained on as it is: 1 refused rows (correct them, or")


def test_questions(file, regard):
    path = file("rows.csv", "context,question,answer", "a b,c,b", "a b,d,z", "e,f,b")
    code, out, err = regard("check", path)
    assert (code, err) == (0, "")
    assert "answers that stand word by word in their context: 1 of 3" in out
    assert "b          2  66.7%" in out
    assert out.splitlines()[-1] == "A model that answers questions can be trained on this file."


def test_texts(file, regard):
    code, out, err = regard("check", file("one.txt", "some words", "more"))
    assert (code, err) == (0, "")
    assert "16 characters in all (3 words between spaces), 9 different" in out
    assert "warning: fewer than 3 texts" in out


def test_images(tmp_path, regard, one_line):
    for name, content in {
        "a/1": png(1),
        "a/2": png(1),
        "b/3": png(2),
        "b/4": png(3, (8, 8)),
        "c/5": png(4)[:-30],
    }.items():
        (tmp_path / "all" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "all" / f"{name}.png").write_bytes(content)
    code, out, err = regard("check", tmp_path / "all")
    assert code == 1
    assert "all: 4 pictures can be used, 1 cannot" in out
    assert "  row 5: 5.png is cut short or broken" in out
    assert "a             2  50.0%" in out
    assert "pictures are of 2 sizes, 6 to 8 pixels wide and 4 to 8 high; 75% have 6 x 4" in out
    assert "duplicates (training keeps the first of each): 1" in out
    assert "1 refused rows" in one_line(err)


def test_captions(tmp_path, file, regard):
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(png(number))
    code, out, err = regard("check", file("rows.csv", "image,text", *(f"{n}.png,word {n}" for n in range(3))))
    assert (code, err) == (0, "")
    assert "every picture has 6 x 4 pixels" in out


def test_scenes(tmp_path, file, regard):
    (tmp_path / "a.png").write_bytes(png(1))
    (tmp_path / "b.png").write_bytes(png(2))
    (tmp_path / "c.png").write_bytes(png(3))
    boxes = {"a": [[0, 0, 3, 4]], "b": [[0, 0, 6, 4], [1, 1, 2, 2]], "c": []}
    rows = [{"image": f"{k}.png", "boxes": v, "labels": ["cat"] * len(v)} for k, v in boxes.items()]
    file("scenes.jsonl", *map(json.dumps, rows))
    code, out, err = regard("check", tmp_path)
    assert (code, err) == (0, "")
    assert "boxes a picture: least 0, median 1, nine of ten at most 2, most 2" in out
    assert "a box's share of its picture: least 4.2%, median 50.0%" in out
    assert "pictures without a box: 1; with a mask: 0" in out
    assert "cat        3  100.0%" in out


def test_speech_and_what_was_set(tmp_path, file, regard, one_line):
    wav(tmp_path / "a.wav")
    wav(tmp_path / "b.wav")
    wav(tmp_path / "c.wav", channels=2)
    wav(tmp_path / "d.wav", loud=0)
    path = file("rows.csv", "path,text", "a.wav,one", "b.wav,two", "c.wav,three", "d.wav,four")
    code, out, err = regard("check", path)
    assert code == 1
    assert "  row 3 (line 4): c.wav has 2 channels, expected 1 (to mix them: sound.channels=mix)" in out
    assert "  row 4 (line 5): d.wav is silent for all of its 1.00 seconds" in out
    assert "2 refused rows" in one_line(err)
    code, out, err = regard("check", path, "--set", "sound.channels=mix")
    assert "rows.csv: 3 recordings can be used, 1 cannot" in out
    assert "1 recordings have several channels: they are mixed to one (rows 3)" in out
    assert "seconds a recording: shortest 0.50, median 1.00" in out
    assert "0.00 hours in all, at 8,000 samples a second" in out


def test_series(file, regard, one_line):
    path = file("rows.csv", "time,value", "2020-01-01,1", "2020-01-02,2", "2020-01-05,3", "2020-01-06,4")
    code, out, err = regard("check", path)
    assert (code, err) == (0, "")
    assert "rows.csv: 1 series can be used, 0 rows cannot" in out
    assert "rows    2020-01-01  2020-01-06      4     1      1   2.5     4" in out
    assert "times are apart: every day" in out
    assert "gaps:\n  series 'rows' after 2020-01-02: 2 missing" in out
    assert "warning: 1 gaps (2 times missing): they are not filled, and no window crosses one" in out
    path = file("late.csv", "time,value", "2,1", "1,2", "3,3")
    code, out, err = regard("check", path)
    assert code == 1
    code, out, err = regard("check", path, "--set", "unsorted=sort")
    assert code == 0
    assert "1 rows were not in order of time: they are sorted" in out


def test_events(file, regard):
    path = file("rows.csv", "user,item,time", "u,x,1", "u,y,2", "v,x,1", "v,x,2", "v,x,2")
    code, out, err = regard("check", path, "--test", file("test.csv", "user,item,time", "u,z,9"))
    assert (code, err) == (0, "")
    assert "2 users, 2 items; of all their pairs 75.00% occur" in out
    assert "events a user: least 2, median 2, nine of ten at most 3, most 3" in out
    assert "events that occur again (one user, item and time): 1" in out
    assert "items with one event, which a model can hardly learn: 1" in out
    assert "rows of the test file whose item no training row has: 1" in out


def test_symbols(file, regard, one_line):
    path = file("rows.csv", "symbols,label", "ACGT,a", "AAAN,b", "AC,a", "AG,b")
    code, out, err = regard("check", path, "--set", "alphabet=ACGT")
    assert code == 1
    assert "  row 2 (line 3): symbol 'N' at place 4 is not in the alphabet (A C G T)" in out
    assert "label 'b' occurs once" in one_line(err)
    code, out, err = regard("check", path)
    assert code == 0
    assert "'A'         6  50.0%" in out
    assert "warning: 2 symbols occur once, such as 'N': no model can learn them" in out


def test_a_kind_by_name(file, regard, one_line):
    path = file("rows.csv", "text,label", "a,x", "b,y", "c,x", "d,y")
    assert "4 texts can be used" in regard("check", path, "--kind", "texts")[1]
    code, _, err = regard("check", path, "--kind", "music")
    assert code == 2
    assert "no kind of data is named 'music'" in one_line(err)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "channels=mix"], "expected NAME=VALUE, with a name that series have: unsorted, covariates"),
        (["--set", "unsorted=drop"], "expected refuse or sort"),
        (["--column", "text=a"], "series have no column for text"),
        (["--column", "text"], "expected ROLE=NAME"),
    ],
)
def test_what_cannot_be_asked(file, regard, one_line, words, said):
    code, _, err = regard("check", file("rows.csv", "time,value", "1,2"), "--kind", "series", *words)
    assert code == 2
    assert said in one_line(err)


def test_tagged_words(file, regard):
    rows = [{"tokens": ["a"] * n, "tags": ["x", "y", "x"][:n]} for n in (1, 2, 3)]
    code, out, err = regard("check", file("rows.jsonl", *map(json.dumps, rows)))
    assert (code, err) == (0, "")
    assert "words a sentence: shortest 1, median 2, nine of ten at most 3, longest 3" in out
    assert "x        4  66.7%" in out


def test_measurements(file, regard, one_line):
    path = file("rows.csv", "height,flat,label", "1,5,a", "2,5,b", "3,5,a", "3,5,b")
    code, out, err = regard("check", path)
    assert (code, err) == (0, "")
    assert "height      1  2.25     3      0" in out
    assert "warning: columns that never change, and tell nothing: flat" in out
    assert "one row with several labels (training leaves them out): 2 rows (3, 4)" in out
    mixed = file("mixed.csv", "size,colour,target", "1,red,3", ",blue,4", "x,red,5", "2,,6")
    code, out, err = regard("check", mixed, "--set", "numbers=size")
    assert code == 1
    assert "row 3 (line 4): column 'size' holds 'x', expected a number" in out
    assert "size        1   1.5     2      1" in out
    assert "colour (mostly 'red')           2      1" in out
    assert "values of target: least 3, median 4" in out
    code, _, err = regard("check", file("none.csv", "a,b", "1,2", "2,3", "3,4"), "--kind", "measurements")
    assert code == 1
    assert "nothing to be told (name its column" in one_line(err)
