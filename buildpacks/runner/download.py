"""Downloads a file with curl, which reads the address from standard input: credentials never stand in argv."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from .addresses import Address
from .trouble import Trouble

SECONDS = 300
MAX_BYTES = 1 << 30

_PIECE = 1 << 16
_OPTIONS = (
    *("--silent", "--show-error", "--fail", "--location", "--max-redirs", "5", "--globoff", "--compressed"),
    *("--proto", "=http,https", "--proto-redir", "=http,https", "--connect-timeout", "30"),
)


def download(address: Address, target: Path, *, seconds: int = SECONDS, max_bytes: int = MAX_BYTES) -> str:
    """Fetch the address into `target` and return the sha256 of what came; raises Trouble."""
    argv = ["curl", "--disable", *_OPTIONS, "--max-time", str(seconds), "--config", "-"]
    digest, size = hashlib.sha256(), 0
    with (
        subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as curl,
        target.open("wb") as file,
    ):
        assert curl.stdin is not None and curl.stdout is not None and curl.stderr is not None
        curl.stdin.write(config(address).encode())
        curl.stdin.close()
        while piece := curl.stdout.read(_PIECE):
            size += len(piece)
            if size > max_bytes:
                curl.kill()
                raise Trouble(f"it is larger than {max_bytes >> 20} MB")
            digest.update(piece)
            file.write(piece)
        said = curl.stderr.read().decode(errors="replace")
    if curl.returncode != 0:
        raise Trouble(reason(said, address))
    return digest.hexdigest()


def config(address: Address) -> str:
    """curl's configuration file (curl(1), --config) for an address."""
    lines = [f'url = "{_quoted(address.url)}"']
    if address.username or address.password:
        lines.append(f'user = "{_quoted(address.username)}:{_quoted(address.password)}"')
    return "".join(f"{line}\n" for line in lines)


def reason(said: str, address: Address) -> str:
    """What curl said, in one line."""
    text = "; ".join(line.removeprefix("curl: ").strip() for line in said.splitlines() if line.strip())
    return (text or "curl failed without a word").replace(address.url, address.shown)[:500]


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
