"""Dynos: what runs, one-off dynos, commands and connections inside a running one, restart and stop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from aiohttp import web

from hostd import names, sizes
from hostd.api.caller import Door
from hostd.api.formation import commands_of
from hostd.api.identity import known_owner
from hostd.api.requests import (
    answer,
    answer_list,
    app_for,
    body_of,
    by_fields,
    caller_of,
    context_of,
    flag_field,
    optional_text,
    text_field,
    user_of,
)
from hostd.api.shapes import dyno_id, dyno_json
from hostd.api.signed import meeting_place
from hostd.context import Context, OneOff
from hostd.errors import BadRequest, Invalid, NotFound
from hostd.ledger.access import Right
from hostd.ledger.apps import App
from hostd.manager.copying import copy_command
from hostd.manager.dyno import Dyno, DynoState
from hostd.manager.launcher import launch_command
from hostd.rendezvous import asking as rendezvous

routes = web.RouteTableDef()

LONGEST_WAIT = 60
"""Seconds that a request waits for dynos to be up; who wants to wait longer asks again."""
LONGEST_COMMAND = 64 * 1024
"""Bytes; far below what the kernel takes as one argument (128 KiB)."""
LONGEST_PATH = 4095
"""Bytes, as the kernel has it (PATH_MAX)."""


@routes.get("/apps/{app}/dynos")
async def index(request: web.Request) -> web.Response:
    """All dynos, one-off dynos too; with `?ended=1` also those that have ended a short while ago.

    To Heroku's clients a dyno in the list is one that runs or shall: `ps:wait -R` waits until all are up.
    """
    context, app = context_of(request), app_for(request)
    dynos = sorted(context.manager.dynos(app.id), key=lambda dyno: (dyno.type, dyno.number, dyno.version))
    if request.query.get("ended") != "1":
        dynos = [dyno for dyno in dynos if dyno.state is not DynoState.COMPLETE]
    versions = _versions(context, app, dynos)
    found = [dyno_json(app, dyno, versions) for dyno in dynos]
    return answer_list(request, found, sortable=by_fields("id", "name"), default="name")


@routes.get("/hostd/apps/{app}/dynos/missing")
async def missing(request: web.Request) -> web.Response:
    """The wanted dynos, of `type` or all, that are not up; waits up to `seconds` until there are none."""
    context, app = context_of(request), app_for(request)
    type_, seconds = request.query.get("type"), request.query.get("seconds", "0")
    if not (seconds.isascii() and seconds.isdigit() and int(seconds[:4]) <= LONGEST_WAIT):
        raise BadRequest(f"seconds must be a number from 0 to {LONGEST_WAIT}.")
    if type_ is not None:
        types = commands_of(context, app)
        names.known_type(type_, types, app.name)
    return answer([asdict(dyno) for dyno in await context.manager.missing(app, type_, int(seconds))])


@routes.get("/apps/{app}/dynos/{dyno}")
async def show(request: web.Request) -> web.Response:
    """One dyno, by name or id."""
    context, app, wanted = context_of(request), app_for(request), request.match_info["dyno"]
    # During a deploy two dynos share a name; the one of the newer release is meant.
    for dyno in sorted(context.manager.dynos(app.id), key=lambda dyno: -dyno.version):
        if wanted in (dyno.name, dyno_id(dyno)):
            return answer(dyno_json(app, dyno, _versions(context, app, [dyno])))
    raise _no_dyno(context, app, wanted)


@routes.post("/apps/{app}/dynos")
async def run(request: web.Request) -> web.Response:
    """Start a one-off dyno; an attached one waits for its terminal on the attach socket."""
    context, app, user = context_of(request), app_for(request, Right.OPERATE), known_owner(user_of(request))
    body = await body_of(request)
    commands = commands_of(context, app)
    if not commands:
        raise Invalid(f"{app.name} has no code to run yet: push it first.")
    type_ = _type(body, commands, app)
    command, attach = command_field(body, commands.get(type_)), flag_field(body, "attach")
    env, size, limit = _environment(body), _size(context, app, body, type_), _time_limit(context, body)
    _rendezvous_if(request, attach)
    context.events.api(app, f"Starting process with command `{command}` by {user.email}")
    one_off = await context.manager.prepare_one_off(app, command, env, size, attach, limit, caller_of(request).holder)
    return _made(request, app, one_off, env, terminal=not flag_field(body, "force_no_tty"))


@routes.post("/apps/{app}/dynos/{dyno}")
async def run_inside(request: web.Request) -> web.Response:
    """Run a command inside a running dyno, beside what runs there; it waits for its terminal on the attach socket."""
    context, app, user = context_of(request), app_for(request, Right.OPERATE), known_owner(user_of(request))
    body, dyno = await body_of(request), request.match_info["dyno"]
    command, env = command_field(body), _environment(body)
    _rendezvous_if(request, attach=True)
    argv, limit = launch_command(command), _time_limit(context, body)
    visit = context.manager.prepare_visit(app, dyno, argv, env, limit, caller_of(request).holder)
    context.events.api(app, f"Run `{command}` inside {dyno} by {user.email}")
    return _made(request, app, visit, env, terminal=not flag_field(body, "force_no_tty"))


@routes.post("/apps/{app}/dynos/{dyno}/actions/copy")
async def copy(request: web.Request) -> web.Response:
    """Copy a file out of a running dyno, or with `archive` a directory as a tar archive.

    What comes on standard output is a line with the number of bytes, `-` if that is not known, and then those.
    """
    context, app, user = context_of(request), app_for(request, Right.OPERATE), known_owner(user_of(request))
    body, dyno = await body_of(request), request.match_info["dyno"]
    file = text_field(body, "path")
    if "\0" in file or len(file.encode(errors="surrogatepass")) > LONGEST_PATH:
        raise Invalid(f"A path must be at most {LONGEST_PATH} bytes long, without NUL characters.")
    argv = copy_command(file, archive=flag_field(body, "archive"))
    visit = context.manager.prepare_visit(app, dyno, argv, None, _time_limit(context, body), caller_of(request).holder)
    context.events.api(app, f"Copy {file} from {dyno} by {user.email}")
    return _made(request, app, visit, {}, terminal=False)


@routes.post("/apps/{app}/dynos/{dyno}/actions/forward")
async def forward(request: web.Request) -> web.Response:
    """One connection to a port inside a running dyno; the attach socket gives it to who shows the token."""
    context, app, user = context_of(request), app_for(request, Right.OPERATE), known_owner(user_of(request))
    body, dyno = await body_of(request), request.match_info["dyno"]
    port = body["port"]
    made = context.manager.prepare_forward(app, dyno, port, caller_of(request).holder)
    context.events.api(app, f"Connect to port {port} in {dyno} by {user.email}")
    return _made(request, app, made, {}, terminal=False)


@routes.delete("/apps/{app}/dynos")
async def restart_all(request: web.Request) -> web.Response:
    """Restart every dyno of the formation."""
    return await _restart(request, None)


@routes.delete("/apps/{app}/dynos/{dyno}")
@routes.delete("/apps/{app}/formations/{dyno}")
async def restart(request: web.Request) -> web.Response:
    """Restart a dyno (`web.1`) or the dynos of a process type (`web`)."""
    return await _restart(request, request.match_info["dyno"])


@routes.post("/apps/{app}/dynos/{dyno}/actions/stop")
@routes.post("/apps/{app}/formations/{dyno}/actions/stop")
async def stop(request: web.Request) -> web.Response:
    """Stop a dyno or the dynos of a process type; those of the formation start again, one-off dynos do not."""
    context, app, user = context_of(request), app_for(request, Right.OPERATE), user_of(request)
    selector = _selected(context, app, request.match_info["dyno"])
    context.events.api(app, f"Stop {selector} by {user.email}")
    await context.manager.stop(app, selector)
    return answer({}, 202)


def command_field(body: dict[str, Any], default: str | None = None) -> str:
    """The command of a one-off dyno. Raises Invalid."""
    command = optional_text(body, "command") or default or text_field(body, "command")
    if not command.strip():
        raise Invalid("The field command must be a command.")
    if "\0" in command or len(command.encode(errors="surrogatepass")) > LONGEST_COMMAND:
        raise Invalid(f"A command must be at most {LONGEST_COMMAND} bytes long, without NUL characters.")
    return command


async def _restart(request: web.Request, wanted: str | None) -> web.Response:
    context, app, user = context_of(request), app_for(request, Right.OPERATE), user_of(request)
    selector = None if wanted is None else _selected(context, app, wanted)
    context.events.api(app, f"Restart {selector or 'all dynos'} by {user.email}")
    context.sleeper.wake(app.id)
    await context.manager.restart(app, selector)
    return answer({}, 202)


def _selected(context: Context, app: App, wanted: str) -> str:
    """The dyno name or process type that is meant; raises NotFound if nothing of the app is called that."""
    for dyno in context.manager.dynos(app.id):
        if wanted in (dyno.name, dyno.type):
            return wanted
        if wanted == dyno_id(dyno):
            return dyno.name
    raise _no_dyno(context, app, wanted)


def _no_dyno(context: Context, app: App, wanted: str) -> NotFound:
    # A one-off dyno that has ended is remembered for its exit status only.
    dynos = [dyno for dyno in context.manager.dynos(app.id) if dyno.state is not DynoState.COMPLETE]
    there = ", ".join(sorted({dyno.name for dyno in dynos})) or "none"
    return NotFound(f"Couldn't find that dyno: {wanted[:80]!r}. Dynos of {app.name}: {there}.")


def _versions(context: Context, app: App, dynos: Iterable[Dyno]) -> dict[int, str]:
    """The ids of the dynos' releases; a release phase runs before its release is there to have one."""
    releases = context.ledger.releases
    newest, versions = releases.current(app.id).version, {dyno.version for dyno in dynos}
    return {version: releases.get(app.id, version).id for version in versions if version <= newest}


def _made(request: web.Request, app: App, made: OneOff, env: Mapping[str, str], *, terminal: bool) -> web.Response:
    context, attach_url = context_of(request), None
    if made.attach_token is not None:
        attach_url = _attach_url(request, made.attach_token, env, terminal=terminal)
    return answer(dyno_json(app, made.dyno, _versions(context, app, [made.dyno]), attach_url), 201)


def _attach_url(request: web.Request, token: str, env: Mapping[str, str], *, terminal: bool) -> str:
    """Where the caller meets the dyno: who is on this machine at the attach socket, all others at the rendezvous."""
    if caller_of(request).door is Door.SOCKET:
        return f"hostd-attach:{token}"
    host, port = meeting_place(request, context_of(request).settings.rendezvous_port)
    return rendezvous.address(host, port, token, env, terminal=terminal)


def _rendezvous_if(request: web.Request, attach: bool) -> None:
    """Raise Invalid before anything is made that nobody could attach to."""
    if attach and caller_of(request).door is not Door.SOCKET and not context_of(request).settings.rendezvous_port:
        raise Invalid(
            "This server has no port for terminals of dynos: its admin can set rendezvous_port. "
            "Without one: run it detached, or over ssh (ssh -t git@HOST run COMMAND)."
        )


def _type(body: dict[str, Any], commands: Mapping[str, str], app: App) -> str:
    """The process type whose size and, without a command, whose command a one-off dyno has; `run` for neither."""
    type_ = optional_text(body, "type") or "run"
    return type_ if type_ == "run" else names.known_type(type_, commands, app.name)


def _size(context: Context, app: App, body: dict[str, Any], type_: str) -> str:
    process = context.ledger.formation.get(app.id).get(type_)
    size = optional_text(body, "size") or (process.size if process else sizes.DEFAULT)
    return context.capacity.fitting(size, "a one-off dyno")


def _time_limit(context: Context, body: dict[str, Any]) -> int:
    limit: int | None = body.get("time_to_live")
    return context.settings.run_timeout if limit is None else limit


def _environment(body: dict[str, Any]) -> dict[str, str]:
    # Heroku's own CLI sends COLUMNS and LINES as numbers.
    return names.config_changes({}, {key: str(value) for key, value in (body.get("env") or {}).items()})
