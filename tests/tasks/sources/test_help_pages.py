"""Pairs of paragraphs out of help pages in two languages."""

import json

import pytest
from tests.tasks.package_files import debian_package

from regard.spec.errors import DataError
from regard.tasks.event import unheard
from regard.tasks.sources.help_pages import help_pairs, paragraphs

PAGE = """<!DOCTYPE html><html><head><meta charset="utf-8"><title>Not this</title></head><body>
<h1 id="hd_id1"><a name="x"></a>Inserting a new
 table</h1>
<p id="par_id2" class="paragraph">Choose <span class="switchinline"><span hidden="true" id="MAC1"
 class="MAC"><span class="emph">Preferences</span></span><span hidden="true" id="default1">Tools &amp; Options</span>
</span> <span class="emph">first</span>.<br>Then close it<img src="a.png" alt="a">now.</p>
<div class="note"><p id="par_id3">Nothing else needs to be done.</p></div>
<p>No id, so no pair is known.</p>
<p id="par_id4">3 &lt; 4</p><p id="par_id5">the same words here</p>
</body></html>"""


def test_paragraphs_and_headings_by_id_with_what_is_said_by_default():
    assert paragraphs(PAGE.encode()) == {
        "hd_id1": "Inserting a new table",
        "par_id2": "Choose Tools & Options first. Then close it now.",
        "par_id3": "Nothing else needs to be done.",
        "par_id4": "3 < 4",
        "par_id5": "the same words here",
    }


def pages(path, language, pages):
    inside = {f"./usr/share/libreoffice/help/{language}/{page}": text for page, text in pages.items()}
    return debian_package(path, inside)


def made(tmp_path, english, german):
    files = [pages(tmp_path / "en.deb", "en-US", english), pages(tmp_path / "de.deb", "de", german)]
    help_pairs(files, tmp_path / "pairs.jsonl", unheard)
    return [json.loads(line) for line in (tmp_path / "pairs.jsonl").read_text("utf-8").splitlines()]


def test_what_is_on_both_pages_under_one_id_is_a_pair(tmp_path):
    german = """<h1 id="hd_id1">Eine neue Tabelle einfügen</h1><p id="par_id3">Mehr ist nicht zu tun.</p>
        <p id="par_id4">3 &lt; 4</p><p id="par_id5">the same words here</p><p id="par_id9">Nur hier.</p>"""
    english = {"text/b.html": PAGE, "text/a.html": PAGE, "text/c.html": PAGE, "index.html": PAGE}
    rows = made(tmp_path, english, {"text/b.html": german, "text/a.html": german, "index.html": german})
    assert rows == [  # once, of the first page by name; what is the same in both languages, or too short, is no pair
        {"source": "Inserting a new table", "target": "Eine neue Tabelle einfügen", "group": "text/a.html"},
        {"source": "Nothing else needs to be done.", "target": "Mehr ist nicht zu tun.", "group": "text/a.html"},
    ]


@pytest.mark.parametrize(("words", "kept"), [(3, False), (4, True), (60, True), (61, False)])
def test_pairs_are_of_4_to_60_english_words(tmp_path, words, kept):
    english = {"text/a.html": f'<p id="par_id1">{"one " * words}</p><p id="par_id2">always one of them</p>'}
    german = {"text/a.html": '<p id="par_id1">eins</p><p id="par_id2">immer einer davon</p>'}
    rows = made(tmp_path, english, german)
    assert ("eins" in [row["target"] for row in rows]) == kept


def test_packages_of_other_pages_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"en.deb and de.deb have no paragraph in common"):
        made(tmp_path, {"text/a.html": PAGE}, {"text/z.html": PAGE})
