"""Bodies of requests: JSON, or multipart with pictures as parts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from kinlens.errors import InvalidInput
from kinlens.http.problems import BodyTooLarge, MalformedRequest, UnsupportedBody
from kinlens.http.requests import MAX_FIELDS, MAX_VALUES, Filter

M = TypeVar("M", bound=BaseModel)
JSON = "application/json"
MULTIPART = "multipart/form-data"
MAX_FORM_FIELDS = 32
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([^\s;\"']+)", re.IGNORECASE)
_FILTER: TypeAdapter[dict[str, Any]] = TypeAdapter(Filter)


@dataclass(frozen=True, slots=True)
class Form:
    """A multipart body.

    Parameters
    ----------
    images : the bytes of the `image` parts, in order
    fields : the other parts, as texts
    """

    images: list[bytes]
    fields: dict[str, str]


def content_type(request: Request, allowed: Sequence[str]) -> str:
    """The media type of a body; `UnsupportedBody` if it isn't one of those allowed."""
    header = request.headers.get("content-type", "")
    given = header.partition(";")[0].strip().lower()
    if given not in allowed:
        raise UnsupportedBody(
            f"This route reads {' or '.join(allowed)}; the Content-Type is {given or 'missing'!r}."
        )
    charset = _CHARSET.search(header)
    if charset and charset[1].lower() not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedBody(f"Bodies are UTF-8; the Content-Type says {charset[1]!r:.40}.")
    return given


async def read_bytes(request: Request, limit: int) -> bytes:
    """A body of at most so many bytes; of a longer one no more is kept, though all is read."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size <= limit:
            parts.append(part)
        else:
            parts.clear()
    if size > limit:
        raise BodyTooLarge(f"This takes at most {limit:,} bytes; the body has {size:,}.")
    return b"".join(parts)


async def read_json(request: Request, model: type[M]) -> M:
    """A JSON body; `ValidationError` says what doesn't fit."""
    content_type(request, (JSON,))
    return validate(model, await request.body())


def validate(model: type[M], text: bytes | str) -> M:
    """A model from JSON; `ValidationError` says what doesn't fit."""
    check_values(text)
    return model.model_validate_json(text)


def check_values(text: bytes | str) -> None:
    """Refuse JSON of so many values that reading them would keep all others waiting.

    Text that is quoted counts too, which only makes the bound lower.
    """
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if sum(raw.count(mark) for mark in (b",", b"[", b"{")) > MAX_VALUES:
        raise BodyTooLarge(
            f"JSON has at most {MAX_VALUES:,} values, and this has more; send fewer at once."
        )


async def read_form(request: Request, *, max_images: int, known: Sequence[str]) -> Form:
    """A multipart body.

    Parameters
    ----------
    max_images : `image` parts at most
    known : names of the other parts that may come
    """
    try:
        form = await request.form(
            max_files=max_images + len(known),
            max_fields=MAX_FORM_FIELDS,
            max_part_size=request.app.state.kinlens.settings.max_body,
        )
    except HTTPException as error:  # how Starlette tells of a form that doesn't parse
        raise MalformedRequest(f"The multipart body can't be read: {error.detail}") from error
    try:
        return await _sort(form, max_images, known)
    finally:
        await form.close()


async def _sort(form: FormData, max_images: int, known: Sequence[str]) -> Form:
    images: list[bytes] = []
    fields: dict[str, str] = {}
    for name, part in form.multi_items():
        if name == "image":
            if not isinstance(part, UploadFile):
                raise InvalidInput(
                    "An `image` part is a file; send it with a file name (curl: -F image=@x.jpg)."
                )
            images.append(await part.read())
        elif name not in known or name in fields:
            raise InvalidInput(
                f"The parts of this form are image, {', '.join(known)}, all but image once; got "
                f"{name!r:.80}{' twice' if name in fields else ''}."
            )
        else:
            fields[name] = await _text(part)
    if len(images) > max_images:
        raise InvalidInput(f"At most {max_images} images fit one request; got {len(images)}.")
    return Form(images, fields)


async def _text(part: UploadFile | str) -> str:
    if isinstance(part, str):
        return part
    try:
        return (await part.read()).decode()
    except UnicodeDecodeError as error:
        raise MalformedRequest(f"The part {part.filename!r:.80} isn't UTF-8 text.") from error


def parse_json(text: str, name: str) -> Any:
    """JSON within a form field or a query parameter."""
    check_values(text)
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise MalformedRequest(f"{name} isn't JSON: {error}.") from error


def parse_where(text: str | None) -> dict[str, Any] | None:
    """The filter of a `where` field or query parameter."""
    if not text:
        return None
    try:
        return _FILTER.validate_python(parse_json(text, "where"))
    except ValidationError as error:
        raise InvalidInput(f"where: {error.errors()[0]['msg']}.") from error


def parse_names(text: str | None) -> list[str]:
    """Comma-separated field names, each once."""
    names = dict.fromkeys(name.strip() for name in (text or "").split(","))
    names.pop("", None)
    if len(names) > MAX_FIELDS:
        raise InvalidInput(f"At most {MAX_FIELDS} fields fit one request; got {len(names)}.")
    return list(names)
