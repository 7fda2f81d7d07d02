"""Alerts: real trouble fires them, and real receivers hear of it once; what would have fired."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.support.platform import Platform
from tests.support.receivers import Hooks, Mailbox, hooks, mailbox
from tests.support.settings import settings
from tests.support.waiting import wait_until

APP = f"alerting-{uuid.uuid4().hex[:6]}"
SERVER = """\
import os, socket
listener = socket.create_server(("0.0.0.0", int(os.environ["PORT"])))
while True:
    connection, _ = listener.accept()
    if b"/hangup" not in connection.recv(65536):
        connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok")
    connection.close()
"""
FILES = {"Procfile": "web: python3 server.py\nworker: sleep 1; exit 7\n", "server.py": SERVER}
ROOTS, DROP_IN = "/run/alerts-test/roots.crt", "/run/systemd/system/hostd.service.d/alerts-test.conf"
PROGRAMS = "/etc/hostd/alerts.d"
PAGE = """\
#!/bin/sh
read -r message
echo "paged as $(id -un): $message"
touch /etc/hostd/mine 2>/dev/null && echo "could write"
exit 0
"""
HUNG_UP, LOOP, FULL = "H13>2 for 1m", "worker crashes>1 for 5m", "disk>0% for 1m"
NEVER = "web p99>9s for 24h"
SEED = """\
import json, sys
from pathlib import Path
from hostd.metrics.points import Points, Traffic
from hostd.metrics.store import Store
from hostd.metrics.histogram import PLACES
app, now, slow = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
points = Points()
for minute in range(2, 6 * 1440):
    at = now - minute * 60
    points.steps.add(at)
    spread = [0] * PLACES
    spread[-2 if minute in slow else 2] = 40
    points.traffic.append(Traffic(at, app, "web.1", (0, 40, 0, 0, 0, 0), 4000, 120, tuple(spread)))
store = Store(Path("/var/lib/hostd/metrics/metrics.db"), 1 << 30)
store.write(points, now)
store.close()
print(json.dumps(len(points.traffic)))
"""


@pytest.fixture(scope="module")
def hook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hooks]:
    with hooks(tmp_path_factory.mktemp("receiver")) as known:
        yield known


@pytest.fixture(scope="module")
def mails() -> Iterator[Mailbox]:
    with mailbox() as known:
        yield known


@pytest.fixture(scope="module", autouse=True)
def ready(platform: Platform, hook: Hooks, mails: Mailbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An app, a program, and a platform that trusts the receiver and may reach it."""
    put(platform, ROOTS, hook.certificate)
    put(platform, DROP_IN, f"[Service]\nEnvironment=SSL_CERT_FILE={ROOTS}\n")
    put(platform, f"{PROGRAMS}/page", PAGE, "755")
    platform.run(["systemctl", "daemon-reload"])
    platform.hostctl("apps:create", APP)
    try:
        with settings(
            platform, alert_networks="127.0.0.0/8, ::1/128", mail_server=f"127.0.0.1:{mails.port}",
            mail_security="none", mail_from="hostd@example.com",
        ):  # fmt: skip
            platform.push(platform.commit(FILES, tmp_path_factory.mktemp("alerts") / "app"), APP)
            yield
    finally:
        platform.hostctl("apps:destroy", "-a", APP, "--confirm", APP, check=False)
        platform.run(["rm", "-rf", DROP_IN, str(Path(ROOTS).parent), PROGRAMS])
        platform.run(["systemctl", "daemon-reload"])
        platform.run(["systemctl", "restart", "hostd.service"])


@pytest.fixture(scope="module", autouse=True)
def trouble(platform: Platform, ready: None, hook: Hooks) -> Iterator[str]:
    """Alerts, and trouble for them; the number of the platform's. What fires and ends takes minutes, in which others
    are tested."""
    everybody = ["-n", hook.url("/h13"), "-n", "mail:you@example.com", "-n", "exec:page"]
    platform.ssh("alerts:add", HUNG_UP, *everybody, "-a", APP)
    platform.ssh("alerts:add", LOOP, "-n", hook.url("/crashes"), "-a", APP)
    added = platform.hostctl("alerts:add", FULL, "--platform", "--json")
    number = str(json.loads(added.stdout)["number"])
    try:
        platform.hostctl("ps:scale", "worker=1", "-a", APP)
        # The four are counted in one minute.
        wait_until(lambda: 5 < time.time() % 60 < 55, 20)
        for _ in range(4):
            assert platform.http_get(APP, "/hangup").status == 503
        yield number
    finally:
        platform.hostctl("alerts:remove", number, "--platform")


def put(platform: Platform, path: str, text: str, mode: str = "644") -> None:
    """Write a file in the box."""
    platform.run(["mkdir", "-p", str(Path(path).parent)])
    platform.run(["tee", path], input=text)
    platform.run(["chmod", mode, path])


def log(platform: Platform) -> list[str]:
    """What the app's log says of alerts."""
    said = platform.hostctl("logs", "-n", "1500", "-p", "alerts", "-a", APP).stdout
    return [line.partition("heroku[alerts]: ")[2] for line in said.splitlines()]


def paged(platform: Platform, condition: str) -> list[str]:
    """What the program said of an alert of this app."""
    said = platform.run(["journalctl", "--no-pager", "-o", "cat", "--unit=hostd-alert-*"]).stdout
    about = (f'"{APP}"', json.dumps(condition))
    return [line for line in said.splitlines() if line.startswith("paged") and all(word in line for word in about)]


def mailed(mails: Mailbox, condition: str) -> list[EmailMessage]:
    """The mails about an alert."""
    return [mail for mail in mails.mails if condition in mail["Subject"]]


def numbers(platform: Platform) -> list[int]:
    """Of the app's alerts."""
    return [each["number"] for each in json.loads(platform.ssh("alerts", "--json", "-a", APP).stdout)]


def kill(platform: Platform) -> None:
    """kill -9 of hostd; the next one is there when this returns."""
    before = main_pid(platform)
    platform.run(["systemctl", "kill", "--signal=KILL", "hostd.service"])
    wait_until(lambda: main_pid(platform) not in ("0", before), 30)
    wait_until(lambda: platform.hostctl("alerts", "-a", APP, check=False).returncode == 0, 60)


def main_pid(platform: Platform) -> str:
    return platform.run(["systemctl", "show", "--value", "--property=MainPID", "hostd.service"]).stdout.strip()


def test_a_test_goes_by_all_ways_and_says_how(platform: Platform, hook: Hooks, mails: Mailbox) -> None:
    refused = platform.ssh("alerts:add", "p95>500ms", "-n", "http://x.y/z", "-a", APP, check=False)
    assert refused.returncode == 1 and "by https only" in refused.stderr
    targets = [hook.url("/test/sesame"), "mail:you@example.com", "exec:page"]
    notify = [word for target in targets for word in ("--notify", target)]
    added = platform.ssh("alerts:add", *NEVER.split(), *notify, "-a", APP)
    number = str(max(numbers(platform)))
    assert f"alert {number}" in added.stderr
    ran = platform.ssh("alerts:test", number, "-a", APP)
    assert [line.split()[:2] for line in ran.stdout.splitlines()] == [
        [f"https://localhost:{hook.port}/***", "sent"], ["mail:you@example.com", "sent"], ["exec:page", "sent"],
    ]  # fmt: skip
    ((told,), (mail,)) = hook.got["/test/sesame"], mailed(mails, NEVER)
    assert (told["event"], told["app"], told["condition"]) == ("test", APP, NEVER)
    assert told["text"] == f"{APP}: This is a test of alert {NEVER}, which is quiet"
    assert (mail["Subject"].strip(), mail["From"], mail["To"]) == (told["text"], "hostd@example.com", "you@example.com")
    (page,) = wait_until(lambda: paged(platform, NEVER))
    assert page.startswith("paged as hostd-alerts: {") and "could write" not in page
    assert platform.run(["test", "-e", "/etc/hostd/mine"], check=False).returncode == 1
    hook.broken.add("/test/sesame")
    wait_until(lambda: "a moment ago" not in platform.ssh("alerts:test", number, "-a", APP, check=False).stderr, 20)
    failed = platform.ssh("alerts:test", number, "-a", APP, check=False)
    wait_until(lambda: platform.ssh("alerts:test", number, "-a", APP, check=False).returncode == 1, 20)
    everything = platform.hostctl("logs", "-n", "1500", "-a", APP).stdout + failed.stdout
    everything += platform.hostctl("alerts:info", number, "--json", "-a", APP).stdout
    everything += platform.run(["journalctl", "--no-pager", "-u", "hostd.service"]).stdout
    assert "sesame" not in everything
    platform.ssh("alerts:remove", number, "-a", APP)


def test_what_would_have_fired(platform: Platform) -> None:
    app, before = json.loads(platform.hostctl("apps:info", "--json", "-a", APP).stdout)["app"]["id"], numbers(platform)
    slow = [*range(3000, 3010), *range(500, 512), *range(100, 103)]
    platform.run(["systemctl", "stop", "hostd.service"])
    now = int(time.time()) // 60 * 60
    assert platform.python(SEED, app, str(now), json.dumps(slow)) == 6 * 1440 - 2
    platform.run(["systemctl", "start", "hostd.service"])
    tried = platform.ssh("alerts:add", "web", "p95>500ms", "for", "5m", "--dry-run", "--json", "-a", APP)
    past = json.loads(tried.stdout)["past"]
    assert (past["times"], past["minutes"]) == (2, 22)
    assert [each["minutes"] for each in past["episodes"]] == [12, 10]
    said = platform.ssh("alerts:add", "web", "p95>500ms", "for", "3m", "--dry-run", "-a", APP).stdout
    assert "it would have fired 3 times in the 6 days of which there is history, for 25 minutes together" in said
    assert numbers(platform) == before


def test_trouble_is_told_once_whatever_becomes_of_hostd(platform: Platform, hook: Hooks, mails: Mailbox) -> None:
    def told() -> tuple[list[Any], ...]:
        return hook.got.get("/h13", []), mailed(mails, HUNG_UP), paged(platform, HUNG_UP)

    firing = f"Alert {HUNG_UP} is firing: 4 times H13 within 1 minute"
    wait_until(lambda: firing in log(platform), 150, every=1)
    wait_until(lambda: any(line.startswith(f"Alert {LOOP} is firing: ") for line in log(platform)), 90, every=1)
    wait_until(lambda: [len(each) for each in told()] == [1, 1, 1])
    wait_until(lambda: len(hook.got.get("/crashes", [])) == 1)
    assert hook.got["/h13"][0]["event"] == "firing" and hook.got["/h13"][0]["high"] == 4
    assert told()[1][0]["Subject"].strip() == f"{APP}: {firing}"
    kill(platform)
    listed = json.loads(platform.ssh("alerts", "--json", "-a", APP).stdout)
    states = {each["condition"]: each["state"] for each in listed}
    assert states[LOOP] == "firing" and states[HUNG_UP] in ("firing", "ending")
    platform.hostctl("ps:scale", "worker=0", "-a", APP)
    ended = f"Alert {HUNG_UP} has ended after 1 minute: 0 times H13 within 1 minute"
    wait_until(lambda: ended in log(platform), 240, every=1)
    kill(platform)
    wait_until(lambda: [each["event"] for each in hook.got["/h13"]] == ["firing", "ended"], 90)
    wait_until(lambda: [len(each) for each in told()] == [2, 2, 2], 90)
    assert len({each["id"] for each in hook.got["/h13"]}) == 2
    (info,) = [
        each for each in json.loads(platform.ssh("alerts", "--json", "-a", APP).stdout) if each["condition"] == HUNG_UP
    ]
    assert info["state"] == "quiet" and len(info["firings"]) == 1
    assert [line for line in log(platform) if HUNG_UP in line] == [firing, ended]
    assert len([line for line in log(platform) if f"{LOOP} is firing" in line]) == len(hook.got["/crashes"]) == 1


def test_the_platforms_alerts_are_in_the_status(platform: Platform, trouble: str) -> None:
    """The disk is never as empty as that; how full it was is known from the minute on in which hostd was installed."""
    wait_until(lambda: platform.hostctl("status", check=False).returncode == 1, 150, every=1)
    assert f"{FULL} is firing" in platform.hostctl("status", check=False).stdout
    own = platform.run(["journalctl", "--no-pager", "-u", "hostd.service"]).stdout
    assert f"Alert {FULL} is firing: disk was " in own
    shown = json.loads(platform.hostctl("alerts:info", trouble, "--platform", "--json").stdout)
    assert shown["past"]["since"] is not None
    assert platform.ssh("alerts", "--platform").returncode == 0
