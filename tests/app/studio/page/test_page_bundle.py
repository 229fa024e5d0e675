"""The studio's built page is what its source builds, small enough, and free of what its policy forbids."""

from __future__ import annotations

import gzip
import hashlib
import re
from importlib.resources import files
from pathlib import Path

WEB = Path(__file__).parents[4] / "web"
BUILT = files("regard.app.studio").joinpath("page")
NAMES = ("page.html", "page.js", "page.css")


def sources():
    return [path for folder in ("src", "studio") for path in (WEB / folder).rglob("*") if path.is_file()]


def test_the_bundle_was_built_from_this_source():
    total = hashlib.sha256()
    for name in [
        *sorted(path.relative_to(WEB).as_posix() for path in sources()),
        "build.mjs",
        "package.json",
        "package-lock.json",
    ]:
        total.update(f"{name}\n".encode() + (WEB / name).read_bytes())
    first = BUILT.joinpath("page.js").read_text(encoding="utf-8").splitlines()[0]
    assert f"Source {total.hexdigest()}" in first, "web/ was changed after the last build: run web/build"
    assert BUILT.joinpath("page.html").read_bytes() == (WEB / "studio" / "page.html").read_bytes()


def test_it_is_small():
    assert sum(len(gzip.compress(BUILT.joinpath(name).read_bytes())) for name in NAMES) < 150_000


def test_notices_are_kept():
    assert BUILT.joinpath("page.js").read_text(encoding="utf-8").count("Permission is hereby granted") == 2


def test_nothing_that_the_policy_forbids():
    page = BUILT.joinpath("page.html").read_text(encoding="utf-8")
    assert not re.search(r"style=|onload=|<script>|https?://", page)
    for path in sources():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|dangerously|outerHTML = |\beval\b|new Function", text), path.name
        assert not re.search(r"https?://(?!www\.w3\.org)", text), path.name


def test_files_stay_short():
    long = [
        path.name
        for path in sources()
        if path.suffix in (".ts", ".tsx") and len(path.read_text("utf-8").splitlines()) > 300
    ]
    assert long == []
