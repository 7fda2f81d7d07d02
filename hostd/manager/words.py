"""What the log says of a dyno, in Heroku's words."""

from __future__ import annotations

from hostd.manager.exits import NETWORK_GONE, RESTARTED, Exit
from slugs.pool import size
from slugs.space import amount

NOT_ATTACHED = "Error R13 (Attach error) -> Failed to attach to process"
"""A one-off dyno whose client did not come."""


LISTENS_TO_ITSELF = "It listens on the loopback address, where nobody else can reach it: listen on 0.0.0.0:$PORT"
"""A web dyno that the router cannot reach, as on Heroku."""


def boot_timeout(seconds: float) -> list[str]:
    """A web dyno that does not listen (R10)."""
    return [
        f"Error R10 (Boot timeout) -> Web process failed to bind to $PORT within {seconds:g} seconds of launch",
        "Stopping process with SIGKILL",
    ]


def check_failed(path: str, answer: str, seconds: float) -> list[str]:
    """A web dyno that listens and does not answer its health check well (R10)."""
    return [
        f"Error R10 (Boot timeout) -> Health check GET {path} was not answered with 200 to 399 within {seconds:g} "
        f"seconds of launch; the last answer: {answer}",
        "Stopping process with SIGKILL",
    ]


def exit_timeout(seconds: float) -> list[str]:
    """A dyno that did not end when it was told to (R12)."""
    return [
        f"Error R12 (Exit timeout) -> At least one process failed to exit within {seconds:g} seconds of SIGTERM",
        "Stopping remaining processes with SIGKILL",
    ]


def ended(exit_: Exit) -> list[str]:
    """A dyno that has ended, with R15 if it ran out of memory; what a bare status does not say is added."""
    if exit_.result == NETWORK_GONE:
        return ["Its network is gone, as after ip link delete: it is ended"]
    if exit_.result == RESTARTED:
        return ["Restarted from outside hostd, as with systemctl restart: it is started on fresh files"]
    if exit_.stopped:
        return ["Stopped from outside hostd, as with systemctl stop"]
    lines = ["Error R15 (Memory quota vastly exceeded)", "Stopping process with SIGKILL"]
    status = f"Process exited with status {exit_.status}{exit_.detail and f' ({exit_.detail})'}"
    return [*(lines if exit_.out_of_memory else ()), status]


def disk(taken: float, limit: int) -> list[str]:
    """A dyno that has written too much, both in bytes."""
    return [
        f"Error: {amount(taken)} of files in /app and /tmp, and a dyno may have {size(limit)} (dyno_disk_mb)",
        "Stopping process with SIGKILL",
    ]


def disk_full(written: float, free: int) -> list[str]:
    """The dyno that has written most, both in bytes, when the pool runs full."""
    return [
        f"Error: the disk of all dynos is full ({size(free)} free), and this one has written most: {amount(written)}",
        "Stopping process with SIGKILL",
    ]


def memory(used: int, quota: int) -> list[str]:
    """A dyno that uses more memory than its quota (R14), both in bytes; nothing for one that does not."""
    if used <= quota:
        return []
    return [
        f"Process running mem={used >> 20}M({100 * used / quota:.1f}%)",
        "Error R14 (Memory quota exceeded)",
    ]


def restarted(times: int) -> str:
    """A dyno that ended while hostd was away, and that systemd has started again."""
    often = "" if times == 1 else f" {times} times"
    return f"Process exited{often} while hostd was away; systemd restarted it"


def detached() -> list[str]:
    """A one-off dyno that lost its client and did not end when it was told so (R16)."""
    return [
        "Error R16 (Detached) -> An attached dyno is continuing to run after being sent SIGHUP"
        " when its external connection was closed",
        "Stopping it, as nobody can reach it: run:detached is for what shall go on",
    ]


def time_limit(seconds: float) -> str:
    """A one-off dyno that ran as long as it may."""
    return f"Its time limit of {seconds:g} s is over"
