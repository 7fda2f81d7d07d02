"""What hostd tells the logplex of drains: one file, which only root and the logplex can read.

It lies in memory (`/run`), as the addresses in it are secret. Written whole and renamed.
"""

from __future__ import annotations

import grp
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from hostd.logplex.drains.choices import Choice, choice
from hostd.logplex.drains.dialing import Network

FILE = Path("/run/hostd/logplex/drains.json")
GROUP = "hostd-logplex"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A drain that shall be; `created` in seconds since the epoch."""

    id: str
    app: str
    url: str = field(repr=False)
    token: str
    choice: Choice
    created: float


@dataclass(frozen=True, slots=True)
class Document:
    """All drains; networks inside that they may lead to; seconds that a drain may be behind; the directory of files."""

    drains: tuple[Wanted, ...] = ()
    networks: tuple[Network, ...] = ()
    patience: float = 60.0
    directory: str = "/var/log/hostd"

    def to_json(self) -> str:
        """As the file has it."""
        drains = [
            {"id": each.id, "app": each.app, "url": each.url, "token": each.token, "filters": each.choice.to_json(),
             "created": each.created}
            for each in self.drains
        ]  # fmt: skip
        networks = [str(network) for network in self.networks]
        return json.dumps(
            {"drains": drains, "networks": networks, "patience": self.patience, "directory": self.directory}
        )


def document(text: str | bytes) -> Document:
    """The inverse of `to_json`; raises ValueError and KeyError."""
    value: Mapping[str, Any] = json.loads(text)
    return Document(
        tuple(
            Wanted(each["id"], each["app"], each["url"], each["token"], choice(each["filters"]), each["created"])
            for each in value["drains"]
        ),
        tuple(ip_network(network) for network in value["networks"]),
        float(value["patience"]),
        str(value["directory"]),
    )


def write(found: Document, path: Path = FILE, group: str | None = GROUP) -> None:
    """Put a document in the place of the last one. Raises OSError."""
    gid = grp.getgrnam(group).gr_gid if group is not None else -1
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    path.parent.chmod(0o750)
    os.chown(path.parent, -1, gid)
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(found.to_json())
            os.fchown(file.fileno(), -1, gid)
            os.fchmod(file.fileno(), 0o640)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
