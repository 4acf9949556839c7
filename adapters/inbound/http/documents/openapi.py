"""Joins what the dialects say of themselves into one document of OpenAPI 3.1."""

from collections.abc import Iterable, Mapping
from typing import Any

from adapters.inbound.common.documents.words import Paths, Schema, problem_schema

# As people read it: what they came for, then what is around it.
_TAGS = (
    *("uploads", "whole files", "files", "chunk API", "images", "instructions", "live"),
    *("operations", "documents", "page"),
)
_SECURITY: list[dict[str, list[str]]] = [{}, {"token": []}, {"user": []}, {"guest": []}]


def openapi_of(
    parts: Iterable[tuple[Paths, Mapping[str, Schema]]], webhooks: Paths, *, version: str, base: str
) -> dict[str, Any]:
    """``base``: what paths stand below."""
    paths: dict[str, dict[str, Any]] = {}
    schemas: dict[str, Schema] = {"Problem": problem_schema()}
    for told, own in parts:
        schemas.update(own)
        for path, operations in told.items():
            if operations:
                paths.setdefault(path, {}).update({verb: _named(path, verb, operations) for verb in operations})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Longshore",
            "version": version,
            "license": {"name": "MIT", "identifier": "MIT"},
            "description": (
                "Resumable, durable uploads with live progress. A success means that bytes are on the disk and "
                "recorded. "
                "What is told by sockets and event streams is in asyncapi.json."
            ),
        },
        "servers": [{"url": base}],
        "security": _SECURITY,
        "tags": [{"name": name} for name in _TAGS],
        "paths": dict(sorted(paths.items())),
        "webhooks": webhooks,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "AUTH_MODE=jwt"},
                "user": {"type": "apiKey", "in": "header", "name": "x-user-id", "description": "AUTH_MODE=gateway"},
                "guest": {"type": "apiKey", "in": "header", "name": "x-guest-id", "description": "AUTH_MODE=gateway"},
            },
        },
    }


def _named(path: str, verb: str, operations: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    words = [word.strip("{}") for word in path.replace("*", "any").split("/") if word]
    name = "_".join([verb, *(word.replace(".", "_") for word in words)] if words else [verb, "root"])
    return {**operations[verb], "operationId": name}
