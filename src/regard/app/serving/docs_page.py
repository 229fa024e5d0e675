"""What there is to ask, as one page without scripts or anything from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

_STYLE = "body{font:16px/1.5 system-ui;max-width:50em;margin:2em auto;padding:0 1em}pre{background:#8882;padding:.7em}"


def docs_page(schema: Mapping[str, Any]) -> str:
    """The page, of an OpenAPI description."""
    info = schema["info"]
    parts = [f"<h1>{escape(info['title'])}</h1><p>{escape(info.get('description', ''))}</p>"]
    for path, methods in schema["paths"].items():
        for method, each in methods.items():
            parts.append(f"<h2>{method.upper()} {escape(path)}</h2><p>{escape(each.get('summary', ''))}</p>")
    shapes = schema.get("components", {}).get("schemas", {})
    asked = {name: each for name, each in shapes.items() if "Validation" not in name}
    parts.append(f"<h2>What is sent</h2><pre>{escape(json.dumps(asked, ensure_ascii=False, indent=2))}</pre>")
    parts.append("<p>All of it: <a href='/openapi.json'>openapi.json</a></p>")
    title = f"<title>{escape(info['title'])}</title><style>{_STYLE}</style>"
    return f"<!doctype html><html lang=en><meta charset=utf-8>{title}<body>{''.join(parts)}</body></html>"
