"""The web page and its files, and the reference of the API."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from kinlens.http import problems, reference
from kinlens.http.coding import is_current, qualities
from kinlens.http.headers import PAGE_HEADERS, PAGE_POLICY

router = APIRouter(include_in_schema=False)
FOLDER = FilePath(__file__).resolve().parent.parent / "web"
TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".ico": "image/x-icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
_COMPRESSED = (".css", ".html", ".js", ".json", ".svg", ".webmanifest")


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the page, as sent."""

    content: bytes
    compressed: bytes
    media_type: str
    is_text: bool
    digest: str


@router.get("/")
def index(request: Request) -> Response:
    """The page."""
    return _send(request, FOLDER / "index.html", PAGE_HEADERS)


@router.get("/live")
def live(request: Request) -> Response:
    """The live page."""
    return _send(request, FOLDER / "live.html", PAGE_HEADERS)


@router.get("/assets/{path:path}")
def asset(request: Request, path: Annotated[str, Path()]) -> Response:
    """A script, style or picture of the page."""
    return _send(request, FOLDER / path, {})


@router.get("/docs")
def docs(request: Request) -> Response:
    """The reference, made from the OpenAPI document."""
    style = f"'sha256-{reference.STYLE_HASH}'"
    policy = PAGE_POLICY.replace("style-src 'self'", f"style-src {style}")
    return Response(
        reference.render(request.app.openapi(), problems.all_kinds()),
        headers=PAGE_HEADERS | {"Content-Security-Policy": policy},
        media_type="text/html",
    )


@router.get("/problems/{slug}")
def problem(slug: Annotated[str, Path()]) -> Response:
    """Where the type of a problem document leads: its line in the reference."""
    if slug not in {kind.slug for kind in problems.all_kinds()}:
        raise HTTPException(404)
    return RedirectResponse(f"../docs#{slug}", 302)


def _send(request: Request, file: FilePath, headers: dict[str, str]) -> Response:
    found = _find(file)
    packed, plain = qualities(request.headers.getlist("accept-encoding"))
    if not packed and not plain:
        refusal = "This is sent as it is or as gzip, and Accept-Encoding refuses both."
        raise HTTPException(406, refusal, {"Vary": "Accept-Encoding"})
    is_packed = packed > 0 and packed >= plain and (found.is_text or not plain)
    tag = f'"{found.digest}{"-gzip" if is_packed else ""}"'
    headers = headers | {"ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    if is_current(request.headers.getlist("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    if is_packed:
        headers["Content-Encoding"] = "gzip"
    content = found.compressed if is_packed else found.content
    return Response(content, headers=headers, media_type=found.media_type)


def _find(file: FilePath) -> Asset:
    """A file of the page's folder; whatever leads out of it, or isn't of the page, is not found."""
    try:
        inside = file.resolve(strict=True)
        state = inside.stat()
    except (OSError, ValueError):
        raise HTTPException(404) from None
    if not inside.is_relative_to(FOLDER) or not inside.is_file() or inside.suffix not in TYPES:
        raise HTTPException(404)
    return _load(inside, state.st_mtime_ns)


@lru_cache(maxsize=256)
def _load(file: FilePath, _changed: int) -> Asset:
    content = file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:32]
    is_text = file.suffix in _COMPRESSED
    return Asset(content, gzip.compress(content, mtime=0), TYPES[file.suffix], is_text, digest)
