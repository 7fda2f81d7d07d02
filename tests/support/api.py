"""The API as its clients reach it, at the unix socket and at the loopback door; answers are checked by the schema."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from hostd.api.schema import Link, flaw, links
from hostd.cli import client
from tests.support.platform import Platform


def link_at(method: str, path: str) -> Link:
    """The link of a call as it is made, with the path's parameters filled in; of several the one with the fewest."""
    wanted = urlsplit(path).path
    found = [
        link
        for link in links()
        if link.method == method and re.fullmatch(re.sub(r"\\\{[a-z_]+\\\}", "[^/]+", re.escape(link.path)), wanted)
    ]
    assert found, f"no link leads to {method} {path}"
    return min(found, key=lambda link: len(link.parameters))


def check(method: str, path: str, status: int, data: Any) -> None:
    """Fail if an answer in JSON is not what its link promises."""
    link = link_at(method, path)
    assert status >= 400 or status in (link.status, 206, *link.others), f"{link.call} answered with {status}"
    trouble = flaw(link, status, data)
    assert trouble is None, trouble


class Client(client.Client):
    """hostctl's own client of the unix socket."""

    def request(self, method: str, target: str, body: Any = None, **more: Any) -> client.Answer:
        """As hostctl asks."""
        answer = super().request(method, target, body, **more)
        if answer.headers.get_content_type() == "application/json":
            check(method, target, answer.status, answer.data)
        return answer


@dataclass(frozen=True)
class Answer:
    """What the API said; `data` is text where it was no JSON."""

    status: int
    headers: http.client.HTTPMessage
    data: Any


@dataclass(frozen=True)
class Door:
    """The API at its port on loopback, for who has a token; without one, for everybody."""

    port: int
    token: str | None = None

    def __call__(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Ask, with a body in JSON, or as it is if it is bytes; `path` may be an address that an answer has named."""
        parts = urlsplit(path)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        known = {"Accept": client.ACCEPT, **({"Authorization": f"Bearer {self.token}"} if self.token else {})}
        if body is not None and not isinstance(body, bytes):
            body, known["Content-Type"] = json.dumps(body).encode(), "application/json"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=90)
        try:
            connection.request(method, target, body=body, headers={**known, **(headers or {})})
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        finally:
            connection.close()
        data = text
        if answer.headers.get_content_type() == "application/json" and text:
            data = json.loads(text)
            check(method, parts.path, answer.status, data)
        return Answer(answer.status, answer.headers, data)


def door(platform: Platform, *, description: str = "a test") -> Door:
    """The door, with a new token of the platform's user."""
    asked = Client(platform.machine.run_directory, platform.user.email)
    made = asked.request("POST", "/oauth/authorizations", {"description": description}).data
    return Door(platform.api_port, made["access_token"]["token"])
