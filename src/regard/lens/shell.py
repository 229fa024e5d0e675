"""What every small page of the lens is around its content: one file, no script, no outside request."""

from __future__ import annotations

from html import escape
from importlib.resources import files


def shell(title: str, main: str, *, wide: bool = False, pictures: bool = False) -> str:
    """The whole file. `main` is HTML, already escaped; `wide`: no limit on how long a line is, for tables; `pictures`:
    there are some, inside it."""
    style = files("regard.lens").joinpath("page.css").read_text(encoding="utf-8")
    allowed = "; img-src data:" if pictures else ""
    opening = '<main class="wide">' if wide else "<main>"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'{allowed}">
<title>{escape(title)}</title>
<style>
{style}</style>
</head>
<body>
{opening}
{main}
</main>
</body>
</html>
"""
