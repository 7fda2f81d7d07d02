"""What a box has in the machine's network, which it shares: packets forwarded for its builds, and left-overs.

The platform inside makes a table of rules and a cable (a veth pair) for each build, all of one name. A killed box
cannot take its table away, so it is taken away from outside.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from hostd.box.errors import BoxError
from hostd.box.run import run

FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
BEFORE = ".before"


def network_name(box: str) -> str:
    """The name of a box's networks: its own, if that fits (8 letters and digits), else one made from it."""
    if re.fullmatch(r"[a-z][a-z0-9]{0,7}", box):
        return box
    return f"h{hashlib.sha256(box.encode()).hexdigest()[:7]}"


def allow_forwarding(box: str, memory: Path, forwarding: Path = FORWARDING) -> None:
    """Let the machine forward packets as long as a box wants it; `memory` is a folder that all boxes share.

    Raises BoxError where it cannot be switched on.
    """
    memory.mkdir(parents=True, exist_ok=True)
    with _locked(memory):
        if forwarding.read_text(encoding="ascii").strip() == "0":
            (memory / BEFORE).touch()
            _write(forwarding, "1")
        (memory / box).touch()


def end_forwarding(box: str, memory: Path, forwarding: Path = FORWARDING) -> None:
    """The box is gone; with the last one the machine forwards again what it did before, which may be nothing."""
    if not memory.is_dir():
        return
    with _locked(memory):
        (memory / box).unlink(missing_ok=True)
        if any(entry.name != BEFORE for entry in memory.iterdir()):
            return
        if (memory / BEFORE).exists():
            _write(forwarding, "0")
        shutil.rmtree(memory)


def clear_networks(name: str) -> None:
    """Take away the table and the cables of that name; fine when there are none. Raises BoxError."""
    if _has_table(name):
        run(["nft", "delete", "table", "inet", name])
    if shutil.which("ip"):
        for interface in _cables(name):
            run(["ip", "link", "delete", "dev", interface])


def _has_table(name: str) -> bool:
    """A machine without nft, or a kernel without nf_tables, has none."""
    try:
        run(["nft", "list", "table", "inet", name])
    except BoxError:
        return False
    return True


def _write(forwarding: Path, value: str) -> None:
    try:
        forwarding.write_text(f"{value}\n", encoding="ascii")
    except OSError as error:
        raise BoxError(
            f"cannot write {value} to {forwarding} ({error.strerror}), and without forwarding builds have no "
            "network in the box. Let this machine do `sysctl -w net.ipv4.ip_forward=1`"
        ) from error


def _cables(name: str) -> list[str]:
    links = json.loads(run(["ip", "-json", "link", "show", "type", "veth"]) or "[]")
    names = [str(link.get("ifname")) for link in links]
    return [each for each in names if re.fullmatch(rf"{re.escape(name)}-\d+", each)]


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One box at a time; the kernel drops the lock with its process (flock(2))."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
