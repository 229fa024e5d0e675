"""Which kind a file is taken for, and why."""

import pytest

from regard.spec.errors import DataError, SpecError
from regard.tasks.readers.kinds import KINDS, kind_named, kind_of, named


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        ("source,target", "pairs"),
        ("text,label", "labelled"),
        ("text", "texts"),
        ("context,question,answer", "questions"),
        ("path,text,group", "speech"),
        ("image,text,label", "captions"),
        ("image,label", "images"),
        ("user,item,time,value", "events"),
        ("time,value", "series"),
        ("time,a,b", "series"),
        ("symbols,label", "symbols"),
        ("image,boxes,labels", "scenes"),
        ("tokens,tags,group", "tagged"),
        ("a,b", "labelled"),  # whose report says what is missing
    ],
)
def test_a_table_is_known_by_its_columns(table, columns, kind):
    found, why = kind_of(table("rows.csv", columns, ",".join("x" for _ in columns.split(","))), {})
    assert found.name == kind
    assert why == (
        "no other kind has its columns" if columns == "a,b" else f"it has the columns {', '.join(found.needs)}"
    )


def test_a_table_of_numbers_is_known_by_its_first_row(table):
    path = table("rows.csv", "height,width,kind", "1,2.5,bell")
    assert kind_of(path, {"label": "kind"})[0].name == "measurements"
    assert kind_of(path, {})[0].name == "labelled"
    assert kind_of(table("other.csv", "a,label", "x,y"), {})[0].name == "labelled"
    assert kind_of(table("half.csv", "a,b,target", "x,1,2"), {})[0].name == "measurements"
    assert kind_of(table("few.csv", "a,b,c,target", "x,1,,2"), {})[0].name == "labelled"


def test_columns_of_other_names_count_as_what_they_are_for(table):
    path = table("rows.csv", "review,verdict,source,target", "a,b,c,d")
    assert kind_of(path, {"text": "review", "label": "verdict"})[0].name == "labelled"
    assert kind_of(path, {})[0].name == "pairs"


def test_folders_and_texts(tmp_path, png, table):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.PNG").write_bytes(png())
    assert kind_of(tmp_path, {})[0].name == "images"
    (tmp_path / "scenes.jsonl").write_text("{}")
    assert kind_of(tmp_path, {})[0].name == "scenes"
    table("texts/a.txt", "words")
    assert kind_of(tmp_path / "texts", {})[0].name == "texts"
    assert kind_of(tmp_path / "texts" / "a.txt", {})[0].name == "texts"
    table("odd/a.md", "words")
    with pytest.raises(DataError, match=r"holds neither pictures nor \.txt files, give a folder of one of them"):
        kind_of(tmp_path / "odd", {})
    table("sounds/said.csv", "path,text", "a.wav,x")
    with pytest.raises(DataError, match=r"holds neither pictures nor \.txt files, but said\.csv: give that"):
        kind_of(tmp_path / "sounds", {})


def test_kinds_have_names():
    assert kind_named("series").needs == ("time",)
    assert len({kind.name for kind in KINDS}) == len(KINDS) == 13
    with pytest.raises(SpecError, match="no kind of data is named 'music'; those there are: scenes, pairs"):
        kind_named("music")


def test_roles_that_a_kind_lacks_are_refused_and_labels_found(table):
    path = table("rows.csv", "symbols,label", "AB,x")
    assert named(kind_named("symbols"), path, {}) == {"label": "label"}
    assert named(kind_named("symbols"), path, {"label": "other"}) == {"label": "other"}
    with pytest.raises(SpecError, match="pairs have no column for text; theirs are for: source, target, group"):
        named(kind_named("pairs"), path, {"text": "a"})
