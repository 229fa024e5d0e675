"""regard profile, allocate and compare: a walk through all three, what is printed, written, and refused."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests.allocate.small import llama
from tests.model_folders import WORDS, write_tokenizer

from regard.allocate import Allocation, Profile
from regard.allocate.profile import profile as profiled
from regard.spec import MinMaxBlocks, WindowSinks

POLICIES = (WindowSinks(), MinMaxBlocks(4))
SMALL = ["--tokens", 48, "--samples", 2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny decoder with its tokenizer, and two texts."""
    place = tmp_path_factory.mktemp("budgets")
    model = place / "tiny"
    llama().save_pretrained(model)
    write_tokenizer(model)
    (place / "one.txt").write_text(f"{WORDS} " * 20)
    (place / "two.txt").write_text(f"{' '.join(reversed(WORDS.split()))} " * 20)
    return place


@pytest.fixture(autouse=True)
def few_policies(monkeypatch):
    """Two policies at three fractions."""
    import regard.app.budgeting as module

    def fewer(*args: Any, **more: Any) -> Profile:
        return profiled(*args, policies=POLICIES, fractions=(0.1, 0.3, 0.6), **more)

    monkeypatch.setattr(module, "profile", fewer)
    monkeypatch.setattr(module, "EVENLY", WindowSinks())


@pytest.fixture
def walked(regard, folder, tmp_path):
    """The profile and the allocation as files, and what the two commands said."""
    found, made = tmp_path / "p.json", tmp_path / "a.json"
    first = regard(
        *("profile", "--model", folder / "tiny", "--text", folder / "one.txt", "--out", found, *SMALL),
        *("--queries", 8, "--page", tmp_path / "p.html"),
    )
    second = regard("allocate", "--profile", found, "--budget", 0.3, "--out", made, "--page", tmp_path / "a.html")
    return first, second, found, made


class Page(HTMLParser):
    """Tags and words; fails on whatever could ask a network for something."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert tag not in ("script", "link", "img", "iframe"), tag
        assert not {"src", "href"} & {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.words += data


def test_a_profile_and_its_allocation(walked, tmp_path):
    (code, out, err), (again, told, wrong), found, made = walked
    assert (code, err, again, wrong) == (0, "", 0, "")
    assert "tiny reads 2 pieces of 48 tokens" in out
    assert re.search(r"model\.layers\.1\.self_attn +1 +\d+ +\d+", out)
    assert "Expected cost of a budget" in out
    assert f"written to {found}" in out
    assert Profile.load(found).queries == 8
    assert Allocation.load(made).share == pytest.approx(0.3, abs=0.06)
    assert re.search(r"\d\d\.\d % of the bytes of keys and values; expected to cost 0\.\d{4} nats a token", told)
    for name, head in (("p.html", "Breadth and depth of every head"), ("a.html", "30 % allocated")):
        page = Page(tmp_path / name)
        assert head in page.words
        assert "model.layers.1.self_attn" in page.words
        assert page.tags.count("circle") >= 8  # heads
        assert "Content-Security-Policy" in (tmp_path / name).read_text()


def test_a_second_profile_goes_on_with_the_file(walked, regard, folder):
    _, _, found, _ = walked
    before = found.read_text()
    asked = ["profile", "--model", folder / "tiny", "--out", found, "--queries", 8, *SMALL]
    assert regard(*asked, "--text", folder / "one.txt")[0] == 0
    assert found.read_text() == before
    code, _, err = regard(*asked, "--text", folder / "two.txt")
    assert code == 1
    assert "its sample 1 is not the one given now" in err


def test_budgets_are_compared(walked, regard, folder, tmp_path):
    _, _, found, made = walked
    page, figures = tmp_path / "c.html", tmp_path / "c.json"
    code, out, err = regard(
        *("compare", "--model", folder / "tiny", "--text", folder / "two.txt", "--budget", ".3,.6", *SMALL),
        *("--profile", found, "--allocation", made, "--out", page, "--json", figures),
    )
    assert (code, err) == (0, "")
    names = ["exact", "the allocation", "allocated, 30 %", "even, 30 %", "allocated, 60 %", "even, 60 %"]
    for name in names:
        assert re.search(rf"^{name} +\d", out, re.M), name
    laid = json.loads(figures.read_text())
    assert [ran["name"] for ran in (laid["exact"], *laid["runs"])] == names
    assert laid["tokens"] == 2 * 23
    assert laid["runs"][0]["loss"] == pytest.approx(laid["runs"][1]["loss"])  # the same budget, from the file and anew
    words = Page(page).words
    assert "Budget against cost" in words
    assert "even" in words
    assert "Error of each layer" in words


def test_pieces_that_were_profiled_too_are_told(walked, regard, folder):
    _, _, found, _ = walked
    asked = ["compare", "--model", folder / "tiny", "--profile", found, "--budget", ".3", *SMALL]
    code, out, _ = regard(*asked, "--text", folder / "one.txt")
    assert code == 0
    assert "2 of the 2 pieces were profiled too: on another text" in out
    assert "profiled too" not in regard(*asked, "--text", folder / "two.txt")[1]


def test_an_allocation_alone_and_a_budget_alone(walked, regard, folder, tmp_path):
    _, _, _, made = walked
    asked = ["compare", "--model", folder / "tiny", "--text", folder / "two.txt", *SMALL]
    code, out, _ = regard(*asked, "--allocation", made, "--out", tmp_path / "c.html")
    assert code == 0
    assert "the allocation" in out
    assert "Breadth and depth" not in Page(tmp_path / "c.html").words
    code, out, _ = regard(*asked, "--budget", ".5")
    assert code == 0
    assert "even, 50 %" in out


def test_ctrl_c_says_how_to_go_on(regard, folder, tmp_path, monkeypatch):
    import regard.app.budgeting as module

    def stopped(*args: Any, path: Path, **more: Any) -> None:
        path.write_text("a part of it") if stopped.kept else None  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "profile", stopped)
    asked = ["profile", "--model", folder / "tiny", "--text", folder / "one.txt", "--out", tmp_path / "p.json", *SMALL]
    stopped.kept = False  # type: ignore[attr-defined]
    code, _, err = regard(*asked)
    assert (code, err) == (130, "stopped: nothing is kept yet; type the same command to begin again\n")
    stopped.kept = True  # type: ignore[attr-defined]
    code, _, err = regard(*asked)
    assert code == 130
    assert f"the pieces that are done are kept in {tmp_path / 'p.json'}; type the same command" in err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["compare", "--model", "tiny", "--text", "one.txt"], 2, "give --budget SHARES, --allocation FILE"),
        (["compare", "--model", "tiny", "--text", "one.txt", "--budget", "x"], 2, "--budget 'x': expected shares"),
        (["compare", "--model", "tiny", "--text", "one.txt", "--budget", "2"], 2, r"fraction=2.0"),
        (["compare", "--model", "tiny", "--text", "one.txt", "--budget", ".1,.1"], 2, "a share is there twice"),
        (["compare", "--model", "none", "--text", "one.txt", "--budget", ".1"], 1, "no such folder"),
        (["compare", "--model", "tiny", "--text", "none.txt", "--budget", ".1"], 1, "none.txt cannot be read"),
        (
            ["compare", "--model", "tiny", "--text", "one.txt", "--budget", ".1", "--profile", "one.txt"],
            1,
            "is no prof",
        ),
        (["profile", "--model", "tiny", "--text", "one.txt", "--out", "one.txt"], 1, "is the file of --text as well"),
        (["profile", "--model", "tiny", "--text", "one.txt", "--out", "p", "--tokens", "999"], 1, "has 256 positions"),
        (["profile", "--model", "tiny", "--text", "one.txt", "--out", "p", "--samples", "9"], 1, "ask for fewer"),
        (["allocate", "--profile", "none.json", "--budget", ".1", "--out", "a"], 1, "cannot be read"),
        (["allocate", "--profile", "one.txt", "--budget", ".1", "--out", "a"], 1, "is no profile"),
    ],
)
def test_what_is_wrong_is_one_line(regard, folder, monkeypatch, arguments, code, said):
    monkeypatch.chdir(folder)
    found, _, err = regard(*arguments, *(["--tokens", 200] if "--samples" in arguments else []))
    assert (found, len(err.splitlines())) == (code, 1), err
    assert said in err


def test_another_model_is_refused(walked, regard, folder, tmp_path):
    _, _, _, made = walked
    other = tmp_path / "other"
    llama(seed=1).save_pretrained(other)
    write_tokenizer(other)
    code, _, err = regard(*("compare", "--model", other, "--text", folder / "two.txt", "--allocation", made, *SMALL))
    assert code == 2
    assert "this allocation was made for a LlamaForCausalLM with other weights" in err
