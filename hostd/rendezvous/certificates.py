"""Which certificate a client is shown: the platform's own for its domain, that of its own authority for localhost."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

PLATFORM = ("cert.pem", "key.pem")
LOCALHOST = ("localhost.pem", "localhost-key.pem")
LOCAL_NAMES = frozenset({"localhost", "localhost."})

_log = logging.getLogger(__name__)


class Certificates:
    """The TLS of the rendezvous; files that have changed are read anew for the next client."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._read: dict[tuple[str, str], tuple[tuple[int, ...], ssl.SSLContext]] = {}
        self.context = self._for(LOCALHOST)
        self.context.sni_callback = self._choose

    def _choose(self, connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        # Who connects to an address names nobody: those addresses are localhost's.
        files = LOCALHOST if name is None or name.lower() in LOCAL_NAMES else PLATFORM
        try:
            connection.context = self._for(files)
        except (OSError, ssl.SSLError) as error:
            _log.error("the certificate %s cannot be used: %s", self._directory / files[0], error)

    def _for(self, files: tuple[str, str]) -> ssl.SSLContext:
        paths = [self._directory / name for name in files]
        stamp = tuple(path.stat().st_mtime_ns for path in paths)
        if files not in self._read or self._read[files][0] != stamp:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.load_cert_chain(paths[0], paths[1], password=lambda: "")
            self._read[files] = stamp, context
        return self._read[files][1]
