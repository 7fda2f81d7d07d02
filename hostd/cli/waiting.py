"""Waiting until the dynos of an app are what its formation says: `ps:wait`, and `--wait` of what has them start."""

from __future__ import annotations

import threading
import time

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import Option, Refused, Usage
from hostd.cli.duration import seconds_of, written
from hostd.cli.output import printable

TIMEOUT = Option("timeout", None, "give up after so long: 90s, 10m (default: never)", "TIME")
WAIT = Option("wait", "w", "wait until the dynos are up; exit status 1 if that is not so after --timeout")
WAITING = (WAIT, TIMEOUT)
WAIT_SECONDS = 20
"""How long hostd is asked to wait in one request."""
ASK_AGAIN_SECONDS = 0.5
_NEVER = threading.Event()


def is_wanted(call: Call) -> bool:
    """Whether --wait was given. Raises Usage, before anything is done, for what makes no sense with or without it."""
    timeout = call.text("timeout")
    if timeout is not None:
        seconds_of(timeout)
        if not call.flag("wait"):
            raise Usage("--timeout is for --wait.")
    return call.flag("wait")


def wait_until_up(call: Call, app: str, type_: str | None = None) -> None:
    """Wait until every dyno that the newest release wants is up, of one process type or all.

    Raises Refused, with what is missing, after --timeout.
    """
    timeout = call.text("timeout")
    left = None if timeout is None else seconds_of(timeout)
    what = f"every {type_} dyno" if type_ else "every dyno"
    with call.action(f"Waiting for {what} of {call.error_style.app(app)} to be up"):
        while True:
            seconds = WAIT_SECONDS if left is None else min(WAIT_SECONDS, left)
            missing = call.client.get(path("hostd", "apps", app, "dynos", "missing", type=type_, seconds=seconds))
            if not missing:
                return
            left = None if left is None else left - seconds
            if left == 0:
                reasons = ", ".join(
                    f"{dyno['name']} is {dyno['state']}{_because(dyno['reason'])}" for dyno in missing
                )
                raise Refused(f"Not up after {written(seconds_of(timeout or ''))}: {reasons}.")


def wait_for_one_offs(call: Call, app: str) -> None:
    """Wait until no one-off dyno is starting any more. Raises Refused after --timeout."""
    timeout, began = call.text("timeout"), time.monotonic()
    while True:
        dynos = call.client.get(path("apps", app, "dynos"))
        one_offs = [each for each in dynos if each["type"] == "run"]
        starting = [each["name"] for each in one_offs if each["state"] in ("created", "starting")]
        if not starting:
            return
        if timeout is not None and time.monotonic() - began >= seconds_of(timeout):
            raise Refused(f"Not up after {written(seconds_of(timeout))}: {', '.join(starting)}.")
        _NEVER.wait(ASK_AGAIN_SECONDS)


def _because(reason: str | None) -> str:
    return f" ({printable(reason)})" if reason else ""
