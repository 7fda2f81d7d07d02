"""Tarballs, and their way to hostd over its API."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from typing import Literal

from hostd.cli.client import API_SOCKET, USER_HEADER, UnixConnection
from tests.support.platform import Platform


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
