"""Query parameters that a route doesn't know, or that come twice, are errors."""

from __future__ import annotations

from collections import Counter

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import Request


async def only_known_parameters(request: Request) -> None:
    """Raise `RequestValidationError` for unknown and for repeated query parameters.

    Each parameter of the API has one value. Of two, one would be ignored.
    """
    names = Counter(name for name, _ in request.query_params.multi_items())
    if not names:
        return
    known = _parameters(request.scope["route"])
    listed = ", ".join(known) or "none"
    wrong = []
    for name, count in names.items():
        if name not in known:
            wrong.append((name, f"is no query parameter here; known are: {listed}"))
        elif count > 1:
            wrong.append((name, f"is given {count} times; give it once"))
    if wrong:
        raise RequestValidationError(
            [
                {"loc": ("query", name[:80]), "msg": text, "type": "query_parameter"}
                for name, text in wrong
            ]
        )


def _parameters(route: APIRoute) -> tuple[str, ...]:
    return tuple(field.alias for field in route.dependant.query_params)
