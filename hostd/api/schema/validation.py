"""Whether JSON is as a schema says, and if it is not, where and why, in words."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

from hostd.api.schema.model import Link
from hostd.api.schema.registry import ERROR, definitions, links
from hostd.api.schema.words import Schema
from hostd.errors import Invalid

Check = Callable[[Any], Any]
"""A compiled schema; raises fastjsonschema's exception."""

_FORMATS = {"uuid": r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z"}
"""Formats of texts that fastjsonschema does not know by itself."""
_WORDS = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def check_body(link: Link, value: Mapping[str, Any]) -> None:
    """Raise Invalid, naming the field, for a request's JSON that is not what the link takes."""
    if link.body is not None and (trouble := _trouble(_of_body(link.call), value)):
        raise Invalid(trouble)


def flaw(link: Link, status: int, value: Any) -> str | None:
    """What is wrong with the JSON of an answer; None if it is what the link promises, or a refusal as they are."""
    if status < 400 and link.answer is None:
        return f"{link.call} promises {link.media}, and answered with JSON"
    trouble = _trouble(_of_refusal() if status >= 400 else _of_answer(link.call), value)
    return f"{link.call} answered with {status}: {trouble}" if trouble else None


def bundled(schema: Schema) -> Schema:
    """The schema with the definitions it refers to, and those that they do, and no others."""
    found: dict[str, Schema] = {}
    waiting = [schema]
    while waiting:
        for name in _references(waiting.pop()):
            if name not in found:
                found[name] = definitions()[name]
                waiting.append(found[name])
    return {**schema, "definitions": found} if found else schema


def _trouble(check: Check, value: Any) -> str | None:
    try:
        check(value)
    except Exception as error:
        if not hasattr(error, "rule_definition"):
            raise
        return _sentence(error)
    return None


@functools.cache
def _of_body(call: str) -> Check:
    return _compiled(json.dumps(_link(call).body or {}))


@functools.cache
def _of_answer(call: str) -> Check:
    return _compiled(json.dumps(_link(call).answer or {}))


@functools.cache
def _of_refusal() -> Check:
    return _compiled(json.dumps(ERROR))


def _link(call: str) -> Link:
    return next(link for link in links() if link.call == call)


@functools.cache
def _compiled(schema: str) -> Check:
    # By its text: half of all links answer with what another one answers with, too.
    # Imported when the first body comes, and each schema is compiled when it is first needed: a start has none of it.
    import fastjsonschema

    whole = {"$schema": "http://json-schema.org/draft-07/schema#", **bundled(json.loads(schema))}
    check: Check = fastjsonschema.compile(whole, use_default=False, formats=_FORMATS)
    return check


def _references(schema: Any) -> list[str]:
    if isinstance(schema, dict):
        own = [schema["$ref"].removeprefix("#/definitions/")] if isinstance(schema.get("$ref"), str) else []
        return own + [name for value in schema.values() for name in _references(value)]
    if isinstance(schema, list):
        return [name for value in schema for name in _references(value)]
    return []


def _sentence(error: Any) -> str:
    """What fastjsonschema found, for the person who sent it."""
    field, rule = _field(error.path[1:]), error.rule
    if rule == "required":
        missing = [name for name in error.rule_definition if name not in error.value]
        return f"The field {_field([*error.path[1:], missing[0]])} is missing."
    if rule == "additionalProperties":
        known = error.definition.get("properties", {})
        unknown = sorted(set(error.value) - set(known))
        there = ", ".join(sorted(known)) or "none"
        return f"There is no field {_field([*error.path[1:], unknown[0][:60]])} here. There are: {there}."
    if rule == "minProperties":
        return f"Nothing is to be changed. These fields can: {', '.join(sorted(error.definition['properties']))}."
    subject = f"The field {field}" if field else "The body"
    return f"{subject} must be {expected(error.definition)}."


def expected(schema: Schema) -> str:
    """A schema in words, after `must be`."""
    if "description" in schema:
        return str(schema["description"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(expected(each) for each in schema["anyOf"]))
    if "enum" in schema:
        return f"one of {', '.join('null' if each is None else str(each) for each in schema['enum'])}"
    types = schema.get("type", "anything")
    said = [_WORDS.get(each, str(each)) for each in (types if isinstance(types, list) else [types])]
    if "array" in types and schema.get("items", {}).get("type") == "string":
        said[0] = "a list of texts"
    if "minLength" in schema or "minItems" in schema:
        said[0] += " that is not empty"
    if "minimum" in schema:
        said[0] += f" from {schema['minimum']}" + (f" to {schema['maximum']}" if "maximum" in schema else " on")
    if "format" in schema:
        said[0] += f" ({schema['format']})"
    return " or ".join(said)


def _field(path: list[Any]) -> str:
    """`updates`, `0`, `type` as `updates[0].type`."""
    text = ""
    for step in path:
        text += f"[{step}]" if str(step).isdigit() and text else f".{step}" if text else str(step)
    return text
