"""Pebble: Let's Encrypt's own certificate authority for tests, with a DNS that goes with it; both are Debian's package.

Nothing is installed: the package is taken from the system's sources, once, into the tests' cache, and unpacked there.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
import socket
import ssl
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.waiting import patient, wait_until
from tests.unit.tls_kit import DAY, make

PACKAGE = "pebble"
DNS_PORT = 53
"""What stands in a resolv.conf has no port."""
LIFE = 20
"""Seconds that a certificate lives: a third of that before its end it is to be renewed."""
REFUSED_NONCES = 15
"""Per cent of nonces that are refused although they are good."""


@dataclass(frozen=True)
class Pebble:
    """An authority that runs. `roots` is what its https server's certificate is signed by."""

    directory: str
    management: str
    dns: str
    dns_management: str
    roots: str
    process: subprocess.Popen[bytes]

    def root(self) -> str:
        """The root of the certificates that it issues, PEM."""
        context = ssl.create_default_context(cadata=self.roots)
        with urllib.request.urlopen(f"{self.management}/roots/0", context=context, timeout=10) as answer:
            return str(answer.read().decode())

    def lead(self, name: str, *addresses: str) -> None:
        """Let a name lead to these addresses; without any, to 127.0.0.1 as all others do."""
        self._tell("clear-a", {"host": f"{name}."})
        if addresses:
            self._tell("add-a", {"host": f"{name}.", "addresses": list(addresses)})

    def _tell(self, what: str, body: dict[str, object]) -> None:
        request = urllib.request.Request(f"{self.dns_management}/{what}", json.dumps(body).encode())
        urllib.request.urlopen(request, timeout=10).close()

    def end(self) -> None:
        """Be gone."""
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def running(http_port: int, https_port: int, folder: Path) -> Iterator[Pebble]:
    """An authority that looks for proofs at these ports of the names that it is to certify."""
    programs, address = unpacked(), _free_loopback()
    ports = [_free_port() for _ in range(3)]
    acme, management, dns_management = (f"127.0.0.1:{port}" for port in ports)
    roots = _certificate(folder)
    config = {
        "listenAddress": acme, "managementListenAddress": management, "certificate": str(folder / "cert.pem"),
        "privateKey": str(folder / "key.pem"), "httpPort": http_port, "tlsPort": https_port, "ocspResponderURL": "",
        "externalAccountBindingRequired": False, "certificateValidityPeriod": LIFE,
        "domainBlocklist": ["blocked.acme.test"],
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps({"pebble": config}))
    # It sleeps by chance before it looks for a proof, but not for as long as by default.
    env = {"PEBBLE_VA_SLEEPTIME": "2", "PEBBLE_WFE_NONCEREJECT": str(REFUSED_NONCES), "PATH": os.environ["PATH"]}
    server = f"{address}:{DNS_PORT}"
    nothing = [word for name in ("http01", "https01", "tlsalpn01", "defaultIPv6") for word in (f"-{name}", "")]
    with contextlib.ExitStack() as stack:
        names = [programs / "pebble-challtestsrv", "-dns01", server, "-management", dns_management, *nothing]
        stack.enter_context(_run(names, {}, folder / "dns.log"))
        argv = [programs / "pebble", "-strict", "-config", folder / "config.json", "-dnsserver", server]
        process = stack.enter_context(_run(argv, env, folder / "pebble.log"))
        for port in ports:
            wait_until(lambda port=port: _answers(port), 20, what="pebble to answer")  # type: ignore[misc]
        yield Pebble(
            f"https://localhost:{ports[0]}/dir", f"https://localhost:{ports[1]}", address, f"http://{dns_management}",
            roots, process,
        )  # fmt: skip


def unpacked() -> Path:
    """The directory of its programs."""
    cache = Path(os.environ.get("HOSTD_TEST_CACHE", "/var/tmp/hostd-tests")) / PACKAGE
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (cache / "ready").exists():
            with tempfile.TemporaryDirectory(dir=cache) as folder:
                _download(folder)
                (package,) = Path(folder).glob("*.deb")
                subprocess.run(["dpkg-deb", "-x", package, cache], check=True)
            (cache / "ready").touch()
    return cache / "usr/bin"


def _download(folder: str) -> None:
    # apt checks who made it. Package lists that are too old name files that are gone.
    for refresh in (False, True):
        if refresh:
            subprocess.run(["apt-get", "-qq", "update"], check=True, timeout=patient(300))
        done = subprocess.run(
            ["apt-get", "-qq", "download", PACKAGE], cwd=folder, capture_output=True, text=True, check=False,
            timeout=patient(300),
        )  # fmt: skip
        if done.returncode == 0:
            return
    raise AssertionError(f"Debian's package {PACKAGE} is not to be had, and these tests need it:\n{done.stderr}")


def _certificate(folder: Path) -> str:
    """Make a certificate for its own https server; the root's, PEM."""
    now = datetime.datetime.now(datetime.UTC)
    root = make(authority=True, common_name="Root of a test", starts=now - DAY, ends=now + DAY)
    own = make("localhost", issuer=root, starts=now - DAY, ends=now + DAY)
    (folder / "cert.pem").write_text(own.pem)
    (folder / "key.pem").write_text(own.key_pem)
    return root.pem


@contextlib.contextmanager
def _run(argv: list[object], env: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen([str(word) for word in argv], env=env, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def _free_loopback() -> str:
    """An address of this machine's own at which nobody serves names."""
    for number in range(1, 255):
        address = f"127.53.{number}.1"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
            try:
                trial.bind((address, DNS_PORT))
            except OSError:
                continue
            return address
    raise AssertionError("every loopback address for a DNS is in use")


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False
