"""The API reference as one plain page: no script, nothing fetched from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any

from kinlens.http.problems import Kind

STYLE = """
:root { color-scheme: light dark; --quiet: #66686d; --line: #8884; --accent: #2f6fdb; }
@media (prefers-color-scheme: dark) { :root { --quiet: #a3a5ab; --accent: #8ab4f8; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 3rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 3rem; text-transform: capitalize }
article { border-top: 1px solid var(--line); padding: 1rem 0 }
h3 { font: 600 .95rem/1.5 ui-monospace, monospace; margin: 0; overflow-wrap: anywhere }
h3 b { color: var(--accent) } p { margin: .5rem 0 } small, dt { color: var(--quiet) }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; font-size: .9rem }
dd { margin: 0 } code, pre { font: .85rem/1.5 ui-monospace, monospace }
pre { background: #8881; padding: .75rem; border-radius: 8px; overflow-x: auto }
a { color: inherit }
"""
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()


def render(document: Mapping[str, Any], kinds: Iterable[Kind]) -> str:
    """The reference of an OpenAPI document and the kinds of problems, as HTML."""
    body = "".join((*_body(document), *_problems(kinds)))
    title = escape(document["info"]["title"])
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="assets/icon.svg" type="image/svg+xml">'
        f"<title>{title}</title><style>{STYLE}</style></head><body>{body}</body></html>"
    )


def _body(document: Mapping[str, Any]) -> Iterator[str]:
    info = document["info"]
    yield f"<h1>{escape(info['title'])}</h1>"
    yield from (f"<p>{_text(part)}</p>" for part in info["description"].split("\n\n"))
    yield '<p><small><a href="openapi.json">openapi.json</a></small></p>'
    for tag in document["tags"]:
        yield f"<h2>{escape(tag['name'])}</h2>"
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                if operation["tags"][0] == tag["name"] and method != "head":
                    yield from _operation(path, method, operation, document)


def _problems(kinds: Iterable[Kind]) -> Iterator[str]:
    yield "<h2>problems</h2><dl>"
    for kind in sorted(kinds, key=lambda kind: (kind.status, kind.slug)):
        yield f'<dt id="{kind.slug}">{kind.status} {kind.slug}</dt><dd>{escape(kind.title)}</dd>'
    yield "</dl>"


def _operation(
    path: str, method: str, operation: Mapping[str, Any], document: Mapping[str, Any]
) -> Iterator[str]:
    yield f"<article><h3><b>{method.upper()}</b> {escape(path)}</h3>"
    yield from (f"<p>{_text(part)}</p>" for part in operation["description"].split("\n\n"))
    yield "<dl>"
    for parameter in operation.get("parameters", ()):
        about = parameter.get("description") or _shape(parameter["schema"])
        yield f"<dt>{escape(parameter['name'])}</dt><dd>{_text(about)}</dd>"
    yield from _bodies(operation, document)
    statuses = ", ".join(
        f"{status} {escape(response['description'])}"
        for status, response in operation["responses"].items()
    )
    yield f"<dt>answers</dt><dd>{statuses}</dd></dl></article>"


def _bodies(operation: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[str]:
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        reference = content["schema"].get("$ref")
        if reference is None:
            yield f"<dt>{escape(media_type)}</dt><dd>the bytes themselves</dd>"
            continue
        model = document["components"]["schemas"][reference.rpartition("/")[2]]
        fields = ", ".join(f"<code>{escape(name)}</code>" for name in model["properties"])
        yield f"<dt>{escape(media_type)}</dt><dd>{fields}"
        for example in model.get("examples", ())[:1]:
            yield f"<pre>{escape(json.dumps(example, indent=2))}</pre>"
        yield "</dd>"


def _shape(schema: Mapping[str, Any]) -> str:
    kinds = [str(option.get("type", "")) for option in schema.get("anyOf", (schema,))]
    bounds = [
        f"{word} {schema[name]}"
        for name, word in (("minimum", "from"), ("maximum", "to"), ("default", "default"))
        if name in schema
    ]
    return " ".join([" or ".join(kind for kind in kinds if kind), *bounds])


def _text(text: str) -> str:
    """Escaped, with `code` marked."""
    parts = escape(" ".join(text.split()), quote=False).split("`")
    return "".join(
        f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts)
    )
