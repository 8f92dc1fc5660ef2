from __future__ import annotations

import inspect
import json
import logging
import re
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import ValidationError
from starlette.requests import Request

from http_door import Doors, problem
from kinlens import errors
from kinlens.http import problems
from kinlens.http.requests import SearchBody
from kinlens.search import Search

SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "GET",
    "path": "/x",
    "state": {"request_id": "abc"},
}


def every_error() -> list[type[errors.KinlensError]]:
    return [
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.KinlensError)
    ]


def make(kind: type[errors.KinlensError]) -> errors.KinlensError:
    if kind is errors.RateLimited:
        return errors.RateLimited("the message", 2.5)
    if kind is errors.CatalogUnavailable:
        return kind("a path", "the message")
    return kind("the message")


@pytest.mark.parametrize("kind", every_error())
def test_every_error_is_a_problem(kind: type[errors.KinlensError]) -> None:
    response = problems.respond(make(kind), SCOPE)
    document = json.loads(bytes(response.body))
    assert response.media_type == "application/problem+json"
    assert re.fullmatch(r"/problems/[a-z-]+", document["type"])
    assert document["status"] == response.status_code
    assert document["instance"] == "/x"
    assert document["request_id"] == "abc"
    shown = problems.kind_of(make(kind)).shown
    assert ("the message" in document["detail"]) is shown


@pytest.mark.parametrize(
    ("error", "status", "headers"),
    [
        (errors.RateLimited("x", 2.5), 429, {"retry-after": "3"}),
        (errors.Overloaded("x"), 503, {"retry-after": "1"}),
        (errors.CatalogBusy("x"), 503, {"retry-after": "1"}),
        (errors.CatalogFull("x"), 507, {}),
        (errors.EncoderMismatch("x"), 409, {}),
        (errors.PictureTooLarge("x"), 413, {}),
        (errors.FetchError("x"), 422, {}),
        (errors.Unauthenticated("x"), 401, {"www-authenticate": 'Bearer realm="kinlens"'}),
        (problems.BodyTooLarge("x"), 413, {"connection": "close"}),
    ],
)
def test_statuses_and_headers(error: Exception, status: int, headers: dict[str, str]) -> None:
    response = problems.respond(error, SCOPE)
    assert response.status_code == status
    for name, value in headers.items():
        assert response.headers[name] == value


def test_what_fails_on_the_server_is_logged_and_not_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    error = errors.CatalogError("/home/me/catalog.sqlite is damaged")
    response = problems.respond(error, SCOPE)
    assert b"/home/me" not in bytes(response.body)
    assert "/home/me/catalog.sqlite is damaged" in caplog.text
    assert "abc" in caplog.text


def test_json_pointers() -> None:
    assert problems.pointer(("items", 0, "a/b", "c~d")) == "/items/0/a~1b/c~0d"
    assert problems.pointer(()) == ""


def test_nothing_there(client: httpx.Client) -> None:
    problem(client.get("/v2/search"), 404, "not-found")
    problem(client.get("/" + "x" * 3000), 404, "not-found")


def test_a_wrong_method(client: httpx.Client) -> None:
    for method, path in (("PUT", "/v1/search"), ("POST", "/v1/stats"), ("DELETE", "/v1/items")):
        response = client.request(method, path)
        problem(response, 405, "method-not-allowed")
        assert response.headers["allow"]


def test_a_crash_is_a_problem_with_a_name_in_the_log(
    doors: Doors, stocked: Search, caplog: pytest.LogCaptureFixture
) -> None:
    door = doors(stocked)
    app: FastAPI = door.server.app

    @app.get("/crash")
    async def crash(request: Request) -> None:
        raise RuntimeError("the secret of the crash")

    with caplog.at_level(logging.ERROR):
        response = door.client.get("/crash", headers={"X-Request-Id": "my-request"})
    problem(response, 500, "internal")
    assert "secret" not in response.text
    assert "my-request" in caplog.text
    assert "the secret of the crash" in caplog.text
    assert response.headers["x-content-type-options"] == "nosniff"


def test_many_mistakes_are_counted_rather_than_listed() -> None:
    extras = {f"field {number}": 0 for number in range(problems.MAX_ERRORS + 1)}
    with pytest.raises(ValidationError) as refused:
        SearchBody.model_validate(extras)
    document = json.loads(bytes(problems.respond(refused.value, SCOPE).body))
    assert document["type"] == "/problems/invalid-request"
    assert "1,001 things" in document["detail"]
    assert "errors" not in document


def test_the_log_shows_control_characters_as_escapes(caplog: pytest.LogCaptureFixture) -> None:
    scope = {**SCOPE, "path": "/v1/items/x\x1b[31m\ny"}
    problems.respond(errors.PictureUnreadable("The file a\x1b[2J.jpg can't be read."), scope)
    assert r"/v1/items/x\x1b[31m\ny failed" in caplog.text
    assert r"a\x1b[2J.jpg" in caplog.text
    assert "\x1b" not in caplog.text
