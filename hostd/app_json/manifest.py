"""The manifest: app.json as values. Pure; the schema is Heroku's (devcenter.heroku.com, "app.json Schema").

What is wrong is refused, all of it at once, each thing with its field and what would be right. What is only unknown,
or means nothing here, is passed over with a warning: an app that was written for Heroku shall come up.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hostd.app_json import healthchecks
from hostd.app_json.reading import Notes, flag_of, object_of, shown, text_of, whole_of
from hostd.errors import Invalid
from hostd.ledger.formation import Process
from hostd.names import RESERVED_CONFIG_KEYS, UNSCALABLE, config_key, process_type, scale_update
from hostd.sizes import DEFAULT

MAX_BYTES = 64 * 1024
GENERATOR = "secret"
"""The only generator that there is, on Heroku too."""


class Wrong(Invalid):
    """An app.json that cannot be used; `problems` has each thing that is wrong with it, as a sentence."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(f"app.json: {problem}" for problem in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Variable:
    """A config var: its value, or None; `generated` if one is to be made; `required` if it cannot do without."""

    name: str
    value: str | None = field(default=None, repr=False)
    required: bool = True
    generated: bool = False


@dataclass(frozen=True, slots=True)
class Script:
    """A command, and the size of the dyno that it wants."""

    command: str
    size: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an app.json says, as far as it means something here. `warnings` are sentences for its author."""

    name: str = ""
    description: str = ""
    env: tuple[Variable, ...] = ()
    formation: tuple[Process, ...] = ()
    buildpacks: tuple[str, ...] = ()
    stack: str = ""
    postdeploy: Script | None = None
    success_url: str = ""
    warnings: tuple[str, ...] = ()


def parse(content: bytes) -> Manifest:
    """The manifest of an app.json. Raises Wrong."""
    described = _read(content)
    notes = Notes()
    for key in described:
        if key not in _FIELDS:
            near = difflib.get_close_matches(key, _FIELDS, n=1)
            hint = f' Did you mean "{near[0]}"?' if near else ""
            notes.warn(f'there is no field "{shown(key)}": it is passed over.{hint}')
    found: dict[str, Any] = {}
    for key, read in _READERS.items():
        if described.get(key) is not None:
            found[key] = read(described[key], notes)
    if notes.problems:
        raise Wrong(notes.problems)
    return Manifest(
        name=found.get("name") or "",
        description=found.get("description") or "",
        env=found.get("env", ()),
        formation=found.get("formation", ()),
        buildpacks=found.get("buildpacks", ()),
        stack=found.get("stack") or "",
        postdeploy=found.get("scripts"),
        success_url=found.get("success_url") or "",
        warnings=tuple(notes.warnings),
    )


def _read(content: bytes) -> dict[str, Any]:
    if len(content) > MAX_BYTES:
        raise Wrong([f"it is larger than {MAX_BYTES // 1024} KB"])
    try:
        described = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise Wrong(["it is not text in UTF-8"]) from error
    except json.JSONDecodeError as error:
        raise Wrong([f"it is no JSON: line {error.lineno}, column {error.colno}: {error.msg}"]) from error
    except (ValueError, RecursionError) as error:
        raise Wrong(["it is no JSON that can be read: it is nested too deep, or has too long a number"]) from error
    if not isinstance(described, dict):
        raise Wrong(['it must be an object: {"name": ..., "env": {...}, ...}'])
    return described


def _text(place: str) -> Callable[[Any, Notes], str | None]:
    return lambda value, notes: text_of(value, place, notes)


def _success_url(value: Any, notes: Notes) -> str | None:
    url = text_of(value, "success_url", notes)
    if url and not (url.startswith(("/", "https://", "http://")) and url.isprintable() and " " not in url):
        notes.refuse("success_url", 'must be a path of the app, or an address of the web: "/welcome"')
    return url


def _keywords(value: Any, notes: Notes) -> None:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        notes.refuse("keywords", 'must be a list of texts: ["productivity", "web"]')


def _env(value: Any, notes: Notes) -> tuple[Variable, ...]:
    variables = object_of(value, "env", '{"NAME": "value", "OTHER": {"description": ...}}', notes)
    return tuple(
        variable
        for name, entry in variables.items()
        if (variable := _variable(name, entry, f"env.{shown(name)}", notes)) is not None
    )


def _variable(name: str, entry: Any, place: str, notes: Notes) -> Variable | None:
    if name in RESERVED_CONFIG_KEYS or name.startswith("HOSTD_"):
        notes.warn(f"{place} is passed over: the platform sets it in every dyno")
        return None
    try:
        config_key(name)
    except Invalid as error:
        notes.refuse(place, f"is wrong: {error}")
        return None
    if isinstance(entry, str):
        return Variable(name, entry)
    if not isinstance(entry, dict):
        notes.refuse(place, 'must be a text, or an object: {"description": ..., "value": ..., "required": false}')
        return None
    notes.unknown(entry, ("description", "value", "required", "generator"), place)
    text_of(entry.get("description"), f"{place}.description", notes)
    value = text_of(entry.get("value"), f"{place}.value", notes)
    generator = entry.get("generator")
    if generator not in (None, GENERATOR):
        notes.refuse(f"{place}.generator", f'must be "{GENERATOR}", which is the only one that there is')
    required = flag_of(entry.get("required"), f"{place}.required", notes, default=True)
    return Variable(name, value, required, generator == GENERATOR)


def _formation(value: Any, notes: Notes) -> tuple[Process, ...]:
    found = []
    for type_, entry in object_of(value, "formation", '{"web": {"quantity": 1}}', notes).items():
        place = f"formation.{shown(type_)}"
        if not isinstance(entry, dict):
            notes.refuse(place, 'must be an object: {"quantity": 1, "size": "standard-1x"}')
            continue
        notes.unknown(entry, ("quantity", "size", "command"), place)
        quantity = whole_of(entry.get("quantity"), f"{place}.quantity", notes)
        size = text_of(entry.get("size"), f"{place}.size", notes)
        if type_ in UNSCALABLE:
            notes.warn(f"{place} is passed over: {UNSCALABLE[type_]}")
            continue
        try:
            change = scale_update(process_type(type_), 1 if quantity is None else quantity, size)
        except Invalid as error:
            notes.refuse(place, f"is wrong: {error}")
            continue
        found.append(Process(change.type, change.quantity or 0, change.size or DEFAULT))
    return tuple(found)


def _buildpacks(value: Any, notes: Notes) -> tuple[str, ...]:
    form = 'must be a list: [{"url": "heroku/python"}]'
    if not isinstance(value, list):
        notes.refuse("buildpacks", form)
        return ()
    found = []
    for number, entry in enumerate(value):
        url = entry.get("url") if isinstance(entry, dict) else entry
        if isinstance(url, str) and url:
            found.append(url)
        else:
            notes.refuse(f"buildpacks[{number}]", f'has no "url": it {form}')
    return tuple(found)


def _scripts(value: Any, notes: Notes) -> Script | None:
    scripts = object_of(value, "scripts", '{"postdeploy": "./seed"}', notes)
    notes.unknown(scripts, ("postdeploy", "pr-predestroy", "test", "test-setup"), "scripts", quiet=("dokku",))
    if "pr-predestroy" in scripts:
        _script(scripts["pr-predestroy"], "scripts.pr-predestroy", notes)
        notes.warn("scripts.pr-predestroy is not run: there are no review apps here")
    return _script(scripts["postdeploy"], "scripts.postdeploy", notes) if scripts.get("postdeploy") else None


def _script(value: Any, place: str, notes: Notes) -> Script | None:
    if isinstance(value, str):
        return Script(value) if value.strip() else None
    if not isinstance(value, dict) or not isinstance(value.get("command"), str) or not value["command"].strip():
        notes.refuse(place, 'must be a command: "./seed" or {"command": "./seed", "size": "standard-2x"}')
        return None
    notes.unknown(value, ("command", "size"), place)
    size = text_of(value.get("size"), f"{place}.size", notes)
    try:
        return Script(value["command"], scale_update("script", 1, size).size)
    except Invalid as error:
        notes.refuse(f"{place}.size", f"is wrong: {error}")
        return None


def _addons(value: Any, notes: Notes) -> None:
    if not isinstance(value, list) or not all(isinstance(entry, str | dict) for entry in value):
        notes.refuse("addons", 'must be a list: ["heroku-postgresql"]')
        return
    plans = [str(entry.get("plan") or "?") if isinstance(entry, dict) else entry for entry in value]
    if plans:
        notes.warn(
            f"there are no add-ons here yet, so these are not made: {', '.join(map(shown, plans))}. "
            "If the app needs them, run them elsewhere and set their addresses as config vars"
        )


def _image(value: Any, notes: Notes) -> None:
    text_of(value, "image", notes)
    notes.warn("image is not used: apps are built by buildpacks")


def _environments(value: Any, notes: Notes) -> None:
    object_of(value, "environments", '{"review": {...}}', notes)
    notes.warn("environments is not used: there are no review apps and no test runs here")


_READERS: Mapping[str, Callable[[Any, Notes], Any]] = {
    "name": _text("name"),
    "description": _text("description"),
    "keywords": _keywords,
    "website": _text("website"),
    "repository": _text("repository"),
    "logo": _text("logo"),
    "success_url": _success_url,
    "env": _env,
    "formation": _formation,
    "buildpacks": _buildpacks,
    "stack": _text("stack"),
    "scripts": _scripts,
    "healthchecks": healthchecks.review,
    "addons": _addons,
    "image": _image,
    "environments": _environments,
}
_FIELDS = (*_READERS, "$schema")
