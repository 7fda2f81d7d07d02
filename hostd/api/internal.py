"""For hostd's own programs, run as git or root: ssh key look-up, repositories, pushes."""

from __future__ import annotations

import json
import re

from aiohttp import web

from hostd.api.audit import WHAT
from hostd.api.deploys import build_id, pieces, told
from hostd.api.git_https import over_https
from hostd.api.requests import CALLER, USER, accessible_app, answer, body_of, context_of, parameter, text_field
from hostd.deploys.deploy import Deploy
from hostd.errors import BadRequest, Invalid, NotFound
from hostd.ledger.access import Right
from hostd.ledger.users import User

routes = web.RouteTableDef()
SERVICES = ("git-receive-pack", "git-upload-pack")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@routes.get("/hostd/ssh/keys")
async def ssh_key(request: web.Request) -> web.Response:
    """The user whose ssh key this is: `type` and base64 `key` as sshd gives them to AuthorizedKeysCommand; its id."""
    found = context_of(request).ledger.keys.by_blob(parameter(request, "type"), parameter(request, "key"))
    if found is None:
        raise NotFound("No user has this ssh key.")
    return answer({"key": found[0].id, "user": found[1].email})


@routes.post("/hostd/ssh/repositories")
async def repository(request: web.Request) -> web.Response:
    """Where the repository of an app is, for a user with a right to it; it is made at the first call."""
    context, body = context_of(request), await body_of(request)
    if (service := text_field(body, "service")) not in SERVICES:
        raise Invalid(f"{service[:40]!r} is not a git service hostd runs.")
    right = Right.DEPLOY if service == "git-receive-pack" else Right.VIEW
    request[WHAT] = f"{service} {body['app']}"
    app = accessible_app(request, _user(request, text_field(body, "user")), text_field(body, "app"), right)
    return answer({"path": str(await context.repositories.ensure(app)), "app_id": app.id, "app": app.name})


@routes.post("/hostd/pushes")
async def push(request: web.Request) -> web.StreamResponse:
    """Deploy a pushed tree.

    The body is a tar stream; the parameter `submodules` is a JSON object of commits by the paths of git's submodules.
    The answer is the output for the pusher as it is made, and a last line that starts with a NUL:
    `{"status": "released" or "rejected", "version": ..., "reason": ...}`. Hanging up cancels the deploy.
    """
    user = _user(request, parameter(request, "user"))
    request[WHAT] = f"git push {parameter(request, 'commit')[:7]}"
    if "door" in request.query:
        request[CALLER] = over_https(request, user)
    app = accessible_app(request, user, parameter(request, "app"), Right.DEPLOY)
    commit, push_id = parameter(request, "commit"), build_id(parameter(request, "push"))
    parameter(request, "ref")
    if not _COMMIT.fullmatch(commit):
        raise BadRequest("The parameter commit must be the full name of a commit.")
    wanted = Deploy(push_id, app, user, commit, submodules=_submodules(request.query.get("submodules", "{}")))
    return await told(request, wanted, pieces(request))


@routes.get("/hostd/pushes/{push}")
async def outcome(request: web.Request) -> web.Response:
    """How a push ended, for a hook that lost its connection."""
    found = context_of(request).deploys.outcome(build_id(request.match_info["push"]))
    if found is None:
        raise NotFound("There was no such push.")
    return answer({"status": found.status, "version": found.version, "reason": found.reason})


def _submodules(text: str) -> dict[str, str]:
    try:
        links = json.loads(text)
    except ValueError:
        links = None
    if not isinstance(links, dict):
        raise BadRequest("The parameter submodules must be a JSON object.")
    for path, commit in links.items():
        if "\n" in path or not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
            raise BadRequest(f"{path[:80]!r} cannot be a submodule: commits by paths, each path one line.")
    return links


def _user(request: web.Request, email: str) -> User:
    request[USER] = user = context_of(request).ledger.users.get(email)
    return user
