"""Deploys that somebody waits for: a tarball that is sent, or a git repository that the build clones."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import AsyncIterator

from aiohttp import web

from hostd.api.identity import known_owner
from hostd.api.requests import accessible_app, body_of, context_of, optional_text, parameter, text_field, user_of
from hostd.deploys import origins
from hostd.deploys.deploy import Deploy, PushOutcome
from hostd.errors import BadRequest, Invalid, to_api
from hostd.ledger.access import Right

routes = web.RouteTableDef()
_log = logging.getLogger(__name__)

PIECE = 64 * 1024
"""Bytes of a source handed on at once."""
LONGEST_TIMEOUT = 86400
"""Seconds."""


@routes.post("/hostd/deploys")
async def deploy(request: web.Request) -> web.StreamResponse:
    """Deploy a tar stream, plain or compressed with gzip; or with a JSON body `{"git": {"url", "ref"?}}` a repository.

    Parameters: `app`; `build`, a new UUID; `version`, what its owner calls it; `timeout` in seconds; `strip=1` to take
    a single folder at the top of the tarball off. Answers as a push does. Hanging up cancels the deploy.
    """
    user = known_owner(user_of(request))
    app = accessible_app(request, user, parameter(request, "app"), Right.DEPLOY)
    if request.content_type == "application/json":
        tree: AsyncIterator[bytes] | None = None
        source, label = await _repository(request)
    else:
        tree = pieces(request)
        source, label = origins.tarball(strip=request.query.get("strip") == "1")
    wanted = Deploy(
        build_id(parameter(request, "build")),
        app,
        user,
        version(request.query.get("version")),
        label,
        source,
        timeout=timeout(request.query.get("timeout")),
    )
    return await told(request, wanted, tree)


async def told(request: web.Request, deploy: Deploy, tree: AsyncIterator[bytes] | None) -> web.StreamResponse:
    """Deploy, and answer with the output as it is made and a last line that says how it ended."""

    async def output(piece: bytes) -> None:
        # The NUL is ours: without this an app's build could forge the last line.
        await response.write(piece.replace(b"\0", b""))

    response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    try:
        outcome = await context_of(request).deploys.push(deploy, tree=tree, output=output)
    except Exception as error:  # noqa: BLE001 - logged below unless hostd raised it
        status, body = to_api(error)
        if status >= 500:
            _log.exception("deploy %s to %s failed", deploy.id, deploy.app.name)
        outcome = PushOutcome("rejected", reason=body["message"])
    await response.write(trailer(outcome))
    await response.write_eof()
    return response


def trailer(outcome: PushOutcome) -> bytes:
    """The last line of a deploy's answer, told from output by its NUL."""
    ended = {"status": outcome.status, "version": outcome.version, "reason": outcome.reason}
    return b"\0" + json.dumps(ended).encode() + b"\n"


async def pieces(request: web.Request) -> AsyncIterator[bytes]:
    """The body of a request as it comes."""
    async for piece in request.content.iter_chunked(PIECE):
        yield piece


def build_id(text: str) -> str:
    """The id of a build that its client has chosen."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise BadRequest("A build is named by a UUID.") from None


def version(text: str | None) -> str:
    """What the owner calls a version; empty for nothing."""
    if text and (len(text) > origins.LONGEST or not text.isprintable()):
        raise Invalid(f"A version must be one line of at most {origins.LONGEST} printable characters.")
    return text or ""


def timeout(value: str | int | None) -> int | None:
    """The seconds that a build may take; None: as its app's builds."""
    if value is None or value == "":
        return None
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= LONGEST_TIMEOUT):
        raise Invalid(f"A build's timeout must be 1 to {LONGEST_TIMEOUT} seconds.")
    return int(text)


async def _repository(request: web.Request) -> origins.Origin:
    git = (await body_of(request))["git"]
    return origins.repository(text_field(git, "url"), optional_text(git, "ref") or "")
