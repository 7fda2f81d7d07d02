"""status, version, box: the platform itself."""

from __future__ import annotations

import os
import sys

from hostd import __version__
from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import JSON, Refused, command
from hostd.cli.output import columns, printable
from hostd.errors import HostdError

HEALTHY_SECONDS = 5.0
"""How long a healthy daemon may take to say how it is."""


@command(
    "status",
    options=(JSON,),
    examples=("hostctl status", "hostctl status --json"),
)
def status(call: Call) -> int:
    """Show whether all parts of hostd are well.

    Exit status 1 if one is not.
    """
    found = call.client.get(path("hostd", "status"), seconds=HEALTHY_SECONDS)
    if call.flag("json"):
        call.print_json(found)
    else:
        colours = {"ok": 32, "degraded": 31}
        rows = [
            (part["name"], call.style.paint(part["status"], colours.get(part["status"], 33)), printable(part["detail"]))
            for part in found["components"]
        ]
        call.print(call.style.heading(f"hostd {found['version']}: {found['status']}"), "", *columns(rows))
    return 0 if found["status"] == "ok" else 1


@command(
    "version",
    options=(JSON,),
    examples=("hostctl version", "hostctl --version"),
)
def version(call: Call) -> None:
    """Print the versions of this client and of the daemon."""
    system = os.uname()
    python = ".".join(map(str, sys.version_info[:3]))
    client = f"hostctl/{__version__} ({system.sysname.lower()}-{system.machine}) python/{python}"
    try:
        daemon = call.client.get(path("hostd", "version"), seconds=HEALTHY_SECONDS)["version"]
    except (HostdError, Refused):
        # The client's version is worth having when the daemon is what does not work.
        daemon = None
    if call.flag("json"):
        call.print_json({"hostctl": __version__, "hostd": daemon, "python": python})
    else:
        call.print(client, f"hostd/{daemon}" if daemon else "hostd does not answer")


@command(
    "box",
    "[WORDS...]",
    examples=("hostctl box status", "hostctl box shell", "hostctl box shell -- systemctl list-units hostd*"),
    verbatim=True,
    local=True,
)
def box(call: Call) -> int:
    """Start, stop and look into the box, where there is one.

    The box is a systemd of its own, for machines whose PID 1 is something else:
    hostctl box start, stop, status, shell [-- CMD]. On a server that systemd runs there is none.
    """
    try:
        from hostd.box import cli
    except ModuleNotFoundError:
        call.say("There is no box here: hostd runs on this machine itself. See: systemctl status 'hostd*'")
        return 1
    return cli.main(call.words)
