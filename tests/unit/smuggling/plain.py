"""aiohttp: says on standard output which requests it took, when it has all of them."""

from __future__ import annotations

import asyncio
import base64
import json
import os

from aiohttp import web


async def take(request: web.Request) -> web.Response:
    """Any request."""
    body = await request.read()
    identity = request.headers.get("X-Request-ID", "")
    taken = {
        "id": identity,
        "method": request.method,
        "target": request.raw_path,
        "body": base64.b64encode(body).decode(),
    }
    os.write(1, json.dumps(taken).encode() + b"\n")
    return web.Response(text=identity)


async def main() -> None:
    """Serve until killed."""
    runner = web.ServerRunner(web.Server(take, keepalive_timeout=60))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    os.write(1, json.dumps({"port": runner.addresses[0][1]}).encode() + b"\n")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
