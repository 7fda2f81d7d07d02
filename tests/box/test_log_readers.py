"""What is said to one reader of a log alone, provoked: one who is too slow (L11), and one tail too many (L15)."""

from __future__ import annotations

import contextlib
import json
import re
import select
import subprocess
from collections.abc import Iterator
from typing import IO

import pytest

from hostd.cli.client import Client
from hostd.logplex.tails import MOST_TAILS
from hostd.places import LOGPLEX_SOCKET
from tests.support.platform import Platform
from tests.support.waiting import wait_until

APP = "log-readers"
LINES = 45_000
"""Fewer than a dyno may write at once (log_rate)."""
WRITE = f"for i in $(seq {LINES}); do echo line $i and all before it fill whatever is between us; done; echo END"
HELLO = ": hello, tail"
_L11 = re.compile(
    r"\S+ heroku\[logplex\]: Error L11 \(Tail buffer overflow\) -> This tail session dropped (\d+) messages? since .*"
)

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module", autouse=True)
def deployed(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An app that writes when it is told to."""
    platform.hostctl("apps:create", APP)
    try:
        files: dict[str, str | bytes] = {"Procfile": "worker: sleep 100000\n", "write.sh": WRITE}
        platform.push(platform.commit(files, tmp_path_factory.mktemp("readers") / "app"), APP)
        yield
    finally:
        platform.hostctl("apps:destroy", "-a", APP, "--confirm", APP)


@pytest.fixture
def tails(platform: Platform) -> Iterator[contextlib.ExitStack]:
    """As many tails as may be open, of one log session: each is closed with what this is."""
    client = Client(platform.machine.run_directory, platform.user.email)
    session = client.request("POST", f"/apps/{APP}/log-sessions", {"tail": True, "lines": 0}).data
    target = "/" + str(session["logplex_url"]).split("/", 3)[3]
    with contextlib.ExitStack() as stack:
        for _ in range(MOST_TAILS):
            stack.enter_context(client.stream("GET", target, socket_name=LOGPLEX_SOCKET))
        yield stack


def counted(platform: Platform, code: str) -> int:
    """How often the app's metrics have a code."""
    found = json.loads(platform.hostctl("metrics", "--since", "1h", "--json", "-a", APP).stdout)
    return int(found["total"]["codes"].get(code, 0))


def heard(platform: Platform, tail: IO[str]) -> bool:
    """Whether a tail has begun, as it has what a dyno says now; all that was said for this is in the log then."""
    said = hellos(platform)
    platform.hostctl("run:detached", "-a", APP, "--", f"echo '{HELLO.removeprefix(': ')}'")
    wait_until(lambda: hellos(platform) > said, 30)
    return bool(select.select([tail], [], [], 1)[0])


def hellos(platform: Platform) -> int:
    """How often a dyno has said something for a tail to hear."""
    return platform.hostctl("logs", "-n", "1500", "-s", "app", "-a", APP).stdout.count(HELLO)


def test_one_tail_too_many_is_refused_with_what_to_do_and_counted(
    platform: Platform, tails: contextlib.ExitStack
) -> None:
    for door in (platform.hostctl, platform.ssh):
        refused = door("logs", "-t", "-a", APP, check=False)
        assert refused.returncode != 0 and refused.stdout == ""
        assert f"Error L15 (Tail buffer temporarily unavailable) -> {MOST_TAILS} tails are open" in refused.stderr
        assert "Close other tails, or try again in a moment." in refused.stderr
    assert "State changed from" in platform.hostctl("logs", "-a", APP).stdout
    wait_until(lambda: counted(platform, "L15") == 2, 30)
    tails.close()
    argv = platform.hostctl_command("logs", "-t", "-n", "1", "-a", APP)
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=-1, cwd="/", text=True) as client:
        assert client.stdout is not None and "heroku[" in client.stdout.readline()
        client.terminate()


def test_a_reader_who_is_too_slow_is_told_what_it_missed_and_that_is_counted(platform: Platform) -> None:
    argv = platform.hostctl_command("logs", "-t", "-n", "0", "-s", "app", "-p", "run", "-a", APP)
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=-1, cwd="/", text=True) as client:
        tail = client.stdout
        assert tail is not None
        wait_until(lambda: heard(platform, tail), 60)
        platform.hostctl("run:detached", "-a", APP, "--", "bash write.sh")
        wait_until(lambda: platform.hostctl("logs", "-n", "1", "-s", "app", "-a", APP).stdout.endswith(": END\n"), 60)
        rows: list[str] = []
        while not rows or not rows[-1].endswith(": END"):
            row = tail.readline().rstrip()
            rows += [] if row.endswith(HELLO) else [row]
        client.terminate()
    told = [match for match in map(_L11.fullmatch, rows) if match]
    assert told and sum(int(match[1]) for match in told) + len(rows) - len(told) == LINES + 1
    wait_until(lambda: counted(platform, "L11") == len(told), 30)
    assert f'hostd_codes_total{{app="{APP}",dyno="",code="L11"}} {len(told)}' in platform.hostctl(
        "metrics:prometheus"
    ).stdout
