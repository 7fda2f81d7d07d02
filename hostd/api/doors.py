"""The ways in from other machines, for programs that make one: `hostctl heroku`."""

from __future__ import annotations

from aiohttp import web

from hostd.api.requests import answer, context_of
from hostd.errors import Unavailable
from hostd.install.certificate import AUTHORITY

routes = web.RouteTableDef()


@routes.get("/hostd/doors")
async def show(request: web.Request) -> web.Response:
    """The ports of this server, and the certificate of its authority for `localhost`, as PEM."""
    settings = context_of(request).settings
    try:
        authority = (settings.tls_dir / AUTHORITY).read_text()
    except OSError as error:
        raise Unavailable("The authority's certificate cannot be read. ./install.sh makes it anew.") from error
    return answer(
        {
            "api_port": settings.api_port,
            "authority": authority,
            "domain": settings.domain,
            "https_port": settings.https_port,
            "rendezvous_port": settings.rendezvous_port,
            "ssh_port": settings.ssh_port,
        }
    )
