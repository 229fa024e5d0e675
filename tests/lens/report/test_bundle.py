"""The built page is what its source builds."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

WEB = Path(__file__).parents[3] / "web"
BUILT = files("regard.lens.report")


def test_the_bundle_was_built_from_this_source():
    total = hashlib.sha256()
    sources = sorted(f"src/{path.name}" for path in (WEB / "src").iterdir())
    for name in [*sources, "build.mjs", "package.json", "package-lock.json"]:
        total.update(f"{name}\n".encode() + (WEB / name).read_bytes())
    first = BUILT.joinpath("page.js").read_text(encoding="utf-8").splitlines()[0]
    assert f"Source {total.hexdigest()}" in first, "web/src was changed after the last build: run web/build"


def test_building_again_gives_the_same_bytes():
    if shutil.which("node") is None or not (WEB / "node_modules").is_dir():
        why = "the page cannot be built here: it needs node and web/node_modules; type: web/build --check"
        pytest.fail(why) if os.environ.get("CI") and shutil.which("node") else pytest.skip(why)
    done = subprocess.run(["node", "build.mjs", "--check"], cwd=WEB, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_changed_source_is_seen(tmp_path):
    """The check must be able to fail: one more line in a copy of the source, and it is red."""
    if shutil.which("node") is None or not (WEB / "node_modules").is_dir():
        pytest.skip("needs node and web/node_modules; type: web/build --check")
    copy = tmp_path / "web"
    shutil.copytree(WEB, copy, symlinks=True, ignore=shutil.ignore_patterns("node_modules"))
    (copy / "node_modules").symlink_to(WEB / "node_modules")
    built = tmp_path / "src" / "regard" / "lens" / "report"
    built.mkdir(parents=True)
    for name in ("page.js", "page.css"):
        (built / name).write_bytes(BUILT.joinpath(name).read_bytes())
    with (copy / "src" / "style.css").open("a", encoding="utf-8") as style:
        style.write("b { color: red }\n")
    done = subprocess.run(["node", "build.mjs", "--check"], cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "page.css is not what web/ builds" in done.stderr


def test_versions_are_pinned_and_notices_are_kept():
    lock = json.loads((WEB / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    package = json.loads((WEB / "package.json").read_text(encoding="utf-8"))
    for name, version in {**package["dependencies"], **package["devDependencies"]}.items():
        assert lock[f"node_modules/{name}"]["version"] == version
    page = BUILT.joinpath("page.js").read_text(encoding="utf-8")
    assert page.count("Permission is hereby granted") == 2


def test_texts_are_never_markup():
    for path in (WEB / "src").iterdir():
        assert not re.search(r"innerHTML|dangerously|outerHTML|\beval\b", path.read_text(encoding="utf-8")), path.name
