"""The report as one HTML file: payload, style and script in it, nothing asked of a network.

Texts of a trace are never markup: they lie in deflated sections, and the page puts them into text nodes. A policy in
the file lets only this very script and this very style run (by their hashes), and lets nothing be fetched.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from typing import Any

from regard.lens.report.payload import Payload

_WITHOUT = (
    "This report needs JavaScript, which is switched off in this browser. Nothing is fetched: everything is in "
    "this file. As JSON: regard observe --json."
)


def html(payload: Payload) -> str:
    """The whole file."""
    style, script = _built("page.css"), _built("page.js")
    policy = f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}"
    parts = "\n".join(
        f'<script type="text/plain" id="section.{name}">{text}</script>' for name, text in payload.sections.items()
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(str(payload.index["title"]))}</title>
<style>{style}</style>
</head>
<body>
<div id="page"></div>
<noscript>{_WITHOUT}</noscript>
<script type="application/json" id="index">{inert(payload.index)}</script>
{parts}
<script>{script}</script>
</body>
</html>
"""


def inert(values: Mapping[str, Any]) -> str:
    """JSON that cannot end the element it stands in, whatever its strings hold."""
    text = json.dumps(values, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _built(name: str) -> str:
    return files("regard.lens.report").joinpath(name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
