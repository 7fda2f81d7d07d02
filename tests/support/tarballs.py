"""Tarballs, and their way to hostd over its API."""

from __future__ import annotations

import http.client
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from hostd.cli.client import USER_HEADER, connect
from hostd.places import API_SOCKET
from tests.support.platform import Platform


class UnixConnection(http.client.HTTPConnection):
    """HTTP to a unix socket, request by request."""

    def __init__(self, socket_path: Path, timeout: float | None = None) -> None:
        super().__init__("hostd", timeout=timeout)
        self.socket_path = socket_path

    def connect(self) -> None:
        self.sock = connect(self.socket_path, self.timeout)


def tar_of(files: Mapping[str, str], mode: Literal["w", "w:gz"] = "w") -> bytes:
    """A tarball of files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


def upload(platform: Platform, url: str, content: bytes) -> None:
    """Upload to one of the API's addresses, as curl does."""
    connection = UnixConnection(platform.machine.run_directory / API_SOCKET, 30)
    try:
        connection.request("PUT", url.removeprefix("http://hostd"), content, {USER_HEADER: platform.user.email})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
    finally:
        connection.close()
