"""`hostd-git`: the process, as the user git. Its listening socket comes from systemd (`hostd-git.socket`)."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from pathlib import Path

from aiohttp import web

from hostd.cli.client import Client, run_dir
from hostd.git_https.origin import Origins
from hostd.git_https.service import Service
from hostd.listening import inherited, notify
from hostd.unreadable import Runner, server_log

LEAVE_SECONDS = 20.0
"""How long pushes and fetches may still take when the service ends; then they are cut off."""
LONGEST_HEADER = 16 * 1024


def main() -> None:
    """Serve until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    listener = inherited().get("git")
    if listener is None:
        sys.exit(" !    hostd-git is started by systemd, with its socket: systemctl start hostd-git.socket")
    service = Service(Client(run_dir(os.environ)), Path(sys.argv[0]).absolute().parent, os.environ, Origins.of_system())
    asyncio.run(_serve(service, listener))


async def _serve(service: Service, listener: socket.socket) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    runner = await listen(service, listener)
    notify("READY=1")
    await ended.wait()
    notify("STOPPING=1")
    await runner.cleanup()


async def listen(service: Service, listener: socket.socket) -> web.AppRunner:
    """Answer at a listening socket until the runner's `cleanup()`. A request ends when its client hangs up."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", service.answer)
    application.on_response_prepare.append(_sign)
    runner = Runner(
        application,
        access_log=None,
        logger=server_log,
        handler_cancellation=True,
        shutdown_timeout=LEAVE_SECONDS,
        # By itself it would make of few bytes any number, in memory.
        auto_decompress=False,
        max_field_size=LONGEST_HEADER,
        max_line_size=LONGEST_HEADER,
    )
    await runner.setup()
    await web.SockSite(runner, listener).start()
    return runner


async def _sign(request: web.Request, response: web.StreamResponse) -> None:
    # By itself the library says of which version it and Python are.
    response.headers["Server"] = "hostd"


if __name__ == "__main__":
    main()
