"""Metrics of real dynos and real requests, through the doors a user uses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.formation import dynos, scale
from tests.support.platform import Platform
from tests.support.terminal import open_terminal
from tests.support.waiting import wait_until

APP = "measured"
FILES = {
    "Procfile": "web: python3 server.py\nhog: python3 hog.py\n",
    "server.py": """\
import http.server, os
class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/crash":
            os._exit(7)
        self.send_response(500 if self.path == "/bad" else 200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")
http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Server).serve_forever()
""",
    "hog.py": """\
import threading
taken = bytearray(600 << 20)
for place in range(0, len(taken), 4096):
    taken[place] = 1
print("taken", flush=True)
def burn():
    while True:
        pass
threading.Thread(target=burn, daemon=True).start()
threading.Event().wait()
""",
}
SAMPLES = 45
"""Seconds within which every dyno was looked at, on a busy machine too."""


@pytest.fixture(scope="module", autouse=True)
def deployed(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An app with a web dyno, and a process type that takes more memory than it should."""
    platform.hostctl("apps:create", APP)
    try:
        platform.push(platform.commit(FILES, tmp_path_factory.mktemp("metrics") / "app"), APP)
        scale(platform, APP, web=1, hog=0)
        yield
    finally:
        platform.hostctl("apps:destroy", "-a", APP, "--confirm", APP)


def metrics(platform: Platform, *words: str) -> dict[str, Any]:
    """The metrics of the last hour, as JSON."""
    found: dict[str, Any] = json.loads(
        platform.hostctl("metrics", "--since", "1h", "--json", *words, "-a", APP).stdout
    )
    return found


def log(platform: Platform, *words: str) -> list[str]:
    """The platform's lines of the app's log, without their times."""
    shown = platform.hostctl("logs", "-n", "1500", "-s", "heroku", *words, "-a", APP).stdout
    return [line.partition(" ")[2] for line in shown.splitlines()]


def runtime_lines(platform: Platform) -> list[str]:
    """Those of log-runtime-metrics."""
    return [line for line in log(platform) if "sample#" in line]


def total(platform: Platform, name: str) -> int:
    """How often something was counted."""
    return int(metrics(platform)["total"][name])


def ask(platform: Platform, path: str, times: int) -> None:
    """So many requests, several at once."""
    with ThreadPoolExecutor(4) as pool:
        for answer in pool.map(lambda _: platform.http_get(APP, path), range(times)):
            assert answer.status in (200, 500)


def test_so_many_requests_are_so_many_requests(platform: Platform) -> None:
    before = metrics(platform)["total"]
    ask(platform, "/", 200)
    ask(platform, "/bad", 7)
    wait_until(lambda: total(platform, "requests") >= before["requests"] + 207)
    after = metrics(platform)
    assert after["total"]["requests"] == before["requests"] + 207
    assert after["total"]["errors"] == before["errors"] + 7
    assert 0 < after["total"]["p50"] <= after["total"]["p95"] <= after["total"]["p99"]
    web = next(dyno for dyno in after["dynos"] if dyno["name"] == "web.1")
    assert web["requests"] == after["total"]["requests"]
    table = platform.hostctl("metrics", "-a", APP).stdout
    assert table.isascii()
    assert "requests/min" in table and "v2" in table


def test_what_was_kept_outlives_kill_9_of_hostd_and_nothing_is_counted_twice(platform: Platform) -> None:
    before = total(platform, "requests")
    ask(platform, "/", 50)
    wait_until(lambda: total(platform, "requests") == before + 50)
    for _ in range(2):
        platform.run(["systemctl", "kill", "--signal=KILL", "hostd.service"])
        ask(platform, "/", 10)
    wait_until(lambda: platform.hostctl("status", check=False).returncode == 0, 30)
    wait_until(lambda: total(platform, "requests") >= before + 70)
    assert total(platform, "requests") == before + 70
    platform.run(["systemctl", "restart", "hostd.service"])
    assert total(platform, "requests") == before + 70


def test_a_router_worker_that_was_killed_counts_anew(platform: Platform) -> None:
    before = total(platform, "requests")
    platform.run(["systemctl", "kill", "--signal=KILL", "hostd-router@1.service", "hostd-router@2.service"])
    wait_until(lambda: platform.http_get(APP).status == 200, 30)
    ask(platform, "/", 20)
    wait_until(lambda: total(platform, "requests") >= before + 21)
    assert total(platform, "requests") == before + 21


def test_a_crash_is_counted_as_one(platform: Platform) -> None:
    def crashes() -> int:
        return len([line for line in log(platform) if line.endswith(" to crashed")])

    before = total(platform, "restarts") - crashes()
    # The router asks again where nothing was answered, so that this may be one crash or two.
    platform.http_get(APP, "/crash")
    wait_until(crashes, 20)
    wait_until(lambda: total(platform, "restarts") == before + crashes(), 20)
    platform.hostctl("ps:wait", "--timeout", "60s", "-a", APP)
    assert total(platform, "restarts") == before + crashes()


def test_a_dyno_that_takes_too_much_shows_so_everywhere(platform: Platform) -> None:
    assert runtime_lines(platform) == []
    enabled = platform.hostctl("labs:enable", "log-runtime-metrics", "-a", APP)
    assert enabled.stderr == f"Enabling log-runtime-metrics for {APP}... done\n"
    assert "[+] log-runtime-metrics" in platform.hostctl("labs", "-a", APP).stdout
    scale(platform, APP, web=1, hog=1)
    # On a slow machine it is looked at while it takes them.
    wait_until(lambda: float((_sample(platform, "hog.1", "memory_rss") or "0").removesuffix("MB")) >= 600, SAMPLES)
    wait_until(lambda: "heroku[hog.1]: Error R14 (Memory quota exceeded)" in log(platform), SAMPLES)
    app_id = json.loads(platform.hostctl("apps:info", "--json", "-a", APP).stdout)["app"]["id"]
    lines = log(platform)
    said = [line for line in lines if line.startswith("heroku[hog.1]: Process running mem=")][-1]
    memory = [line for line in lines if line.startswith("heroku[hog.1]: source=hog.1") and "memory_rss" in line][-1]
    words = dict(word.split("=", 1) for word in memory.split()[1:])
    megabytes = float(words["sample#memory_rss"].removesuffix("MB"))
    assert 600 <= megabytes < 660
    assert words["sample#memory_quota"] == "512.00MB"
    assert words["dyno"].startswith(f"heroku.{app_id}.")
    assert abs(int(said.partition("mem=")[2].partition("M")[0]) - megabytes) <= 2
    load = next(line for line in lines if line.startswith("heroku[hog.1]: source=hog.1") and "load_avg_1m" in line)
    assert [word.partition("=")[0] for word in load.split()[3:]] == [
        "sample#load_avg_1m", "sample#load_avg_5m", "sample#load_avg_15m",
    ]  # fmt: skip
    hog = wait_until(lambda: [dyno for dyno in metrics(platform)["dynos"] if dyno["codes"].get("R14")], SAMPLES)
    assert hog[0]["name"] == "hog.1"
    assert 600 <= hog[0]["memory_max"] < 660
    assert metrics(platform, "--type", "web")["total"]["memory_max"] < 512


def test_a_dyno_that_keeps_a_processor_busy_has_load_and_cpu(platform: Platform) -> None:
    wait_until(lambda: float(_sample(platform, "hog.1", "load_avg_1m") or 0) > 0.2, 2 * SAMPLES)
    hog = next(dyno for dyno in metrics(platform)["dynos"] if dyno["name"] == "hog.1")
    assert hog["cpu"] > 10
    shown = json.loads(platform.hostctl("ps:top", "--json", "-a", APP).stdout)
    assert shown[0]["name"] == "hog.1"
    assert shown[0]["memory_quota"] > 100


def _sample(platform: Platform, dyno: str, name: str) -> str | None:
    found = [line for line in runtime_lines(platform) if f"source={dyno} " in line and name in line]
    return found[-1].partition(f"sample#{name}=")[2].split()[0] if found else None


def test_each_run_of_a_dyno_has_an_id_of_its_own(platform: Platform) -> None:
    def runs() -> set[str]:
        return {line.partition("dyno=")[2].split()[0] for line in runtime_lines(platform) if "source=hog.1 " in line}

    before = runs()
    assert len(before) == 1
    platform.hostctl("ps:restart", "hog.1", "-a", APP)
    wait_until(lambda: len(runs()) == 2, 2 * SAMPLES)


def test_switched_off_it_says_nothing(platform: Platform) -> None:
    platform.ssh("labs:disable", "log-runtime-metrics", "-a", APP)
    shown = len(runtime_lines(platform))
    said = log(platform).count("heroku[hog.1]: Error R14 (Memory quota exceeded)")
    # R14 comes from the same samples, so there was one since.
    wait_until(lambda: log(platform).count("heroku[hog.1]: Error R14 (Memory quota exceeded)") > said, SAMPLES)
    assert len(runtime_lines(platform)) == shown


def test_top_in_a_terminal_over_ssh(platform: Platform) -> None:
    argv = platform.remote_command("ps:top", "-a", APP, options=["-tt"])
    with open_terminal(argv, env={"TERM": "xterm", "PATH": "/usr/bin:/bin"}) as screen:
        screen.expect(f"{APP}: 2 dynos")
        screen.expect("hog.1")
        screen.expect("web.1")
        screen.type("n")
        screen.expect("hog.1")
        screen.expect("by name")
        screen.type("q")
        assert screen.wait() == 0
        assert "\x1b[?1049l" in screen.text
    once = platform.ssh("ps:top", "--sort", "memory", "-a", APP).stdout.splitlines()
    assert [line.split()[0] for line in once] == ["dyno", "hog.1", "web.1"]


def test_prometheus_reads_it_all(platform: Platform) -> None:
    text = platform.hostctl("metrics:prometheus").stdout
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.labels.get("app") == APP:
                found.setdefault(sample.name, {})[sample.labels.get("dyno", "")] = sample.value
    assert found["hostd_dyno_memory_bytes"]["hog.1"] > 600 << 20
    assert found["hostd_dyno_memory_quota_bytes"]["web.1"] == 512 << 20
    assert found["hostd_app_release"][""] >= 2
    assert "hostd_requests_total" in found


def test_all_apps(platform: Platform) -> None:
    listed = json.loads(platform.ssh("metrics:apps", "--sort", "memory", "--json").stdout)
    own = next(each for each in listed if each["app"]["name"] == APP)
    assert own["dynos"] == len([dyno for dyno in dynos(platform, APP) if dyno["state"] == "up"])
    assert own["memory_max"] >= 600
    assert APP in platform.hostctl("metrics:apps").stdout


def test_minutes_are_written_down(platform: Platform) -> None:
    """In the file itself, which anybody who is root may read."""
    query = (
        "import sqlite3, json; db = sqlite3.connect('file:/var/lib/hostd/metrics/metrics.db?mode=ro', uri=True);"
        "print(json.dumps([db.execute(f'SELECT count(*) FROM {t}').fetchone()[0]"
        " for t in ('used_60', 'traffic_60', 'counts_60', 'steps_60')]))"
    )
    wait_until(lambda: 0 not in platform.python(query), 90, every=2)


def test_a_store_that_is_damaged_stops_nothing(platform: Platform) -> None:
    path = "/var/lib/hostd/metrics/metrics.db"
    platform.run(["systemctl", "stop", "hostd.service"])
    platform.run(["bash", "-c", f"rm -f {path}-wal {path}-shm; head -c 100000 /dev/urandom > {path}"])
    platform.run(["systemctl", "start", "hostd.service"])
    wait_until(lambda: platform.hostctl("status", check=False).returncode == 0, 30)
    before = total(platform, "requests")
    ask(platform, "/", 5)
    wait_until(lambda: total(platform, "requests") == before + 5)
    assert platform.run(["test", "-e", "/var/lib/hostd/metrics/metrics.damaged"], check=False).returncode == 0
