"""hostd-rendezvous: the process behind `rendezvous_port`, which systemd starts for the first client."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time

from hostd import settings as settings_module
from hostd.errors import HostdError, to_terminal
from hostd.listening import inherited, notify
from hostd.rendezvous.certificates import Certificates
from hostd.rendezvous.server import Server
from hostd.settings import Settings

QUIET_SECONDS = 300.0
"""After so long without a client it ends; systemd holds the door, and starts it for the next."""
LOOK_SECONDS = 30.0

log = logging.getLogger(__name__)


def main() -> None:
    """Run in the foreground, as hostd-rendezvous.service does."""
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stderr)
    try:
        asyncio.run(serve(settings_module.load()))
    except HostdError as error:
        text, code = to_terminal(error)
        print(text, file=sys.stderr)
        sys.exit(code)
    except OSError as error:
        sys.exit(f"The rendezvous cannot begin: {error}. Its certificates come with ./install.sh")


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM, or until nobody has come for some minutes."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    server = Server(settings.attach_socket)
    accepting = await server.serve(inherited()["rendezvous"], Certificates(settings.rendezvous_dir).context)
    notify("READY=1")
    quiet = asyncio.create_task(_quiet(server))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait((quiet, stopped), return_when=asyncio.FIRST_COMPLETED)
    notify("STOPPING=1")
    for task in (quiet, stopped):
        task.cancel()
    accepting.close()
    await server.close()


async def _quiet(server: Server) -> None:
    while server.busy or time.monotonic() - server.quiet_since < QUIET_SECONDS:
        await asyncio.sleep(LOOK_SECONDS)
