"""The logplex's streams for clients that do not reach its socket: at a signed address of the API."""

from __future__ import annotations

import asyncio
import json

import aiohttp
from aiohttp import web
from yarl import URL

from hostd.api.requests import context_of
from hostd.errors import Unavailable, from_api

routes = web.RouteTableDef()

PATH = "/hostd/signed/logs"
EVENTS = "text/event-stream"
HEARTBEAT_SECONDS = 25.0
"""A silent tail says a comment so often: the router ends what is silent for 55 s."""
HEARTBEAT = b":\n\n"
CONNECT_SECONDS = 5.0
_PASSED_ON = ("Accept", "Last-Event-ID")


@routes.get(PATH)
async def stream(request: web.Request) -> web.StreamResponse:
    """A log as lines; to who takes `text/event-stream` as events with ids, by which they come back."""
    settings = context_of(request).settings
    headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
    connector = aiohttp.UnixConnector(str(settings.logplex_socket))
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as session:
        # The logplex checks the signature, which is of the whole query as it was written.
        target = f"http://logplex/streams?{request.rel_url.raw_query_string}"
        try:
            opened = await session.get(URL(target, encoded=True), headers=headers)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable("The logplex does not answer. Try again in a moment.") from error
        async with opened:
            if opened.status != 200:
                raise from_api(opened.status, json.loads(await opened.read()))
            return await _pass_on(request, opened)


async def _pass_on(request: web.Request, opened: aiohttp.ClientResponse) -> web.StreamResponse:
    kind = opened.headers["Content-Type"]
    # So that no proxy on the way holds lines back.
    response = web.StreamResponse(headers={"Content-Type": kind, "X-Accel-Buffering": "no"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    last = b""
    try:
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    piece = await opened.content.readany()
            except TimeoutError:
                if kind == EVENTS and (not last or last.endswith(b"\n\n")):
                    await response.write(HEARTBEAT)
                continue
            if not piece:
                break
            await response.write(piece)
            last = piece
    except aiohttp.ClientError:
        # Cut, not ended: the reader comes back, and hears then if there is no more for them.
        if request.transport is not None:
            request.transport.abort()
        return response
    await response.write_eof()
    return response
