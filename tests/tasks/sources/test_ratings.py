"""MovieLens 100K: ratings, films and facts, out of a package as recbole's is."""

import csv
from collections import Counter

import pytest
from tests.tasks.package_files import wheel

from regard.tasks.event import unheard
from regard.tasks.sources.ratings import films, graph, ratings

FOLDER = "recbole/dataset_example/ml-100k/ml-100k"
INSIDE = {
    f"{FOLDER}.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    "196\t242\t3\t881250949\n186\t12\t3\t891717742.0\n",
    f"{FOLDER}.item": "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    '12\tUsual Suspects, The\t1995\tCrime Thriller\n242\tA "Quoted" Film\t1996\tComedy\n',
    f"{FOLDER}.link": "item_id:token\tentity_id:token\n242\tm.0abc\n",
    f"{FOLDER}.kg": "head_id:token\trelation_id:token\ttail_id:token\nm.0abc\tfilm.film.genre\tm.05p553\n",
}


@pytest.fixture
def files(tmp_path):
    return [wheel(tmp_path / "films.whl", INSIDE)]


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_ratings_are_events(files, tmp_path):
    ratings(files, tmp_path / "events.csv", unheard)
    assert read(tmp_path / "events.csv") == [
        {"user": "196", "item": "242", "time": "881250949", "value": "3"},
        {"user": "186", "item": "12", "time": "891717742", "value": "3"},
    ]


def test_films_keep_their_titles_and_know_their_place_in_the_graph(files, tmp_path):
    films(files, tmp_path / "films.csv", unheard)
    assert read(tmp_path / "films.csv") == [
        {"item": "12", "title": "Usual Suspects, The", "year": "1995", "genres": "Crime Thriller", "entity": ""},
        {"item": "242", "title": 'A "Quoted" Film', "year": "1996", "genres": "Comedy", "entity": "m.0abc"},
    ]


def test_facts_are_triples(files, tmp_path):
    graph(files, tmp_path / "graph.csv", unheard)
    assert read(tmp_path / "graph.csv") == [{"head": "m.0abc", "relation": "film.film.genre", "tail": "m.05p553"}]


def test_a_row_cut_short_is_an_error(tmp_path):
    file = wheel(tmp_path / "cut.whl", {f"{FOLDER}.kg": "head_id:token\ttail_id:token\nm.0abc\n"})
    with pytest.raises(ValueError, match="argument"):
        graph([file], tmp_path / "graph.csv", unheard)


@pytest.mark.data
def test_the_real_ratings_hold_what_the_documents_say(needed):
    rows = read(needed("ml-100k"))
    assert len(rows) == 100_000
    assert (len({row["user"] for row in rows}), len({row["item"] for row in rows})) == (943, 1682)
    assert len({(row["user"], row["item"]) for row in rows}) == 100_000
    each = Counter(row["user"] for row in rows).values()
    assert (min(each), max(each)) == (20, 737)
    assert {float(row["value"]) for row in rows} == {1, 2, 3, 4, 5}
    assert min(int(row["time"]) for row in rows) == 874_724_710
    assert max(int(row["time"]) for row in rows) == 893_286_638


@pytest.mark.data
def test_the_real_films_and_facts_hold_what_the_documents_say(needed):
    listed, facts = read(needed("ml-100k-films")), read(needed("ml-100k-graph"))
    assert len(listed) == 1682
    assert (listed[0]["title"], listed[0]["year"]) == ("Toy Story", "1995")
    assert len(facts) == 91_631
    assert len({fact["relation"] for fact in facts}) == 24
    assert sum(bool(film["entity"]) for film in listed) == 1598
    known = {fact[end] for fact in facts for end in ("head", "tail")}
    assert all(film["entity"] in known for film in listed if film["entity"])
