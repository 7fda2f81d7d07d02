"""Which processes to run, under which names, on which ports. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

BASE_PORT = 5000
TYPE_STEP = 100
"""Ports between the first ones of two process types, as foreman has it."""
MOST = TYPE_STEP
"""Processes of one type: more would have the next type's ports."""
NOT_STARTED = ("release",)
"""What runs when something is released, and not beside the others."""

_WISH = re.compile(r"([A-Za-z0-9_-]{1,63})(?:=([0-9]{1,4}))?")


class PlanError(ValueError):
    """What was asked for cannot be run; the text says why."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process to run: `web.1`, a line for the shell, and its port."""

    name: str
    line: str
    port: int


def formation(words: Sequence[str], types: Sequence[str]) -> dict[str, int]:
    """How many processes of each type are wanted, by words such as `web=2,worker`; without any, one of each type.

    Raises PlanError for what is no such word, and for types that there are not.
    """
    wanted: dict[str, int] = {}
    for word in (word for text in words for word in text.split(",") if word):
        found = _WISH.fullmatch(word)
        if found is None:
            raise PlanError(f"{word!r} must be TYPE or TYPE=NUMBER, such as web=2.")
        name, count = found[1], int(found[2] or 1)
        if name not in types and name != "all":
            raise PlanError(f"The Procfile has no process type {name}. It has: {', '.join(types)}.")
        if count > MOST:
            raise PlanError(f"At most {MOST} processes of one type can run: the next ports are another type's.")
        if name == "all":
            wanted |= {each: count for each in types if each not in NOT_STARTED}
        else:
            wanted[name] = count
    return wanted or {name: 1 for name in types if name not in NOT_STARTED}


def processes(commands: Mapping[str, str], wanted: Mapping[str, int], base: int) -> list[Process]:
    """The processes in the Procfile's order: the ports of its first type begin at `base`, of its second 100 higher.

    Raises PlanError if there are none, or their ports are beyond what there is.
    """
    planned = [
        Process(f"{name}.{number + 1}", line, base + index * TYPE_STEP + number)
        for index, (name, line) in enumerate(commands.items())
        for number in range(wanted.get(name, 0))
    ]
    if not planned:
        raise PlanError("There is no process to run.")
    if planned[-1].port > 65535:
        raise PlanError(f"{planned[-1].name} would have port {planned[-1].port}, and 65535 is the last: use -p.")
    return planned


def base_port(given: str | None, *settings: Mapping[str, str]) -> int:
    """-p, else PORT of the first of these environments that has it, else 5000. Raises PlanError."""
    said = given if given is not None else next((env["PORT"] for env in settings if env.get("PORT")), str(BASE_PORT))
    if not (said.isascii() and said.isdigit() and 1 <= int(said) <= 65535):
        raise PlanError(f"A port must be a number from 1 to 65535, not {said!r}.")
    return int(said)


def environment(process: Process, settings: Mapping[str, str], outer: Mapping[str, str]) -> dict[str, str]:
    """What a process finds in its environment: ours, the files', PORT and its name (PS, as foreman)."""
    # Output in a pipe is kept back by Python for long: foreman's users know the question.
    return {"PYTHONUNBUFFERED": "1", **outer, **settings, "PORT": str(process.port), "PS": process.name}
