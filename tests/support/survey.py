"""Runs inside the box, as root: prints as JSON what the ledger wants, and what there is of it.

It reads the ledger's file, systemd, the pool, /run and the router's workers themselves, and asks hostd nothing.
"""

from __future__ import annotations

import http.client
import json
import pwd
import socket
import sqlite3
import subprocess
import tomllib
from pathlib import Path
from typing import Any

DATA = Path("/var/lib/hostd")
RUN = Path("/run/hostd")


class Worker(http.client.HTTPConnection):
    """A router worker's control socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("router", timeout=10)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


FIRST_OF_TESTS = 299900
"""From here on uids belong to tests of units and slugs, which need accounts but no apps."""


def _is_apps(user: pwd.struct_passwd) -> bool:
    return user.pw_name == f"hostd-{user.pw_uid}" and user.pw_uid < FIRST_OF_TESTS


def main() -> None:
    """Print everything."""
    everything = {
        **ledger(),
        "units": units("hostd-*.service"),
        "dynos": names(DATA / "pool/dynos"),
        "scratch": names(DATA / "pool/scratch"),
        "builds": names(DATA / "pool/builds"),
        "slugs": names(DATA / "pool/slugs"),
        "caches": names(DATA / "pool/caches"),
        "repositories": names(DATA / "master/repos"),
        "environments": names(RUN / "env"),
        "sessions": names(RUN / "sessions"),
        "visits": visits(),
        "accounts": [user.pw_uid for user in pwd.getpwall() if _is_apps(user)],
        "stacks": [name for name in names(DATA / "pool/stacks") if "@" in name],
        "identities": [int(name) for name in names(DATA / "pool/stacks/.identities")],
        "networks": networks(),
        "kept_networks": names(RUN / "networks"),
        "tables": tables(),
    }
    print(json.dumps(everything))


def visits() -> list[str]:
    """Control groups of visits to dynos."""
    groups = Path("/sys/fs/cgroup")
    return [str(path) for path in groups.glob("**/hostd-apps.slice/*/*/inside-*")]


def ledger() -> dict[str, Any]:
    """The apps with the formation of their current release, the slugs and stacks that are kept, builds in progress."""
    file = sqlite3.connect(f"file:{DATA}/master/ledger.db?mode=ro", uri=True)
    file.row_factory = sqlite3.Row
    with file:
        apps = [
            {
                "id": row["id"],
                "name": row["name"],
                "uid": row["uid"],
                "version": row["version"],
                "formation": formation(file, row["id"], row["process_types"]),
                "domains": domains(file, row["id"]),
            }
            for row in file.execute(
                "SELECT apps.id, name, uid, version, process_types FROM apps JOIN releases ON releases.app_id = apps.id"
                " AND version = (SELECT max(version) FROM releases WHERE app_id = apps.id)"
                " LEFT JOIN slugs ON slugs.id = slug_id WHERE destroyed_at IS NULL"
            )
        ]
        kept = [row["id"] for row in file.execute("SELECT id FROM slugs WHERE dropped_at IS NULL")]
        stacks = [
            f"{row['name']}@{row['version']}"
            for row in file.execute("SELECT name, version FROM stacks WHERE removed_at IS NULL")
        ]
        pending = [row["id"] for row in file.execute("SELECT id FROM builds WHERE status = 'pending'")]
    file.close()
    return {"apps": apps, "kept_slugs": kept, "kept_stacks": stacks, "pending_builds": pending}


def formation(file: sqlite3.Connection, app_id: str, process_types: str | None) -> dict[str, int]:
    """How many dynos of each process type there should be."""
    scaled = dict(file.execute("SELECT type, quantity FROM formation WHERE app_id = ?", (app_id,)).fetchall())
    return {type_: scaled.get(type_, 0) for type_ in json.loads(process_types or "{}")}


def domains(file: sqlite3.Connection, app_id: str) -> list[str]:
    """The app's own names, in the order in which they were added."""
    sql = "SELECT hostname FROM domains WHERE app_id = ? AND removed_at IS NULL ORDER BY sequence"
    return [hostname for (hostname,) in file.execute(sql, (app_id,))]


def units(pattern: str) -> list[dict[str, str]]:
    """The loaded units of that name, as systemctl shows them."""
    listed = subprocess.run(
        ["systemctl", "list-units", "--all", "--output=json", pattern], capture_output=True, check=True
    )
    return list(json.loads(listed.stdout))


def networks() -> list[str]:
    """Whose the networks are that there are."""
    name = tomllib.loads(Path("/etc/hostd/hostd.toml").read_text())["network_name"]
    listed = subprocess.run(["ip", "-json", "link", "show", "type", "veth"], capture_output=True, check=True)
    links = [link for link in json.loads(listed.stdout or b"[]") if str(link.get("ifname")).startswith(f"{name}-")]
    return [str(link.get("ifalias") or link["ifname"]) for link in links]


def names(folder: Path) -> list[str]:
    """What lies in a folder."""
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def tables() -> dict[str, Any]:
    """The route table on disk, and the one of each worker."""
    found = {"file": json.loads((DATA / "routes/routes.json").read_text())}
    for path in sorted((RUN / "router").glob("*.sock")):
        worker = Worker(path)
        worker.request("GET", "/routes")
        found[path.stem] = json.loads(worker.getresponse().read())
        worker.close()
    return found


if __name__ == "__main__":
    main()
