"""From an exception to an answer, and calls that outlive the client that made them."""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web
from aiohttp.typedefs import Handler

from hostd.api.requests import REQUEST_ID
from hostd.errors import UNEXPECTED, BadRequest, HostdError, RateLimited, Unauthorized, to_api

_log = logging.getLogger(__name__)
_unattended: set[asyncio.Task[web.StreamResponse]] = set()

CANCELLED_WITH_CLIENT = ("/hostd/pushes", "/hostd/deploys")
"""The calls that end when their client hangs up: Ctrl-C on a push cancels the build."""


@web.middleware
async def finish(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Finish what was begun even if the client is gone: no half-made change.

    The server cancels a handler when its client hangs up, which only deploys want, and what only reads.
    """
    if request.path in CANCELLED_WITH_CLIENT or request.method == "GET":
        return await handler(request)
    task = asyncio.ensure_future(handler(request))
    _unattended.add(task)
    task.add_done_callback(_unattended.discard)
    return await asyncio.shield(task)


@web.middleware
async def explain(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every failure becomes `{"id": ..., "message": ...}`; a fault of hostd is logged with its traceback."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _of_http(request, error)
    except Exception as error:  # noqa: BLE001 - logged below unless hostd raised it
        if isinstance(error, web.RequestPayloadError) or error is request.content.exception():
            # The client's doing, not a fault of ours: it hung up, or said wrongly how the body is packed or cut.
            error = BadRequest("The body of the request ended early, or is not packed as the request says.")
        status, body = to_api(error)
        if status >= 500:
            id = request.get(REQUEST_ID, "-")
            _log.exception("%s %s failed (request %s)", request.method, request.path, id)
            if not isinstance(error, HostdError):
                body["message"] = f"{UNEXPECTED} -g {id}"
        return web.json_response(body, status=status, headers=_headers(error))


def _headers(error: Exception) -> dict[str, str]:
    if isinstance(error, Unauthorized):
        return {"WWW-Authenticate": 'Bearer realm="hostd"'}
    if isinstance(error, RateLimited) and error.retry_after is not None:
        return {"Retry-After": str(error.retry_after)}
    return {}


def _of_http(request: web.Request, error: web.HTTPException) -> web.Response:
    if error.status == 404:
        body = {"id": "not_found", "message": f"There is nothing at {request.method} {request.path}."}
    elif error.status == 405:
        body = {"id": "method_not_allowed", "message": f"{request.path} cannot {request.method}."}
    elif error.status == 413:
        body = {"id": "request_too_large", "message": "The body of the request is too large."}
    else:
        body = {"id": "bad_request", "message": error.reason}
    allowed = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
    return web.json_response(body, status=error.status, headers=allowed)
