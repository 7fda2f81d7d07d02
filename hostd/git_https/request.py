"""What a client of git asks for over http (gitprotocol-http(5)). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from hostd.ssh.request import GIT_SERVICES

_TARGET = re.compile(r"/(?P<app>[a-z][a-z0-9-]{1,28}[a-z0-9])(?:\.git)?/(?P<rest>[A-Za-z0-9/._-]+)")
_REPOSITORY = re.compile(r"/(?P<app>[a-z][a-z0-9-]{1,28}[a-z0-9])(?:\.git)?/?")
_DUMB = re.compile(r"info/refs|HEAD|objects/.*")


class Refused(Exception):  # noqa: N818 - says what happened
    """An answer other than git's: its status, and a sentence that git shows as `remote: ...`."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class Wanted:
    """A service of git on the repository of an app: first it only says what there is (`advertises`)."""

    app: str
    service: str
    advertises: bool

    @property
    def options(self) -> tuple[str, ...]:
        """Options of the service, git-upload-pack(1)."""
        return ("--stateless-rpc", "--http-backend-info-refs") if self.advertises else ("--stateless-rpc",)

    @property
    def answers(self) -> str:
        """The content type of the answer."""
        return f"application/x-{self.service}-{'advertisement' if self.advertises else 'result'}"

    def greeting(self, protocol: str) -> bytes:
        """What comes before git's own words: the service's name, but in version 2 of the protocol."""
        if not self.advertises or "version=2" in protocol.split(":"):
            return b""
        line = f"# service={self.service}\n".encode()
        return b"%04x%s0000" % (len(line) + 4, line)


def parse(method: str, path: str, service: str | None, content_type: str) -> Wanted:
    """What is asked for; raises Refused. `service` is that of the query, if there is one."""
    found = _TARGET.fullmatch(path)
    if found is None:
        raise Refused(404, _nothing_at(path))
    app, rest = found["app"], found["rest"]
    if rest in GIT_SERVICES:
        if method != "POST":
            raise Refused(405, f"{rest} is asked with POST.", {"Allow": "POST"})
        if content_type != f"application/x-{rest}-request":
            raise Refused(415, f"A request of {rest} must have the type application/x-{rest}-request.")
        return Wanted(app, rest, False)
    if rest == "info/refs" and service is not None:
        if service not in GIT_SERVICES:
            raise Refused(403, f"{service[:40]} is not offered here: push, fetch and clone are.")
        if method != "GET":
            raise Refused(405, "info/refs is asked with GET.", {"Allow": "GET"})
        return Wanted(app, service, True)
    if _DUMB.fullmatch(rest):
        raise Refused(403, "Only git's smart protocol is spoken here: use git 1.6.6 or newer.")
    if rest.startswith("info/lfs"):
        raise Refused(404, "Git LFS is not offered here: push, fetch and clone are.")
    raise Refused(404, _nothing_at(path))


def _nothing_at(path: str) -> str:
    if repository := _REPOSITORY.fullmatch(path):
        return f"This address is for git, not for browsers: git clone it. The app: {repository['app']}"
    shown = path[:60].encode("unicode_escape").decode()
    return f"There is nothing at {shown}: the repository of an app is at /APP.git"
