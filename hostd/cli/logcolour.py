"""The colours of log lines on a terminal, as Heroku's command line client has them: one for each process type."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hostd.cli.output import BLUE, BOLD, CYAN, DIM, GREEN, MAGENTA, RED, YELLOW, Style

_COLOURS: tuple[tuple[int, ...], ...] = (
    (YELLOW,), (GREEN,), (CYAN,), (MAGENTA,), (BLUE,),
    (BOLD, GREEN), (BOLD, CYAN), (BOLD, MAGENTA), (BOLD, YELLOW), (BOLD, BLUE),
)  # fmt: skip
_FIRST = ("run", "router", "web", "postgres", "heroku-postgres")
"""These have the same colour every time; the others in the order they come."""

_LINE = re.compile(r"^(\S+ [\w-]+\[([\w-]+)(?:\.\d+)?\]:)(.*)$", re.DOTALL)
_FIELD = re.compile(r'(\w+)=("[^"]*"|\S*)')
_DEPLOY = re.compile(r"( Deploy )(\S+)( by )")
_RELEASE = re.compile(r"( Release )(v\d+)( created by )")
_ACTOR = re.compile(r"( by )([^ ]+@[^ ]+)(?=$| \(job \d+\)$)")
_STATES = re.compile(r"(State changed from )(\w+)( to )(\w+)")
_EXITED = re.compile(r"(Process exited with status )(\d+)")
_STARTING = re.compile(r"(Starting process with command )(`.*`)(.*)")


class Painter:
    """Colours log lines; without colour it hands them through byte for byte."""

    def __init__(self, colour: bool) -> None:
        self._style = Style(colour)
        self._colours: dict[str, tuple[int, ...]] = {}
        for name in _FIRST:
            self._of(name)

    def paint(self, lines: Iterable[bytes]) -> bytes:
        """Whole lines, joined."""
        if not self._style.colour:
            return b"".join(lines)
        return b"".join(map(self._line, lines))

    def _line(self, line: bytes) -> bytes:
        found = _LINE.match(line.decode(errors="surrogateescape").rstrip("\n"))
        if not found:
            return line
        head, name, body = found.groups()
        if " heroku[router]:" in head:
            body = _FIELD.sub(lambda field: f"{field[1]}={self._field(field[1], field[2])}", body)
        elif " heroku[api]:" in head:
            body = self._action(body)
        elif " heroku[" in head:
            body = self._event(body)
        return f"{self._style.paint(head, *self._of(name))}{body}\n".encode(errors="surrogateescape")

    def _of(self, name: str) -> tuple[int, ...]:
        return self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])

    def _field(self, key: str, value: str) -> str:
        match key:
            case "at":
                return self._style.paint(value, RED if value == "error" else DIM)
            case "code":
                return self._style.paint(value, BOLD, RED)
            case "method":
                return self._style.paint(value, BOLD, MAGENTA)
            case "path":
                return self._style.paint(value, GREEN)
            case "dyno":
                return self._style.paint(value, *self._of(value.partition(".")[0]))
            case "status":
                classes = {"2": GREEN, "3": CYAN, "4": YELLOW, "5": RED}
                return self._style.paint(value, classes.get(value[:1], DIM))
            case "connect" | "service":
                return self._style.paint(value, *_slowness(value))
        return self._style.paint(value, DIM)

    def _action(self, body: str) -> str:
        paint = self._style.paint
        if body.startswith((" Build succeeded", " Build failed")):
            return paint(body, GREEN if body == " Build succeeded" else RED)
        body = _ACTOR.sub(lambda found: found[1] + paint(found[2], GREEN), body)
        body = _DEPLOY.sub(lambda found: found[1] + paint(found[2], CYAN) + found[3], body)
        body = _RELEASE.sub(lambda found: found[1] + paint(found[2], MAGENTA) + found[3], body)
        return _STARTING.sub(lambda found: found[1] + paint(found[2], CYAN) + found[3], body)

    def _event(self, body: str) -> str:
        paint, state = self._style.paint, self._style.state
        if body == " Stopping all processes with SIGTERM":
            return paint(body, RED)
        body = _STATES.sub(lambda found: found[1] + state(found[2]) + found[3] + state(found[4]), body)
        body = _EXITED.sub(lambda found: found[1] + paint(found[2], GREEN if found[2] == "0" else RED), body)
        return _STARTING.sub(lambda found: found[1] + paint(found[2], CYAN) + found[3], body)


def _slowness(value: str) -> tuple[int, ...]:
    digits = value.removesuffix("ms")
    if not digits.isdigit():
        return (DIM,)
    for limit, colours in ((100, (BOLD, GREEN)), (500, (GREEN,)), (5000, (YELLOW,)), (10000, (BOLD, YELLOW))):
        if int(digits) < limit:
            return colours
    return (RED,)
