"""Every answer of an API under test against the schema of its link."""

from __future__ import annotations

import json

from aiohttp import web
from aiohttp.typedefs import Handler

from hostd.api.requests import link_for
from hostd.api.schema import flaw


class Flaws:
    """What answers were not as the schema promises."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def check(self) -> None:
        """Fail if there was any."""
        assert not self.found, "\n".join(sorted(set(self.found)))

    @property
    def watch(self):
        """The middleware, to be the outermost."""

        @web.middleware
        async def watch(request: web.Request, handler: Handler) -> web.StreamResponse:
            response = await handler(request)
            link = link_for(request)
            if link is not None and isinstance(response, web.Response) and response.body and response.status != 304:
                self._judge(link, response)
            return response

        return watch

    def _judge(self, link, response: web.Response) -> None:
        if response.content_type != "application/json":
            if response.status < 400 and response.content_type != link.media:
                self.found.append(f"{link.call} promises {link.media}, and answered with {response.content_type}")
            return
        status = response.status
        if status < 400 and status not in (link.status, 206, *link.others):
            self.found.append(f"{link.call} promises {link.status}, and answered with {status}")
        if trouble := flaw(link, status, json.loads(response.body)):
            self.found.append(trouble)
