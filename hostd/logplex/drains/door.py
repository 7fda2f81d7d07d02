"""The socket at which hostd asks about drains: whoever connects gets them as one JSON text.

Before it answers, the logplex reads hostd's document if that is another: so a question is also how it is told.
Only root may connect (`hostd-logplex-drains.socket`).
"""

from __future__ import annotations

import asyncio
import json
import socket

from hostd.logplex.drains.fleet import Fleet

SECONDS = 10.0


async def serve(fleet: Fleet, listener: socket.socket) -> asyncio.Server:
    """Begin to answer on a listening unix socket."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                await fleet.refresh()
                writer.write(json.dumps(fleet.statuses()).encode())
                await writer.drain()
        except (ConnectionError, TimeoutError):
            pass  # whoever asked is gone, or asks again
        finally:
            writer.close()

    return await asyncio.start_unix_server(answer, sock=listener)
