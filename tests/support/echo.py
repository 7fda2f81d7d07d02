"""The app under test: answers every request with its own name and the request. It ends at once on SIGTERM.

    NAME METHOD PATH BODY
    RELEASE DYNO

A path that ends in /slow is answered a little later, so that there are always requests in flight.
"""

import asyncio
import os

NAME, PORT = os.environ.get("NAME", "nameless"), int(os.environ["PORT"])
WHO = f"{os.environ['HOSTD_RELEASE']} {os.environ['DYNO']} {os.environ.get('COLOUR', '')}"
SLOW_SECONDS = 0.3


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, path, _ = head[0].split(" ")
            fields = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            body = await reader.readexactly(int(fields.get("content-length", "0")))
            if path.endswith("/slow"):
                await asyncio.sleep(SLOW_SECONDS)
            text = f"{NAME} {method} {path} {body.decode()}\n{WHO}\n".encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "0.0.0.0", PORT, backlog=1024)
    async with server:
        await server.serve_forever()


asyncio.run(main())
