"""Has one of each thing that another process could get hold of, open to everybody, and serves HTTP on $PORT.

In a dyno, whose walls are then all that protects it, and on the server without any: what `ways_out.py` is after.
"""

import ctypes
import http.server
import json
import os
import socket
from pathlib import Path

NAME = "valuables"
KEY = 0x76616C75
IPC_CREAT = 0o1000
OPEN_TO_ALL = 0o666

if __name__ == "__main__":
    os.umask(0)
    libc = ctypes.CDLL(None, use_errno=True)
    memory = ctypes.create_string_buffer(b"in memory")
    Path(f"/tmp/{NAME}.sock").unlink(missing_ok=True)
    for address in (f"\0{NAME}", f"/tmp/{NAME}.sock"):
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(address)
        listening.listen()
        listening.detach()
    for made in (
        libc.shmget(KEY, 4096, IPC_CREAT | OPEN_TO_ALL),
        libc.semget(KEY, 1, IPC_CREAT | OPEN_TO_ALL),
        libc.msgget(KEY, IPC_CREAT | OPEN_TO_ALL),
    ):
        if made == -1:
            raise OSError(ctypes.get_errno(), "no IPC")
    for folder in ("/dev/shm", "/tmp"):
        Path(folder, NAME).write_text(json.dumps({"pid": os.getpid(), "address": ctypes.addressof(memory)}))
    port = int(os.environ.get("PORT", "0"))
    http.server.HTTPServer(("", port), http.server.SimpleHTTPRequestHandler).serve_forever()
