"""Every sentence that the studio's server can say, read out of its source; and the page's table of their Chinese."""

import ast
import functools
import json
import re
from pathlib import Path

import regard.app.studio

HERE = Path(regard.app.studio.__file__).parent
TABLE = Path(__file__).parents[3] / "web" / "studio" / "zh" / "told.json"
# what is saved and the log on the terminal are English; a command line is no sentence
OTHERS = {"saved.py", "curves.py", "typed.py", "page.py"}
WORDS = 3
VALUES = {"{}": "(.+?)", "{_}": r"(\S+)"}  # any text; or, where a form has few words of its own, one without a blank
GAP = "GAP"  # stands where a value is filled in


def said():
    """(file, sentence), each value in it as GAP."""
    found = {}
    for path in sorted(HERE.rglob("*.py")):
        if path.name not in OTHERS:
            for sentence in _of(ast.parse(path.read_text(encoding="utf-8"))):
                found.setdefault(sentence, path.name)
    return [(name, sentence) for sentence, name in found.items()]


def _of(tree):
    passed = {id(one) for node in ast.walk(tree) for one in _silent(node)}
    for node in ast.walk(tree):
        if id(node) in passed:
            continue
        if isinstance(node, ast.JoinedStr):
            passed |= {id(one) for one in ast.walk(node)}
            text = "".join(one.value if isinstance(one, ast.Constant) else GAP for one in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        else:
            continue
        if len(re.findall(r"[A-Za-z]{2,}", text.replace(GAP, ""))) >= WORDS and " " in text.strip():
            yield text.strip()


def _silent(node):
    """Strings that nobody is shown: docstrings, expressions, what is logged, keywords of a policy."""
    if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        first = node.body[0] if node.body else None
        yield from ast.walk(first) if isinstance(first, ast.Expr) else ()
    if isinstance(node, ast.Call):
        name = ast.unparse(node.func)
        if name in ("re.compile", "_log.error", "assert", "StringConstraints", "TypeVar"):
            yield from ast.walk(node)
    if isinstance(node, ast.Assign | ast.AnnAssign) and ast.unparse(node).startswith(("POLICY", "HEADERS", "_ENTRY")):
        yield from ast.walk(node)


@functools.cache
def table():
    """[(English, Chinese with {1}, {2}, ... for its values)], those with most words of their own first."""
    pairs = [tuple(pair) for pair in json.loads(TABLE.read_text(encoding="utf-8"))]
    return sorted(pairs, key=lambda pair: -len(re.sub(r"\{_?\}", "", pair[0])))


def chinese(text):
    """As the page says it: the first form that fits, and so the values in it; None where there is none."""
    for english, other in table():
        parts = (VALUES.get(part) or re.escape(part) for part in re.split(r"(\{_?\})", english))
        found = re.fullmatch("".join(parts), text, re.DOTALL)
        if found:
            values = [
                chinese(each) or re.sub(r" \((\d+)(?:st|nd|rd|th)\)", r"（第 \1 个）", each) for each in found.groups()
            ]
            return re.sub(r"\{(\d+)\}", lambda place, values=values: values[int(place[1]) - 1], other)
    return None
