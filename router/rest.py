"""Rest: reading on where the parser stops, at the body of a request that offers to switch protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httptools

from router.heads import CHUNKED

if TYPE_CHECKING:
    from router.client import Client


def rest_of_request(client: Client, length: int) -> Any:
    """A parser in the middle of a request, just behind its head, with all callbacks of the client's.

    httptools takes what follows a head with `Upgrade` for the new protocol, even a body. We switch for no request
    that has one, and what it contains must not become a request.
    """
    callbacks = _Callbacks(client)
    parser = httptools.HttpRequestParser(callbacks)
    framing = b"Transfer-Encoding: chunked" if length == CHUNKED else b"Content-Length: %d" % length
    parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n\r\n" % framing)
    callbacks.hear()
    return parser


class _Callbacks:
    """The client's callbacks, deaf to the head that brings the parser where it should be."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._deaf = True
        self.on_body = client.on_body
        self.on_message_complete = client.on_message_complete

    def hear(self) -> None:
        """What comes now is of the client."""
        self._deaf = False

    def on_message_begin(self) -> None:
        """Called by the parser."""
        if not self._deaf:
            self._client.on_message_begin()

    def on_url(self, part: bytes) -> None:
        """Called by the parser."""
        if not self._deaf:
            self._client.on_url(part)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        if not self._deaf:
            self._client.on_header(name, value)

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        if not self._deaf:
            self._client.on_headers_complete()
