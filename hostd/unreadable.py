"""Requests that cannot be read as HTTP: they are answered with 400, and nothing of them gets into log or answer."""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.http import HttpProcessingError


class Unquoted(logging.Filter):
    """Leaves out what aiohttp says of such requests: it quotes them, a token may stand in them, and anybody can send
    any number of them."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is of something else."""
        return not (record.exc_info and isinstance(record.exc_info[1], (HttpProcessingError, web.RequestPayloadError)))


server_log = logging.getLogger("hostd.server")
"""For aiohttp's servers: faults of theirs and of ours."""
server_log.addFilter(Unquoted())


class Runner(web.AppRunner):
    """A runner whose server says in JSON, and in words of its own, that a request could not be read."""

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            loop=made._loop,
            **made._kwargs,
        )


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Handler(self, loop=self._loop, **self._kwargs)


class _Handler(web.RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Let aiohttp log it, but not answer: it quotes the request, and names its version and Python's."""
        super().handle_error(request, status, exc, message)
        id, said = "bad_request", "The request cannot be read: it is no HTTP, or not as it should be."
        if status >= 500:
            id, said = "internal_server_error", "Something went wrong inside hostd. The cause is in its log."
        response = web.json_response({"id": id, "message": said}, status=status, headers={"Server": "hostd"})
        response.force_close()
        return response
