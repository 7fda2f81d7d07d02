"""`hostd-authorized-keys %t %k`: sshd's AuthorizedKeysCommand. A key that the ledger knows may run hostd-ssh, no more.

Prints one line of authorized_keys(5), or nothing for a key nobody has. Must be quick: sshd waits for it, twice for each
login, and most of the time of such a program is that of its imports. Hence it asks as the socket can be asked in a few
lines, without http.client, which brings TLS and mail with it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any

from hostd.places import API_SOCKET, run_dir

FORCED_COMMAND = "hostd-ssh"
RESTRICTIONS = "restrict,pty,port-forwarding"
"""No rc file, no agent; a terminal for `hostctl run`, and connections to where sshd_config's PermitOpen says."""

ANSWER_SECONDS = 30.0
PATIENCE_SECONDS = 5.0
"""How long to ask again while hostd restarts."""
PAUSE_SECONDS = 0.1

_TYPE = re.compile(r"[a-z0-9@.-]{3,80}")
_BLOB = re.compile(r"[A-Za-z0-9+/]{16,16384}={0,2}")
_ENCODED = str.maketrans({"+": "%2B", "/": "%2F", "=": "%3D"})
"""What a blob may hold and a query may not (RFC 3986, section 3.4; a plus would be a blank)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Look a key up. Reasons for printing nothing go to stderr, which sshd writes to its log."""
    words = list(sys.argv[1:] if argv is None else argv)
    if len(words) != 2:
        sys.stderr.write("usage: hostd-authorized-keys TYPE KEY\n")
        return 2
    kind, blob = words
    # Certificates (…-cert-v01@openssh.com) have types and blobs too; the ledger knows none of them.
    if not (_TYPE.fullmatch(kind) and _BLOB.fullmatch(blob)):
        return 0
    try:
        status, found = _ask(f"/hostd/ssh/keys?type={kind}&key={blob.translate(_ENCODED)}")
    except (OSError, ValueError) as error:
        sys.stderr.write(f"hostd-authorized-keys: hostd does not answer: {error}\n")
        return 1
    if status == 404:
        return 0
    if status != 200:
        sys.stderr.write(f"hostd-authorized-keys: {found['message']}\n")
        return 1
    # sshd calls us by an absolute path (sshd_config(5), AuthorizedKeysCommand).
    program = f"{sys.argv[0].rpartition('/')[0]}/{FORCED_COMMAND}"
    sys.stdout.write(line(program, str(found["user"]), str(found["key"]), f"{kind} {blob}"))
    return 0


def line(program: str, user: str, key: str, public: str) -> str:
    """The line for a key, by its id in the ledger and as it is public; a session is known by both (`ssh.sessions`).

    sshd hands the command to a shell, so the user's name is quoted for it.
    """
    words = shlex.join([program, user, key])
    if not words.isprintable() or "\\" in words:
        raise ValueError("a user's name that no authorized_keys line can hold")
    command = words.replace('"', '\\"')
    return f'command="{command}",{RESTRICTIONS} {public}\n'


def _ask(target: str) -> tuple[int, Any]:
    """The status and the JSON that hostd answers a GET with; asked again while it restarts."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return _answer(target)
        except (OSError, ValueError):
            # An answer that was broken off is no JSON.
            if time.monotonic() > deadline:
                raise
        time.sleep(PAUSE_SECONDS)


def _answer(target: str) -> tuple[int, Any]:
    """Ask once, by HTTP/1.0: the answer ends with its connection (RFC 9112, sections 6.3 and 9.3)."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_SECONDS)
        connection.connect(f"{run_dir(os.environ)}/{API_SOCKET}")
        connection.sendall(f"GET {target} HTTP/1.0\r\n\r\n".encode())
        said = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = said.partition(b"\r\n\r\n")
    return int(head.split()[1] if head else 0), json.loads(body)
