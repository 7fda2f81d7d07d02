"""An app as a browser sees it: by which protocol it comes, events while they happen, a socket, a large upload."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.support.apps import Deployed, module_app
from tests.support.chromium import Browser
from tests.support.platform import Platform

MIB = 1 << 20
UPLOAD = 200
"""MiB."""
ROOM = 32 * MIB
"""What a worker may need more than before, however much goes through it."""

app = module_app("in-a-browser", Path(__file__).parent / "app")


@pytest.fixture(params=["https", "http"])
def protocol(
    request: pytest.FixtureRequest, platform: Platform, https_port: int, browser: Browser, app: Deployed
) -> str:
    """The app's page is open, by this protocol."""
    port = https_port if request.param == "https" else platform.http_port
    browser.open(f"{request.param}://{app.name}.localhost:{port}/")
    return str(request.param)


def test_the_page_and_what_belongs_to_it_come_by_http_2_over_tls(browser: Browser, protocol: str) -> None:
    spoken = "h2" if protocol == "https" else "http/1.1"
    assert browser.run("protocols()") == dict.fromkeys(("/", "/page.css", "/page.js"), spoken)
    assert browser.run("getComputedStyle(document.querySelector('h1')).color") == "rgb(1, 2, 3)"


def test_events_arrive_while_they_happen(browser: Browser, protocol: str) -> None:
    assert browser.run("events()") == [str(number) for number in range(5)]


def test_a_socket_which_over_tls_comes_by_http_2_too(browser: Browser, protocol: str) -> None:
    via = "2.0 hostd-router" if protocol == "https" else "1.1 hostd-router"
    messages = ["hello", "", "äöü€😀", "x" * 70_000]
    told = browser.run(f"echoes({json.dumps(messages)})")
    assert told == {"heard": [via, *messages], "code": 1000, "reason": "enough", "clean": True}


def test_a_large_upload_stays_in_no_workers_memory(platform: Platform, browser: Browser, protocol: str) -> None:
    before = memory(platform, "VmRSS", reset=True)
    told = browser.run(f"upload({UPLOAD})", seconds=300)
    expected = hashlib.sha256(b"".join(bytes([number]) * MIB for number in range(UPLOAD))).hexdigest()
    assert told == {"bytes": UPLOAD * MIB, "sha256": expected}
    most = memory(platform, "VmHWM")
    assert most.keys() == before.keys()
    grown = {worker: most[worker] - before[worker] for worker in most}
    assert max(grown.values()) < ROOM, grown


def memory(platform: Platform, figure: str, *, reset: bool = False) -> dict[str, int]:
    """A figure of each worker's, in bytes, by its process (proc_pid_status(5)). `reset`: let the highest begin anew."""
    shown = platform.run(["systemctl", "show", "--property", "MainPID", "--value", "hostd-router@*.service"]).stdout
    found = {}
    for worker in shown.split():
        if reset:
            platform.run(["tee", f"/proc/{worker}/clear_refs"], input="5")
        lines = platform.run(["cat", f"/proc/{worker}/status"]).stdout.splitlines()
        (line,) = [line for line in lines if line.startswith(f"{figure}:")]
        found[worker] = int(line.split()[1]) * 1024
    return found
