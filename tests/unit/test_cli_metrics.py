"""metrics, metrics:apps, metrics:prometheus and ps:top: what is asked and shown, against a fake API."""

import json
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from cli_fakes import NOW, as_a_program, hostctl

from hostd.cli.output import Style
from hostd.cli.sparkline import sparkline
from hostd.cli.top import table
from tests.support.terminal import CTRL_C, open_terminal

APP = {"id": "id", "name": "hello"}
STEPS = 4
HOSTCTL = [sys.executable, "-c", "import sys; from hostd.cli import main; sys.exit(main())"]


def row(*values):
    return [*values, *[None] * (STEPS - len(values))]


TOTAL = {
    "requests": 120, "errors": 2, "p50": 4.1, "p95": 480.0, "p99": 900.0, "memory": 100.0, "memory_max": 530.2,
    "memory_quota": 103.6, "cpu": 12.34, "cpu_max": 20.0, "load": 0.25, "restarts": 1, "codes": {"R14": 3},
}  # fmt: skip
REPORT = {
    "app": APP,
    "since": int(NOW) - 240,
    "until": int(NOW),
    "step": 60,
    "at": [int(NOW) - 240 + 60 * n for n in range(STEPS)],
    "metrics": {
        "requests": row(60, 0, 30, 30), "errors": row(0, 0, 2, 0), "p50": row(4.1), "p95": row(None, None, 480.0),
        "p99": row(), "memory": row(None, 100.0, 530.2), "memory_quota": row(20, 103.6), "cpu": row(12.34),
        "load": row(None, None, None, 0.25), "restarts": row(0, 1, 0, 0),
    },
    "codes": {"R14": row(0, 3, 0, 0)},
    "total": TOTAL,
    "dynos": [{"name": "web.1", **TOTAL}],
    "releases": [
        {"version": 7, "at": int(NOW) - 100, "description": "Deploy 20a5742", "user": {"email": "kate@example.com"}}
    ],
}  # fmt: skip
DYNO = {
    "app": APP, "name": "web.1", "type": "web", "state": "up", "size": "standard-1x", "release": 7,
    "since": "2015-11-17T18:37:00Z", "cpu": 12.5, "memory": 64.0, "quota": 512, "memory_quota": 12.5, "swap": 0.0,
    "load": [0.25, 0.1, 0.05], "cpu_seconds": 7.0,
}  # fmt: skip
BUSY = DYNO | {"name": "worker.1", "cpu": 99.0, "memory": 600.0, "memory_quota": 117.2}
CRASHED = DYNO | {"name": "web.2", "state": "crashed"} | dict.fromkeys(
    ("cpu", "memory", "quota", "memory_quota", "swap", "load")
)
USAGE = "GET /hostd/apps/hello/usage"


def asked(hostd, start):
    return [request.target for request in hostd.requests if request.target.startswith(start)]


def on_any(hostd, start, answer):
    """Answer whatever begins so: the query has the time of the test in it."""
    hostd.on(start, answer)
    return hostd


def test_sparklines():
    assert sparkline([0, 1, 2, 4, 8, None, 8], 10) == "▁▂▃▅█ █"
    assert sparkline([0, 4, 8], 10, ascii_only=True) == "_+@"
    assert sparkline([1, 9, None, None, 1, 1], 3) == "█ ▁"
    assert sparkline([0, 0], 5) == "▁▁"
    assert sparkline([], 5) == ""
    assert len(sparkline(list(range(1000)), 37)) == 37


def test_metrics_in_a_pipe_are_plain_text(hostd, tmp_path):
    since = f"GET /apps/hello/metrics?since={int(NOW) - 240}&until={int(NOW)}"
    hostd.on(since, (200, REPORT))
    ran = hostctl(tmp_path, "metrics", "--since", "4m", "-a", "hello")
    assert ran.out.isascii()
    assert ran.out.splitlines() == [
        "=== hello, last 4m, a figure for each 1m",
        "",
        "              now   mean      max",
        "requests/min  30    30        60    @_++",
        "5xx/min       0     0.50      2     __@_",
        "p50 ms        -     4.10      4.10  @",
        "p95 ms        480   480       480     @",
        "p99 ms        -     -         -",
        "memory MB     530   315       530    .@",
        "cpu %         -     12.3      12.3  @",
        "load          0.25  0.25      0.25     @",
        "crashes       0     1 in all  1     _@__",
        "R14           0     3 in all  3     _@__",
        "",
        "=== Dynos",
        "",
        "dyno   req/min  5xx  p95 ms  memory MB  quota  cpu %  load  crashes  codes",
        "web.1  30       2    480     530        104%   12.3   0.25  1        R14=3",
        "",
        "=== Releases",
        "",
        "v7  " + ran.out.splitlines()[-1][4:20] + "  Deploy 20a5742  kate@example.com",
    ]
    assert json.loads(hostctl(tmp_path, "metrics", "--since", "4m", "--json", "-a", "hello").out) == REPORT


def test_of_very_many_dynos_some_are_shown(hostd, tmp_path):
    many = REPORT | {"dynos": [{"name": f"web.{number}", **TOTAL} for number in range(1, 101)]}
    hostd.on(f"GET /apps/hello/metrics?since={int(NOW) - 240}&until={int(NOW)}", (200, many))
    lines = hostctl(tmp_path, "metrics", "--since", "4m", "-a", "hello").out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("web.")] == [f"web.{n}" for n in range(1, 41)]
    assert "... and 60 more: see --type, --dyno, --json" in lines


def test_metrics_are_asked_as_they_were_said(hostd, tmp_path):
    target = f"/apps/hello/metrics?since={int(NOW) - 7 * 86400}&until={int(NOW)}&step=3600&type=web&dyno=web.1"
    hostd.on(f"GET {target}", (200, REPORT))
    words = "metrics --since 7d --step 1h --type web --dyno web.1 -a hello"
    assert hostctl(tmp_path, *words.split()).status == 0


@pytest.mark.parametrize("words", ["--since 0m", "--since 32d", "--since 5", "--since -5m", "--since 1w", "--step 1s"])
def test_times_that_make_no_sense_are_refused(hostd, tmp_path, words):
    ran = hostctl(tmp_path, "metrics", *words.split(), "-a", "hello")
    assert ran.status == 2
    assert "must be a time from 1m to" in ran.err
    assert hostd.requests == []


def test_all_apps_by_what_is_asked_for(hostd, tmp_path):
    small = {"app": {"id": "2", "name": "small"}, "dynos": 1, "seconds": 3600, **TOTAL, "requests": 6}
    small["memory_max"] = 900.0
    none = dict.fromkeys(("p50", "p95", "p99", "memory", "memory_max", "memory_quota", "cpu", "cpu_max", "load"))
    quiet = {"app": {"id": "3", "name": "quiet"}, "dynos": 0, "seconds": 3600, **TOTAL, **none, "requests": 0}
    large = {"app": APP, "dynos": 2, "seconds": 3600, **TOTAL}
    hostd.on(f"GET /hostd/metrics/apps?since={int(NOW) - 3600}&until={int(NOW)}", (200, [quiet, small, large]))
    lines = hostctl(tmp_path, "metrics:apps").out.splitlines()
    assert [line.split()[0] for line in lines] == ["app", "hello", "small", "quiet"]
    assert lines[1].split() == ["hello", "2", "2", "2", "480", "530", "104%", "12.3", "1", "R14=3"]
    assert lines[3].split()[:8] == ["quiet", "0", "0", "2", "-", "-", "-", "-"]
    by_memory = hostctl(tmp_path, "metrics:apps", "--sort", "memory", "--json").out
    assert [each["app"]["name"] for each in json.loads(by_memory)] == ["small", "hello", "quiet"]
    assert hostctl(tmp_path, "metrics:apps", "--sort", "size").status == 2
    hostd.on(f"GET /hostd/metrics/apps?since={int(NOW) - 3600}&until={int(NOW)}", (200, []))
    assert "no apps yet" in hostctl(tmp_path, "metrics:apps").err


def test_prometheus_text_is_handed_on(hostd, tmp_path):
    hostd.on("GET /hostd/metrics", (403, {"id": "forbidden", "message": "Only an admin may do this."}))
    assert (ran := hostctl(tmp_path, "metrics:prometheus")).status == 1
    assert "Only an admin" in ran.err
    for where in ("9180", "localhost:", ":9180", "localhost:99999", "localhost:x"):
        assert hostctl(tmp_path, "metrics:prometheus", "--listen", where).status == 2


def text_answer(handler, _request):
    handler.send_response(200)
    handler.send_header("Content-Type", "text/plain; version=0.0.4")
    handler.end_headers()
    handler.wfile.write(b"hostd_apps 3\n")


def test_prometheus_is_answered(hostd, tmp_path):
    hostd.on("GET /hostd/metrics", text_answer)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    argv = [*HOSTCTL, "metrics:prometheus", "--listen", f"127.0.0.1:{port}"]
    with subprocess.Popen(argv, env=as_a_program(tmp_path), stderr=subprocess.PIPE, text=True) as process:
        assert "Answering Prometheus" in process.stderr.readline()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
            assert answer.read() == b"hostd_apps 3\n"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/hostd/status")
        hostd.on("GET /hostd/metrics", (503, {"id": "unavailable", "message": "busy"}))
        with pytest.raises(urllib.error.HTTPError, match="503"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics")
        assert hostctl(tmp_path, "metrics:prometheus", "--listen", f"127.0.0.1:{port}").status == 1
        process.terminate()


def test_top_once(hostd, tmp_path):
    hostd.on(USAGE, (200, [DYNO, CRASHED, BUSY]))
    lines = hostctl(tmp_path, "ps:top", "-a", "hello").out.splitlines()
    assert lines[0].split()[:4] == ["dyno", "cpu", "%", "memory"]
    assert [line.split()[0] for line in lines[1:]] == ["worker.1", "web.1", "web.2"]
    assert lines[2] == (
        "web.1     12.5   64.0       12%    0.0   0.25     0.10  0.05  Standard-1X  v7       up for 41s"
    )
    assert lines[3].split()[1:8] == ["-"] * 7
    by_name = hostctl(tmp_path, "ps:top", "--once", "--sort", "name", "-a", "hello").out.splitlines()
    assert [line.split()[0] for line in by_name[1:]] == ["web.1", "web.2", "worker.1"]
    assert json.loads(hostctl(tmp_path, "ps:top", "--json", "-a", "hello").out) == [BUSY, DYNO, CRASHED]
    hostd.on("GET /hostd/usage", (200, []))
    assert hostctl(tmp_path, "ps:top", "--all").out == "No dynos\n"


@pytest.mark.parametrize("words", ["--sort size", "--interval 0", "--interval 61", "--all -a hello"])
def test_top_refuses_what_makes_no_sense(hostd, tmp_path, words):
    assert hostctl(tmp_path, "ps:top", *words.split()).status == 2


def test_a_dyno_near_its_quota_is_marked():
    [_, busy, near, well] = table(
        [BUSY, BUSY | {"memory_quota": 95.0}, DYNO], NOW, Style(True), apps=False
    )
    assert "\x1b[31m117%" in busy
    assert "\x1b[33m95%" in near
    assert "\x1b[" not in well.partition("Standard")[0]


def top(tmp_path, rows=10, columns=120):
    argv = [*HOSTCTL, "ps:top", "-a", "hello", "--interval", "1"]
    return open_terminal(argv, env=as_a_program(tmp_path, TERM="xterm"), rows=rows, columns=columns)


def test_top_on_a_terminal_sorts_and_quits(hostd, tmp_path):
    hostd.on(USAGE, (200, [DYNO, CRASHED, BUSY]))
    with top(tmp_path) as screen:
        screen.expect("\x1b[?1049h")
        screen.expect("hello: 3 dynos, 111.5 % cpu, 664.0 MB")
        screen.expect("worker.1")
        screen.expect("web.1")
        screen.expect("by cpu")
        screen.type("n")
        screen.expect("web.1")
        screen.expect("worker.1")
        screen.expect("by name")
        screen.type("m")
        screen.expect("by memory")
        screen.type("q")
        assert screen.wait() == 0
        assert screen.text.endswith("\x1b[?25h\x1b[?1049l")


def test_top_looks_again_and_outlives_a_restart_of_hostd(hostd, tmp_path):
    hostd.on(USAGE, (200, [DYNO]), (500, {"id": "internal_server_error", "message": "Not now."}), (200, [BUSY]))
    with top(tmp_path) as screen:
        screen.expect("web.1")
        screen.expect("Not now.")
        screen.expect("worker.1")
        screen.type(CTRL_C)
        assert screen.wait() == 130
        assert "\x1b[?1049l" in screen.text


def test_top_fits_its_terminal(hostd, tmp_path):
    hostd.on(USAGE, (200, [DYNO | {"name": f"web.{number}"} for number in range(1, 31)]))
    with top(tmp_path, rows=10, columns=40) as screen:
        screen.expect("by cpu")
        screen.type("q")
        assert screen.wait() == 0
    shown = screen.text.partition("\x1b[H\x1b[J")[2].partition("\x1b[?25h")[0].splitlines()
    assert len(shown) == 10
    assert shown[-2] == "... and 25 more"
    plain = [line.replace("\x1b[1m", "").replace("\x1b[0m", "") for line in shown]
    assert max(map(len, plain)) <= 40
