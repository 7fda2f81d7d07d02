"""The life of dynos: sizes, health checks, how they end, who starts them again; visitors of one app notice nothing."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostd.cli.output import seconds
from tests.support.crowd import Crowd
from tests.support.estate import in_order
from tests.support.formation import dynos, wait_for_formation
from tests.support.platform import Platform
from tests.support.waiting import wait_until

APP = "lively"
ECHO = (Path(__file__).parents[1] / "support/echo.py").read_text()
SICK = """
import http.server, os
class Sick(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503)
        self.end_headers()
        self.wfile.write(b"the database is not there\\n")
http.server.HTTPServer(("0.0.0.0", int(os.environ["PORT"])), Sick).serve_forever()
"""
PROCFILE = """
web: python3 -u ${SERVER:-server.py}
worker: echo "I am ${DYNO:-nobody}"; sleep infinity
greedy: python3 -c 'import time; kept = bytearray(100 << 20); time.sleep(3600)'
segv: kill -SEGV $$
missing: no-such-command
filler: fallocate -l 400M /tmp/big && echo written; sleep infinity
sower: python3 -c 'import os; [os.close(os.open(f"/tmp/{n:0200}", os.O_CREAT)) for n in range(1 << 20)]'
hider: cd /tmp && btrfs subvolume create in && sleep 3 && fallocate -l 400M in/big && echo written; sleep infinity
chatty: i=0; while :; do i=$((i + 1)); echo "line $i"; sleep 0.2; done
"""
SETTINGS = "/etc/hostd/hostd.toml"
BOOT_SECONDS = 4
CUT = "cut off"
"""The step in which somebody ends every dyno at once: what it was answering then is lost."""


@pytest.fixture(scope="module", autouse=True)
def settings(platform: Platform) -> Iterator[str]:
    """A platform that waits less for an app to boot; the text of its settings."""
    before = platform.run(["cat", SETTINGS]).stdout
    impatient = re.sub(r"(?m)^boot_timeout = .*", f"boot_timeout = {BOOT_SECONDS}", before)
    impatient = re.sub(r"(?m)^dyno_disk_mb = .*", "dyno_disk_mb = 300", impatient)
    try:
        use_settings(platform, impatient)
        yield impatient
    finally:
        use_settings(platform, before)


@pytest.fixture(scope="module")
def crowd(platform: Platform, settings: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    """Visitors of the app, while everything below happens."""
    platform.hostctl("apps:create", APP)
    platform.hostctl("config:set", "-a", APP, f"NAME={APP}")
    files = {
        "Procfile": PROCFILE,
        "server.py": ECHO,
        "sick.py": SICK,
        "app.json": json.dumps({"healthchecks": {"web": [{"type": "startup", "path": "/health"}]}}),
    }
    pushed = platform.push(platform.commit(files, tmp_path_factory.mktemp(APP)), APP)
    assert "Health check of web -> /health, from app.json" in pushed.stderr
    platform.hostctl("ps:scale", "-a", APP, "web=2", "worker=1", "chatty=1", "greedy=1:64M")
    platform.hostctl("ps:wait", "-a", APP, "--timeout", "60s")
    with Crowd(platform.http_port, {APP: 2}) as crowd:
        yield crowd
    platform.hostctl("apps:destroy", "-a", APP, "--confirm", APP, check=False)


def use_settings(platform: Platform, text: str) -> None:
    """Write hostd's settings and have them read; systemctl returns when hostd is ready."""
    platform.run(["tee", SETTINGS], input=text)
    platform.run(["systemctl", "restart", "hostd.service"])


def logged(platform: Platform, process: str, *lines: str, within: float = 40) -> str:
    """Wait until the log of a process has these lines, in this order; returns it."""

    def there() -> str:
        log = platform.hostctl("logs", "-a", APP, "-p", process, "-n", "1500").stdout
        assert re.search(".*".join(map(re.escape, lines)), log, re.DOTALL), log[-2000:]
        return log

    return wait_until(there, within)


def shown(platform: Platform, unit: str, *properties: str) -> dict[str, str]:
    """What `systemctl show` says of a dyno of the newest release."""
    version = max(dyno["release"]["version"] for dyno in dynos(platform, APP))
    words = [word for name in properties for word in ("-p", name)]
    text = platform.run(["systemctl", "show", f"hostd-{APP}-{unit}-v{version}.service", *words]).stdout
    return dict(line.split("=", 1) for line in text.splitlines())


def test_a_new_size_restarts_dynos_one_after_the_other(platform: Platform, crowd: Crowd) -> None:
    line = platform.hostctl("ps:scale", "-a", APP).stdout
    assert line == (
        "chatty=1:Standard-1X filler=0:Standard-1X greedy=1:64M hider=0:Standard-1X missing=0:Standard-1X "
        "segv=0:Standard-1X sower=0:Standard-1X web=2:Standard-1X worker=1:Standard-1X\n"
    )
    platform.hostctl("ps:resize", "-a", APP, "web=2x")
    platform.hostctl("ps:type", "-a", APP, "worker", "--memory", "700M", "--cpu", "1.5")
    platform.hostctl("ps:wait", "-a", APP, "--timeout", "60s")
    limits = ("MemoryMax", "CPUWeight", "CPUQuotaPerSecUSec")
    assert shown(platform, "web.2", *limits) == {
        "MemoryMax": str(3 << 30), "CPUWeight": "200", "CPUQuotaPerSecUSec": "infinity",
    }  # fmt: skip
    assert shown(platform, "worker.1", *limits) == {
        "MemoryMax": str(2100 << 20), "CPUWeight": "150", "CPUQuotaPerSecUSec": "1.500000s",
    }  # fmt: skip
    table = platform.hostctl("ps:type", "-a", APP).stdout
    assert re.search(r"(?m)^worker +700M-1\.5CPU +1 +700M +150 +1\.5 +700M$", table)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("ps:scale", "wbe=1"), "There is no process type 'wbe'"),
        (("ps:type", "web=giant"), "There is no dyno size 'giant'"),
        (("ps:scale", "web=100:1000G"), "A 1000G dyno may use 1000G of memory, and this machine has"),
        (("ps:scale", "web=100:performance-l", "worker=100:performance-l"), "of memory more, and"),
        (("ps:restart", "web.77"), "Couldn't find that dyno"),
        (("checks:set", "worker", "/health"), "only web dynos answer requests"),
    ],
)
def test_what_there_is_not_is_refused(platform: Platform, crowd: Crowd, words: tuple[str, ...], why: str) -> None:
    refused = platform.hostctl(*words, "-a", APP, check=False)
    assert refused.returncode != 0
    assert why in refused.stderr


def test_a_release_that_fails_its_health_check_gets_no_requests(platform: Platform, crowd: Crowd) -> None:
    platform.hostctl("config:set", "-a", APP, "SERVER=sick.py")
    logged(
        platform,
        "web",
        f"Error R10 (Boot timeout) -> Health check GET /health was not answered with 200 to 399 within {BOOT_SECONDS} "
        "seconds of launch; the last answer: 503 Service Unavailable: the database is not there",
        "State changed from starting to crashed",
    )
    platform.hostctl("rollback", "-a", APP)
    wait_for_formation(platform, APP, web=2, worker=1, chatty=1, greedy=1)


def test_how_a_dyno_ended_is_told_in_words_and_it_is_tried_again_later(platform: Platform, crowd: Crowd) -> None:
    platform.hostctl("ps:scale", "-a", APP, "segv=1", "missing=1")
    logged(platform, "segv", "Process exited with status 139 (killed by SIGSEGV)", "(killed by SIGSEGV)")
    logged(platform, "missing", "Process exited with status 127 (command not found)", "(command not found)")
    ps = wait_until(lambda: re.search(r"segv\.1: crashed for \d+s, starts again in \d+s", show(platform)))
    assert ps is not None
    platform.hostctl("ps:scale", "-a", APP, "segv=0", "missing=0")


def show(platform: Platform) -> str:
    """What `ps` prints."""
    return platform.hostctl("ps", "-a", APP).stdout


def test_a_dyno_that_fills_its_disk_is_stopped_alone(platform: Platform, crowd: Crowd) -> None:
    platform.hostctl("ps:scale", "-a", APP, "filler=1")
    error = "Error: 400.1M of files in /app and /tmp, and a dyno may have 300.0M (dyno_disk_mb)"
    logged(platform, "filler", "written", error, "State changed from up to crashed")
    platform.hostctl("ps:scale", "-a", APP, "filler=0")


def test_neither_empty_files_nor_subvolumes_are_a_way_around(platform: Platform, crowd: Crowd) -> None:
    platform.hostctl("ps:scale", "-a", APP, "sower=1", "hider=1")
    error = "M of files in /app and /tmp, and a dyno may have 300.0M (dyno_disk_mb)"
    try:
        for type_ in ("sower", "hider"):
            # Half a million files are sown in seconds, or in minutes where the disk is somebody else's, too.
            logged(platform, type_, error, "State changed from up to crashed", within=240)
    finally:
        platform.hostctl("ps:scale", "-a", APP, "sower=0", "hider=0")


def test_systemd_restarts_a_dyno_while_hostd_is_down(platform: Platform, crowd: Crowd) -> None:
    unit = shown(platform, "worker.1", "Id")["Id"]
    platform.run(["systemctl", "stop", "hostd.socket", "hostd-attach.socket", "hostd.service"])
    try:
        # systemd now has the unit from its own file, which it has written.
        platform.run(["systemctl", "daemon-reload"])
        platform.run(["systemctl", "kill", "--signal=KILL", unit])
        running = ["systemctl", "show", unit, "-p", "NRestarts", "-p", "SubState"]
        wait_until(lambda: platform.run(running).stdout.split() == ["NRestarts=1", "SubState=running"], 30)
    finally:
        platform.run(["systemctl", "start", "hostd.socket", "hostd-attach.socket", "hostd.service"])
    log = logged(platform, "worker", "Process exited while hostd was away; systemd restarted it")
    *_, said, told = log.splitlines()
    assert said.endswith("app[worker.1]: I am worker.1")
    assert told.endswith("systemd restarted it")


def test_dynos_are_replaced_when_they_have_run_long_enough(platform: Platform, crowd: Crowd, settings: str) -> None:
    crowd.step = "cycling"
    soon = re.sub(r"(?m)^cycle_(after|spread) = .*", r"cycle_\1 = 2", settings)
    use_settings(platform, soon)
    logged(platform, "web", *("Cycling", "State changed from starting to up") * 3)
    use_settings(platform, settings)


def test_what_an_operator_stops_comes_back_and_is_told(platform: Platform, crowd: Crowd) -> None:
    wait_for_formation(platform, APP, web=2, worker=1, chatty=1, greedy=1)
    crowd.step = CUT
    platform.run(["systemctl", "stop", "hostd-apps.slice"])
    logged(platform, "worker", "Stopped from outside hostd, as with systemctl stop", "State changed from up to down")
    wait_for_formation(platform, APP, web=2, worker=1, chatty=1, greedy=1)
    crowd.step = "afterwards"


def test_what_an_operator_restarts_or_changes_is_as_it_was_and_is_told(platform: Platform, crowd: Crowd) -> None:
    # What is restarted within a second of its start is as new as before, and not told.
    wait_until(lambda: all(time.time() - seconds(dyno["updated_at"]) > 2 for dyno in dynos(platform, APP)))
    before = shown(platform, "worker.1", "Id", "MemoryMax")
    platform.run(["systemctl", "restart", before["Id"]])
    logged(platform, "worker", "Restarted from outside hostd, as with systemctl restart", "from starting to up")
    platform.run(["systemctl", "set-property", before["Id"], "MemoryMax=50M"])
    # hostd looks for that every 30 seconds, and at once when it has lost its connection.
    platform.run(["systemctl", "daemon-reexec"])
    logged(platform, "worker", "Changed from outside hostd, as with systemctl set-property", "from starting to up")
    assert shown(platform, "worker.1", "Id", "MemoryMax") == before


def test_killed_journals_and_buses_cost_no_line_and_no_dyno(platform: Platform, crowd: Crowd) -> None:
    before = {dyno["name"]: seconds(dyno["updated_at"]) for dyno in dynos(platform, APP)}
    services = ["systemd-journald@hostd*.service", "systemd-journald.service", "dbus.service"]
    platform.run(["systemctl", "kill", "--signal=KILL", *services])
    platform.run(["systemctl", "daemon-reexec"])
    platform.run(["systemctl", "daemon-reload"])
    platform.hostctl("ps:scale", "-a", APP, "worker=2")
    wait_for_formation(platform, APP, web=2, worker=2, chatty=1, greedy=1)
    since = {dyno["name"]: seconds(dyno["updated_at"]) for dyno in dynos(platform, APP)}
    assert all(abs(since[name] - then) <= 1 for name, then in before.items())
    lines = [int(n) for n in re.findall(r"app\[chatty\.1\]: line (\d+)", logged(platform, "chatty", "line"))]
    last = lines[-1]
    logged(platform, "chatty", f"line {last + 5}")


def test_a_second_hostd_refuses(platform: Platform, crowd: Crowd) -> None:
    second = platform.run(["/opt/hostd/venv/bin/hostd"], check=False)
    assert second.returncode == 69
    assert "Another hostd runs already (process " in second.stderr


def test_a_dyno_over_its_quota_is_told_so(platform: Platform, crowd: Crowd) -> None:
    log = logged(platform, "greedy", "Process running mem=", "Error R14 (Memory quota exceeded)")
    assert re.search(r"Process running mem=1\d\dM\(1\d\d\.\d%\)", log)


def test_no_visitor_noticed_any_of_it(platform: Platform, crowd: Crowd) -> None:
    assert crowd.tally.answered["cycling"] > 0
    assert [failure for failure in crowd.tally.failures if CUT not in failure.partition(":")[0]] == []
    wait_until(lambda: in_order(platform), 60)
