"""The OpenAPI document: bodies that are read by hand, and problems, described."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from kinlens.http import requests
from kinlens.http.problems import MEDIA_TYPE, Problem

_REF = "#/components/schemas/{model}"
_MODELS: tuple[type[BaseModel], ...] = (
    Problem,
    requests.SearchBody,
    requests.SearchForm,
    requests.PreviewForm,
    requests.ItemsBody,
    requests.ItemsForm,
    requests.ItemBody,
    requests.ItemForm,
    requests.IdsBody,
    requests.FacetsBody,
    requests.PostUrlBody,
    requests.PostImageBody,
)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems that a route may answer with."""
    schema = {"schema": {"$ref": _REF.format(model="Problem")}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: schema}}
        for status in (*statuses, 500)
    }


def request_body(models: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    """A body of one of several content types."""
    content = {
        media_type: {"schema": {"$ref": _REF.format(model=model.__name__)}}
        for media_type, model in models.items()
    }
    return {"requestBody": {"required": True, "content": content}}


def install(app: FastAPI) -> None:
    """Let the app's document hold the models of bodies that the routes read themselves."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's documented way


def _document(app: FastAPI) -> dict[str, Any]:
    schema = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
    )
    _, definitions = models_json_schema(
        [(model, "validation") for model in _MODELS], ref_template=_REF
    )
    components = schema.setdefault("components", {}).setdefault("schemas", {})
    components.update(definitions["$defs"])
    for unused in ("HTTPValidationError", "ValidationError"):
        components.pop(unused, None)
    return schema
