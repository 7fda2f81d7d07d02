"""The API described for programs: as JSON hyper-schema, as Heroku does it, and as OpenAPI 3.1. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from hostd.api.schema.model import JSON, NO_DEFINITION, Link, Resource
from hostd.api.schema.words import FILLED, Schema

_RELATIONS = {"GET": "self", "POST": "create", "PUT": "update", "PATCH": "update", "DELETE": "destroy"}
_TITLE = "hostd Platform API"
_ABOUT = "The paths, verbs and JSON of Heroku's Platform API v3; under /hostd and `extended` is what Heroku lacks."
_RANGE = {
    "name": "Range",
    "in": "header",
    "description": "Which part of the list: `name ..; max=100, order=desc`.",
    "schema": {"type": "string"},
}
_REFUSALS = {
    "400": "The request cannot be read.",
    "401": "Nobody knows who asks.",
    "403": "The caller may not do this.",
    "404": "There is no such thing, or none that the caller may know of.",
    "409": "It is taken, or somebody else is at work there.",
    "413": "The body is too large.",
    "416": "There is no such part of a list.",
    "422": "A value breaks a rule.",
    "429": "Too many requests.",
    "503": "A part that is needed does not answer now.",
}


def hyper_schema(resources: Iterable[Resource]) -> dict[str, Any]:
    """Everything as interagent hyper-schema: `definitions` of resources, each with its `links`."""
    found = list(resources)
    return {
        "$schema": "http://interagent.github.io/interagent-hyper-schema",
        "title": _TITLE,
        "description": _ABOUT,
        "type": ["object"],
        "links": [{"href": "/", "rel": "self"}],
        "definitions": {each.name: _resource(each, {other.name for other in found}) for each in found},
        "properties": {each.name: {"$ref": f"#/definitions/{each.name}"} for each in found},
    }


def openapi(resources: Iterable[Resource], error: Schema, *, version: str) -> dict[str, Any]:
    """The links that are public as an OpenAPI 3.1 document; `error` is the schema of a refusal."""
    found = list(resources)
    paths: dict[str, dict[str, Any]] = {}
    for resource in found:
        for link in resource.links:
            if link.public:
                paths.setdefault(link.path, {})[link.method.lower()] = _operation(resource, link)
    schemas = {each.name: _moved(each.definition) for each in found if each.definition is not NO_DEFINITION}
    return {
        "openapi": "3.1.0",
        "info": {"title": _TITLE, "version": version, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"password": []}],
        "tags": [{"name": each.title, "description": each.description} for each in found],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {**schemas, "error": error},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "password": {"type": "http", "scheme": "basic", "description": "Any name; a token as the password."},
            },
            "responses": {
                status: {"description": said, "content": {JSON: {"schema": {"$ref": "#/components/schemas/error"}}}}
                for status, said in _REFUSALS.items()
            },
        },
    }


def _resource(resource: Resource, known: set[str]) -> dict[str, Any]:
    parameters = {name for link in resource.links for name in link.parameters if name not in known}
    definition = {} if resource.definition is NO_DEFINITION else resource.definition
    return {
        "$schema": "http://json-schema.org/draft-04/hyper-schema",
        "title": f"{_TITLE} - {resource.title}",
        "description": resource.description,
        "stability": "production",
        "strictProperties": True,
        "definitions": {"identity": FILLED, **{name: FILLED for name in sorted(parameters)}},
        **definition,
        "type": ["object"],
        "links": [_link(resource, link, known) for link in resource.links if link.public],
    }


def _link(resource: Resource, link: Link, known: set[str]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "description": link.description,
        "href": re.sub(r"\{([a-z_]+)\}", lambda found: _identity(found[1], resource, known), link.path),
        "method": link.method,
        "rel": "instances" if _listed(link) else _RELATIONS[link.method],
        "title": link.title,
    }
    if link.body is not None:
        shown["schema"] = link.body
    if link.answer is not None:
        shown["targetSchema"] = link.answer
    else:
        shown["mediaType"] = link.media
    return shown


def _identity(parameter: str, resource: Resource, known: set[str]) -> str:
    """A path's parameter as hyper-schema has it: an encoded pointer to what it may be."""
    owner, name = (parameter, "identity") if parameter in known else (resource.name, parameter)
    return "{(" + f"#/definitions/{owner}/definitions/{name}".replace("#", "%23").replace("/", "%2F") + ")}"


def _operation(resource: Resource, link: Link) -> dict[str, Any]:
    parameters = [
        *({"name": name, "in": "path", "required": True, "schema": FILLED} for name in link.parameters),
        *({"name": name, "in": "query", "schema": _moved(schema)} for name, schema in link.query.items()),
        *([_RANGE] if _listed(link) else []),
    ]
    content = {link.media: {"schema": _moved(link.answer)} if link.answer is not None else {}}
    operation: dict[str, Any] = {
        "operationId": _operation_id(resource, link),
        "summary": link.description,
        "tags": [resource.title],
        "parameters": parameters,
        "responses": {
            str(link.status): {"description": link.title, "content": content},
            **_more(link, content),
            **{
                status: {"$ref": f"#/components/responses/{status}"}
                for status in _REFUSALS
                if status != "416" or _listed(link)
            },
        },
    }
    if (taken := _taken(link)) is not None:
        operation["requestBody"] = taken
    if link.open:
        operation["security"] = []
    return operation


def _more(link: Link, content: dict[str, Any]) -> dict[str, Any]:
    """A list may be answered in parts, and what did not change not at all."""
    if link.method != "GET" or link.answer is None:
        return {str(status): {"description": link.title, "content": content} for status in link.others}
    part = {"206": {"description": "A part of the list", "content": content}}
    return {**(part if _listed(link) else {}), "304": {"description": "It did not change."}}


def _listed(link: Link) -> bool:
    return link.method == "GET" and link.answer is not None and link.answer.get("type") == "array"


def _taken(link: Link) -> dict[str, Any] | None:
    content: dict[str, Any] = {}
    if link.body is not None:
        content[JSON] = {"schema": _moved(link.body)}
    if link.takes is not None:
        content[link.takes] = {}
    return {"content": content, "required": bool(link.takes or (link.body or {}).get("required"))} if content else None


def _operation_id(resource: Resource, link: Link) -> str:
    return re.sub(r"[^a-z0-9]+", "-", f"{resource.name}-{link.title}".lower())


def _moved(schema: Any) -> Any:
    """The same with its references where OpenAPI has definitions."""
    if isinstance(schema, dict):
        return {
            key: value.replace("#/definitions/", "#/components/schemas/") if key == "$ref" else _moved(value)
            for key, value in schema.items()
        }
    return [_moved(value) for value in schema] if isinstance(schema, list) else schema
