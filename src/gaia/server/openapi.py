"""The OpenAPI document, made from the same table that routes the calls."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from gaia import __version__
from gaia.protocol.problem import CONTENT_TYPE, Problem
from gaia.server.endpoints import PUBLIC, Endpoint

_REFERENCE = "#/components/schemas/{name}"
_PATH_PARAMETER = re.compile(r"{(\w+)}")


def describe(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """An OpenAPI 3.1 document of `endpoints`."""
    types: list[Any] = [Problem]
    for endpoint in endpoints:
        types += [t for t in (endpoint.body, endpoint.answer) if isinstance(t, type)]
    _, schemas = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {"title": "GAIA auto-update", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": endpoint.summary,
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                for name in _PATH_PARAMETER.findall(endpoint.path)
            ),
            *(
                {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
                for name, text in endpoint.parameters.items()
            ),
        ],
        "responses": {
            str(endpoint.status): {"description": "Done.", **_content(endpoint.answer)},
            "default": {
                "description": "A refusal, with its code and a hint.",
                "content": {CONTENT_TYPE: {"schema": _schema(Problem)}},
            },
        },
    }
    if endpoint.body is not None:
        operation["requestBody"] = {"required": True, **_content(endpoint.body)}
    if endpoint.allowed != PUBLIC:
        operation["security"] = [{"token": []}]
        operation["x-roles"] = sorted(endpoint.allowed)
    return operation


def _content(kind: type | str | None) -> dict[str, Any]:
    if kind is None:
        return {}
    if isinstance(kind, str):
        return {"content": {kind: {}}}
    return {"content": {"application/json": {"schema": _schema(kind)}}}


def _schema(kind: type) -> dict[str, Any]:
    return {"$ref": _REFERENCE.format(name=kind.__name__)}
