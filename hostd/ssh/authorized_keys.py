"""`hostd-authorized-keys %t %k`: sshd's AuthorizedKeysCommand. A key that the ledger knows may run hostd-ssh, no more.

Prints one line of authorized_keys(5), or nothing for a key nobody has. Must be quick: sshd waits for it.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from hostd.cli.client import Client, path, run_dir
from hostd.errors import HostdError, NotFound

FORCED_COMMAND = "hostd-ssh"
RESTRICTIONS = "restrict,pty,port-forwarding"
"""No rc file, no agent; a terminal for `hostctl run`, and connections to where sshd_config's PermitOpen says."""

_TYPE = re.compile(r"[a-z0-9@.-]{3,80}")
_BLOB = re.compile(r"[A-Za-z0-9+/]{16,16384}={0,2}")


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
        found = Client(run_dir(os.environ)).get(path("hostd", "ssh", "keys", type=kind, key=blob))
    except NotFound:
        return 0
    except HostdError as error:
        sys.stderr.write(f"hostd-authorized-keys: {error.message}\n")
        return 1
    program = Path(sys.argv[0]).absolute().parent / FORCED_COMMAND
    sys.stdout.write(line(program, str(found["user"]), str(found["key"]), f"{kind} {blob}"))
    return 0


def line(program: Path, user: str, key: str, public: str) -> str:
    """The line for a key, by its id in the ledger and as it is public; a session is known by both (`ssh.sessions`).

    sshd hands the command to a shell, so the user's name is quoted for it.
    """
    words = shlex.join([str(program), user, key])
    if not words.isprintable() or "\\" in words:
        raise ValueError("a user's name that no authorized_keys line can hold")
    command = words.replace('"', '\\"')
    return f'command="{command}",{RESTRICTIONS} {public}\n'
