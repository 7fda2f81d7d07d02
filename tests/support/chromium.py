"""Chromium, as a person would use it, without a screen: opens pages and runs scripts there (DevTools Protocol)."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import itertools
import json
import os
import select
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.waiting import patient

PROGRAM = "chromium"
SECONDS = 60.0


class Browser:
    """A browser that runs, with one tab. Messages are JSON, each with a NUL behind it, by pipes."""

    def __init__(self, says: int, hears: int) -> None:
        self._says, self._hears = says, hears
        self._numbers = itertools.count(1)
        self._rest = b""
        self._session: dict[str, str] = {}
        tab = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self.call("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]}
        self.call("Page.enable")

    def open(self, address: str) -> None:
        """Load a page with all that belongs to it."""
        trouble = self.call("Page.navigate", url=address).get("errorText")
        assert not trouble, f"{address}: {trouble}"
        self._until(lambda message: message.get("method") == "Page.loadEventFired")

    def run(self, script: str, seconds: float = SECONDS) -> Any:
        """What a script's promise comes to, as JSON has it; raises AssertionError with what was thrown."""
        done = self.call("Runtime.evaluate", seconds, expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def call(self, method: str, seconds: float = SECONDS, **parameters: object) -> dict[str, Any]:
        """The result of a command of the protocol."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters, **self._session}
        os.write(self._says, json.dumps(message).encode() + b"\0")
        answer = self._until(lambda heard: heard.get("id") == number, seconds)
        assert "error" not in answer, (method, answer["error"])
        return dict(answer["result"])

    def _until(self, wanted: Any, seconds: float = SECONDS) -> dict[str, Any]:
        deadline = time.monotonic() + patient(seconds)
        while True:
            while b"\0" in self._rest:
                said, _, self._rest = self._rest.partition(b"\0")
                message: dict[str, Any] = json.loads(said)
                if wanted(message):
                    return message
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self._hears], [], [], left)[0], "the browser does not answer"
            piece = os.read(self._hears, 1 << 16)
            assert piece, "the browser has ended"
            self._rest += piece


@contextlib.contextmanager
def running(folder: Path, *trusted: str) -> Iterator[Browser]:
    """A browser that trusts these certificates (PEM), whoever has signed them, beside those that all trust."""
    assert shutil.which(PROGRAM), f"Debian's package {PROGRAM} is needed: tests/run --browser installs it"
    options = [
        "--headless", "--remote-debugging-pipe", f"--user-data-dir={folder / 'profile'}", "--no-first-run",
        "--no-proxy-server", "--disable-background-networking", "--disable-dev-shm-usage",
        f"--ignore-certificate-errors-spki-list={','.join(map(_fingerprint, trusted))}",
    ]  # fmt: skip
    if os.geteuid() == 0:
        options.append("--no-sandbox")
    # It reads descriptor 3 and writes to 4.
    (heard, says), (hears, said) = os.pipe(), os.pipe()
    shuffle = f'exec "$0" "$@" 3<&{heard} 4>&{said}'
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", shuffle, PROGRAM, *options], pass_fds=(heard, said), stdin=subprocess.DEVNULL, stdout=log,
            stderr=log, env={**os.environ, "HOME": str(folder)},
        )  # fmt: skip
    os.close(heard)
    os.close(said)
    try:
        yield Browser(says, hears)
    finally:
        # It ends when nobody speaks to it any more.
        os.close(says)
        os.close(hears)
        try:
            process.wait(timeout=patient(20))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def shown_at(port: int) -> str:
    """The certificate that is shown there to those who ask for no name (PEM)."""
    return ssl.get_server_certificate(("127.0.0.1", port))


def _fingerprint(pem: str) -> str:
    key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    made = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    return base64.b64encode(made).decode()
