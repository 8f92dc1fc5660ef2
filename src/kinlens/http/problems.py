"""Errors as RFC 9457 problem documents: one row of the table a kind of error."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails, to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from kinlens import errors
from kinlens.http.methods import allowed_methods
from kinlens.printable import escaped

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 1000
log = logging.getLogger("kinlens.http")


class MalformedRequest(errors.InvalidInput):
    """A body that isn't the JSON or multipart it says it is."""


class UnsupportedBody(errors.InvalidInput):
    """A body of a content type that this route doesn't read."""


class BodyTooLarge(errors.InvalidInput):
    """A body over the byte limit."""


class BodyTooSlow(errors.InvalidInput):
    """A body that stopped coming."""


class HostRefused(errors.PermissionDenied):
    """A Host header that isn't one of this server's names."""


class InvalidHost(errors.InvalidInput):
    """A Host header that is missing, malformed or there several times."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem.

    Parameters
    ----------
    slug : ends its type, ``/problems/<slug>``
    status : of the response
    title : the same for all of the kind
    shown : whether the error's own message is for clients; else it only goes to the log
    retry_after : seconds, or None
    """

    slug: str
    status: int
    title: str
    shown: bool = True
    retry_after: float | None = None


KINDS: dict[type[Exception], Kind] = {
    MalformedRequest: Kind("malformed-request", 400, "The body can't be read"),
    UnsupportedBody: Kind("unsupported-content-type", 415, "Content type not read here"),
    BodyTooLarge: Kind("body-too-large", 413, "Body too large"),
    BodyTooSlow: Kind("body-too-slow", 408, "Body too slow"),
    InvalidHost: Kind("invalid-host", 400, "Host header can't be used"),
    HostRefused: Kind("host-refused", 403, "Unknown host name"),
    errors.InvalidFilter: Kind("invalid-filter", 422, "Filter can't be used"),
    errors.InvalidInput: Kind("invalid-input", 422, "Value can't be used"),
    errors.UnsupportedPicture: Kind("unsupported-picture", 422, "Not a picture that is read"),
    errors.PictureTooLarge: Kind("picture-too-large", 413, "Picture too large"),
    errors.PictureError: Kind("broken-picture", 422, "Picture can't be read"),
    errors.ForbiddenAddress: Kind("forbidden-address", 422, "Address not connected to"),
    errors.FetchError: Kind("fetch-failed", 422, "URL gave no picture"),
    errors.PictureUnreadable: Kind(
        "picture-unreadable", 503, "Picture can't be read", shown=False, retry_after=30
    ),
    errors.SourceError: Kind("picture-gone", 404, "Picture no longer there", shown=False),
    errors.PictureGone: Kind("picture-gone", 404, "Picture no longer there", shown=False),
    errors.NotFound: Kind("not-found", 404, "Not found"),
    errors.ModelUnavailable: Kind("model-unavailable", 503, "Model unavailable", shown=False),
    errors.EncoderError: Kind("encoder-failed", 500, "Encoder failed", shown=False),
    errors.EncoderMismatch: Kind("encoder-mismatch", 409, "Vectors of another encoder"),
    errors.CatalogBusy: Kind("catalog-busy", 503, "Catalog busy", shown=False, retry_after=1),
    errors.CatalogFull: Kind("catalog-full", 507, "No space left", shown=False),
    errors.CatalogUnavailable: Kind(
        "catalog-unavailable", 503, "Catalog unavailable", retry_after=1
    ),
    errors.CatalogError: Kind("catalog-failed", 500, "Catalog failed", shown=False),
    errors.Unauthenticated: Kind("unauthenticated", 401, "API key needed"),
    errors.PermissionDenied: Kind("permission-denied", 403, "Not allowed"),
    errors.RateLimited: Kind("rate-limited", 429, "Too many requests"),
    errors.Overloaded: Kind("overloaded", 503, "Too much in flight", retry_after=1),
    errors.MissingDependency: Kind("missing-dependency", 501, "Part not installed", shown=False),
    errors.KinlensError: Kind("internal", 500, "Unexpected error", shown=False),
}
VALIDATION = Kind("invalid-request", 422, "Request doesn't fit its description")
INTERNAL = KINDS[errors.KinlensError]
NOT_READY = Kind("not-ready", 503, "Not ready", retry_after=1)
_BY_STATUS = {
    status: Kind(phrase.lower().replace(" ", "-"), status, phrase)
    for status, phrase in (
        (400, "Bad Request"),
        (404, "Not Found"),
        (405, "Method Not Allowed"),
        (406, "Not Acceptable"),
    )
}

_HIDDEN = {
    404: "The picture's file is no longer where it was indexed; index it again.",
    507: "The disk of the catalog is full; nothing was changed.",
    503: "The server can't answer now; try again in a moment.",
}


class InvalidPart(BaseModel):
    """One thing that doesn't fit."""

    detail: str
    pointer: Annotated[str | None, Field(description="JSON pointer into the body.")] = None
    parameter: Annotated[str | None, Field(description="The query or path parameter.")] = None


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str = Field(examples=["/problems/invalid-input"])
    title: str
    status: int
    detail: str
    instance: str = Field(description="The path of the request.")
    request_id: Annotated[str | None, Field(description="Also in X-Request-Id and in the log.")] = (
        None
    )
    errors: list[InvalidPart] | None = None


def all_kinds() -> list[Kind]:
    """Every kind of problem that the API tells of, each slug once."""
    kinds = (*_BY_STATUS.values(), *KINDS.values(), VALIDATION, NOT_READY)
    return list({kind.slug: kind for kind in kinds}.values())


def kind_of(error: Exception) -> Kind:
    """The row of the closest class."""
    return next((KINDS[kind] for kind in type(error).__mro__ if kind in KINDS), INTERNAL)


def respond(error: Exception, scope: Scope) -> Response:
    """The problem document of any error; those that aren't a client's are logged."""
    if isinstance(error, HTTPException):
        return _from_http(error, scope)
    if isinstance(error, RequestValidationError):
        return _invalid(_parts(error.errors()), scope)
    if isinstance(error, ValidationError):
        return _from_body(error, scope)
    kind = kind_of(error)
    if kind.status >= 500 and not isinstance(error, errors.Overloaded):
        log.error(
            "%s %s failed (request %s)",
            scope["method"],
            escaped(scope["path"]),
            request_id(scope),
            exc_info=None
            if isinstance(error, errors.KinlensError) and kind is not INTERNAL
            else error,
        )
        if isinstance(error, errors.KinlensError):
            log.error("%s: %s", type(error).__name__, escaped(str(error)))
    return document(kind, _detail(error, kind), scope, headers=_headers(error, kind))


def document(
    kind: Kind,
    detail: str,
    scope: Scope,
    *,
    headers: Mapping[str, str] | None = None,
    parts: Iterable[InvalidPart] = (),
) -> Response:
    """Write a problem document."""
    problem = Problem(
        type=f"/problems/{kind.slug}",
        title=kind.title,
        status=kind.status,
        detail=detail,
        instance=scope["path"],
        request_id=request_id(scope),
        errors=list(parts) or None,
    )
    content = to_json(problem, exclude_none=True)
    return Response(content, kind.status, headers, media_type=MEDIA_TYPE)


def request_id(scope: Scope) -> str | None:
    """Names this request in answers and in the log."""
    value: str | None = scope.get("state", {}).get("request_id")
    return value


def install(app: FastAPI) -> None:
    """Let the app answer errors of its routes with problem documents."""
    for kind in (errors.KinlensError, HTTPException, RequestValidationError, ValidationError):
        app.add_exception_handler(kind, _handle)


async def _handle(request: Request, error: Exception) -> Response:
    return respond(error, request.scope)


def _detail(error: Exception, kind: Kind) -> str:
    if isinstance(error, errors.PictureUnreadable):
        return "The server may not read the picture's file, or its disk fails; its log says which."
    if isinstance(error, errors.CatalogUnavailable):  # its message names a path
        return f"Nothing can be read or written now: {error.reason}."
    if kind.shown:
        return str(error) or kind.title
    return _HIDDEN.get(
        kind.status, "Something went wrong on the server; its log tells what, by the request id."
    )


def _headers(error: Exception, kind: Kind) -> dict[str, str]:
    wait = error.retry_after if isinstance(error, errors.RateLimited) else kind.retry_after
    headers = {} if wait is None else {"Retry-After": str(max(1, math.ceil(wait)))}
    if kind.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="kinlens"'
    if isinstance(error, BodyTooLarge | BodyTooSlow):
        headers["Connection"] = "close"
    return headers


def _from_http(error: HTTPException, scope: Scope) -> Response:
    kind = _BY_STATUS.get(error.status_code, _BY_STATUS[400])
    details = {
        404: f"There is nothing at {scope['path']!r:.200}; /docs lists what there is.",
        405: f"{scope['method']} isn't a method of {scope['path']!r:.200}.",
    }
    detail = details.get(error.status_code, str(error.detail))
    headers = dict(error.headers or {})
    if error.status_code == 405:  # Starlette names the methods of one route; others may match too
        headers["Allow"] = ", ".join(allowed_methods(scope))
    return document(kind, detail, scope, headers=headers)


def _from_body(error: ValidationError, scope: Scope) -> Response:
    if error.error_count() > MAX_ERRORS:  # listing them all would take longer than the request
        detail = f"{error.error_count():,} things don't fit; the API's reference says what does."
        return document(VALIDATION, detail, scope)
    found = error.errors(include_url=False, include_context=False, include_input=False)
    if found[0]["type"] == "json_invalid":
        malformed = MalformedRequest(f"The body isn't JSON: {found[0]['msg']}.")
        return respond(malformed, scope)
    parts = [InvalidPart(detail=entry["msg"], pointer=pointer(entry["loc"])) for entry in found]
    return _invalid(parts, scope)


def _invalid(parts: list[InvalidPart], scope: Scope) -> Response:
    first = parts[0]
    where = first.parameter or first.pointer or "the body"
    more = f" ({len(parts) - 1} more in `errors`)" if len(parts) > 1 else ""
    return document(VALIDATION, f"{where}: {first.detail}{more}.", scope, parts=parts[:20])


def _parts(found: Iterable[ErrorDetails]) -> list[InvalidPart]:
    """Errors of query and path parameters, located as (kind, name, ...)."""
    return [
        InvalidPart(detail=entry["msg"], parameter=".".join(str(part) for part in entry["loc"][1:]))
        for entry in found
    ]


def pointer(location: Iterable[str | int]) -> str:
    """The JSON pointer (RFC 6901) of a place in a body."""
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in location)
    return "".join(f"/{step}" for step in steps)
