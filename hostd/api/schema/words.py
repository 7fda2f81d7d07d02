"""The words of which definitions and links are made: pieces of JSON Schema, as plain data."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
"""A JSON Schema, in what drafts 4 to 2020-12 have in common; other definitions are named by `#/definitions/NAME`."""

TEXT: Schema = {"type": "string"}
FILLED: Schema = {"type": "string", "minLength": 1}
"""A text that is not empty."""
FLAG: Schema = {"type": "boolean"}
WHOLE: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
UUID: Schema = {"type": "string", "format": "uuid"}
TIME: Schema = {"type": "string", "format": "date-time"}
URI: Schema = {"type": "string", "format": "uri"}
NOTHING: Schema = {"type": "null"}
ANYTHING: Schema = {}
OBJECT: Schema = {"type": "object"}


def maybe(schema: Schema) -> Schema:
    """The same, or null."""
    if isinstance(schema.get("type"), str):
        either = {**schema, "type": [schema["type"], "null"]}
        return {**either, "enum": [*schema["enum"], None]} if "enum" in schema else either
    return one_of(schema, NOTHING)


def one_of(*schemas: Schema) -> Schema:
    """Any of several."""
    return {"anyOf": list(schemas)}


def choice(*values: str) -> Schema:
    """One of a few texts."""
    return {"type": "string", "enum": list(values)}


def between(least: int, most: int) -> Schema:
    """A whole number within bounds."""
    return {"type": "integer", "minimum": least, "maximum": most}


def many(schema: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": schema}


def table(schema: Schema) -> Schema:
    """An object whose names are data."""
    return {"type": "object", "additionalProperties": schema}


def record(fields: Schema, optional: Schema | None = None) -> Schema:
    """An object of an answer: it has exactly these fields, always all of them but the optional ones."""
    return {
        "type": "object",
        "properties": {**fields, **(optional or {})},
        "required": sorted(fields),
        "additionalProperties": False,
    }


def body(fields: Schema, *, needs: tuple[str, ...] = (), closed: bool = False) -> Schema:
    """The object of a request. Unless it is `closed`, what is not named here is taken for nothing."""
    schema: Schema = {"type": "object", "properties": fields}
    if needs:
        schema["required"] = list(needs)
    return {**schema, "additionalProperties": False} if closed else schema


def said(schema: Schema, description: str) -> Schema:
    """The same with words for people; in a request they stand in the message too: `The field x must be ...`."""
    return {**schema, "description": description}


def like(schema: Schema, *examples: object) -> Schema:
    """The same with examples, for people and for those who try the API out."""
    return {**schema, "examples": list(examples)}


def ref(name: str) -> Schema:
    """Another definition."""
    return {"$ref": f"#/definitions/{name}"}


NAMED = record({"id": UUID, "name": TEXT})
"""How a thing with a name is referred to."""
PERSON = record({"email": TEXT, "id": UUID})
"""How a user is referred to."""
PERMISSIONS = many(record({"description": TEXT, "name": TEXT}))
"""Rights on an app."""
IDENTIFIED = record({"id": UUID})
MAYBE_TEXT = maybe(TEXT)
MAYBE_FLAG = maybe(FLAG)
MAYBE_TIME = maybe(TIME)
MAYBE_WHOLE = maybe(WHOLE)
MAYBE_NUMBER = maybe(NUMBER)


def named_by(*names: str) -> Schema:
    """A thing by a text, or as an object with one of these fields."""
    return said(
        one_of(FILLED, *(body({name: FILLED}, needs=(name,)) for name in names)),
        f"a text that is not empty, or an object with {' or '.join(names)}",
    )
