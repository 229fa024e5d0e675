"""The Chinese README says what the English one says: the same code, links and sections, in the same order."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENGLISH = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "README.zh.md").read_text(encoding="utf-8")


def blocks(text):
    return re.findall(r"^```\w*\n.*?^```$", text, re.M | re.S)


def links(text):
    found = re.findall(r"\]\(([^)]+)\)", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))
    return [link for link in found if link not in ("README.md", "README.zh.md")]


def test_the_same_code():
    assert blocks(CHINESE) == blocks(ENGLISH)


def test_the_same_links_and_sections():
    assert sorted(links(CHINESE)) == sorted(links(ENGLISH))
    assert len(re.findall(r"^## ", CHINESE, re.M)) == len(re.findall(r"^## ", ENGLISH, re.M))


def test_a_difference_is_seen():
    assert blocks(CHINESE.replace("make demo", "make demos")) != blocks(ENGLISH)
