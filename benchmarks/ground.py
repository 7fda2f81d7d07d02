"""What the log's benchmark needs of the installation: that it is there, tools, settings, and trust in a certificate.

A box gets the settings for as long as the benchmark runs, and its own back afterwards. On a server nothing is changed:
what is missing there is said.
"""

from __future__ import annotations

import fcntl
import ipaddress
import json
import re
import shutil
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kit import HOSTCTL, Api, inside

SETTINGS = "/etc/hostd/hostd.toml"
TRUSTED = "/usr/local/share/ca-certificates/hostd-benchmark.crt"
LOCK = "/run/hostd-benchmark.lock"
ANSWER_SECONDS = 60.0
TOOLS = {
    "https": ("openssl", "openssl"),
    "rsyslog": ("rsyslogd", "rsyslog"),
    "router": ("wrk", "wrk"),
}
"""What is measured with which program of which of Debian's packages."""


def lead_here(value: object) -> bool:
    """Whether drains may lead to this machine."""
    networks = [ipaddress.ip_network(network.strip()) for network in str(value).split(",") if network.strip()]
    return any(network.version == 4 and ipaddress.ip_address("127.0.0.1") in network for network in networks)


WANTED: dict[str, tuple[str, Callable[[object], bool]]] = {
    "drain_networks": ('"127.0.0.1/32"', lead_here),
    "log_rate": ("0", lambda value: value == 0),
}
"""Settings, and what is enough."""


def installation() -> Api:
    """The installation that hostctl reaches. Raises SystemExit if there is none."""
    try:
        api = Api()
        api.ask("GET", "/apps")
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(
            f"{HOSTCTL} reaches no installation: {why(error)}.\n"
            "./install.sh makes one; HOSTCTL=/path/to/hostctl names another, as /var/lib/hostd-box/NAME/hostctl."
        ) from None
    return api


def why(error: OSError | subprocess.CalledProcessError) -> str:
    """What is wrong with the installation, as far as `hostctl box status` or the system said it."""
    if isinstance(error, OSError):
        return str(error)
    try:
        box = json.loads(error.stdout)
    except ValueError:
        return (error.stderr or str(error)).strip().rstrip(".")
    if not box["installed"]:
        return f"there is no box {box['name']} in {box['directory']}"
    return f"the box {box['name']} is not running ({HOSTCTL} box start)"


def check(api: Api, whats: Sequence[str]) -> None:
    """Raises SystemExit with all that is missing for what shall be measured."""
    missing = [TOOLS[what] for what in whats if what in TOOLS and shutil.which(TOOLS[what][0]) is None]
    said = []
    if missing:
        programs, packages = zip(*missing, strict=True)
        said.append(f"{', '.join(programs)}: apt-get install {' '.join(packages)}")
    if not api.box:
        said += [f"{name} = {WANTED[name][0]} in {SETTINGS}, then systemctl restart hostd" for name in unset(api)]
        if "https" in whats:
            said.append("a box for https: on a server no certificate of a benchmark's is trusted; name the others only")
    if said:
        raise SystemExit("Missing:\n" + "\n".join(f"  {line}" for line in said))


def unset(api: Api) -> list[str]:
    """The settings that are not as they have to be."""
    now = tomllib.loads(api.path(SETTINGS).read_text())
    return [name for name, (_, enough) in WANTED.items() if not enough(now.get(name, ""))]


@contextmanager
def prepared(api: Api) -> Iterator[None]:
    """The installation with the settings, and for this benchmark alone."""
    with api.path(LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit("This installation is measured already: wait until that has ended.") from None
        if not (names := unset(api)):
            yield
            return
        path = api.path(SETTINGS)
        before = path.read_text()
        put(api, path, with_settings(before, names))
        try:
            yield
        finally:
            put(api, path, before)


def with_settings(text: str, names: Sequence[str]) -> str:
    """The file with these settings as they have to be."""
    kept = [line for line in text.splitlines() if not re.match(rf"\s*({'|'.join(names)})\s*=", line)]
    return "\n".join([*(f"{name} = {WANTED[name][0]}" for name in names), *kept, ""])


def put(api: Api, path: Path, text: str) -> None:
    """Write the settings, and have hostd read them."""
    path.write_text(text)
    inside(["systemctl", "restart", "hostd"])
    answers(lambda: api.ask("GET", "/apps"))


def answers(ask: Callable[[], Any]) -> None:
    """Wait until hostd answers."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        try:
            ask()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


@contextmanager
def trusted(api: Api, certificate: Path) -> Iterator[None]:
    """The certificate is one of the box's own authorities."""
    place = api.path(TRUSTED)
    place.write_text(certificate.read_text())
    authorities(api)
    try:
        yield
    finally:
        place.unlink()
        authorities(api, "--fresh")


def authorities(api: Api, *words: str) -> None:
    # It warns of files that are as they have to be; what it says is of interest when it fails.
    inside(["sh", "-c", 'said=$(update-ca-certificates "$@" 2>&1) || { echo "$said" >&2; exit 1; }', "sh", *words])
