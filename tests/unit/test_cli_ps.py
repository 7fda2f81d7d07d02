"""Formation and sizes on the command line: what is asked of the API and what is printed, against a fake API."""

import io
import json

import pytest
from cli_fakes import FakeHostd, dyno, hostctl

from hostd.cli.call import Call, Surroundings
from hostd.cli.command import parse
from hostd.cli.index import find
from hostd.cli.ps import CLEAR, watch

FORMATION = [
    {"type": "release", "quantity": 0, "size": "Standard-1X"},
    {"type": "web", "quantity": 2, "size": "Standard-2X"},
    {"type": "worker", "quantity": 1, "size": "700M-1.5CPU"},
]
MISSING = "GET /hostd/apps/hello/dynos/missing?"


@pytest.fixture
def fake(tmp_path):
    with FakeHostd(tmp_path).on("GET /apps/hello/formation", (200, FORMATION)).serving() as running:
        yield running


def test_the_formation_is_printed_as_a_line_that_can_be_given_back(fake, tmp_path):
    fake.on("PATCH /apps/hello/formation", (200, FORMATION))
    line = hostctl(tmp_path, "ps:scale", "-a", "hello").out
    assert line == "web=2:Standard-2X worker=1:700M-1.5CPU\n"
    assert hostctl(tmp_path, "ps:scale", *line.split(), "-a", "hello").status == 0
    assert fake.requests[-1].json == {
        "updates": [
            {"type": "web", "quantity": "2", "size": "standard-2x"},
            {"type": "worker", "quantity": "1", "size": "700m-1.5cpu"},
        ]
    }


def test_sizes_are_shown_in_a_table(fake, tmp_path):
    assert hostctl(tmp_path, "ps:type", "-a", "hello").out.splitlines() == [
        "TYPE    SIZE         QTY  MEMORY  CPU SHARE  CORES  MEMORY OF ALL",
        "web     Standard-2X  2    1G      200        any    2G",
        "worker  700M-1.5CPU  1    700M    150        1.5    700M",
        "                     3                              2.7G",
    ]


@pytest.mark.parametrize(
    ("words", "updates"),
    [
        (("web=standard-2x", "worker=1x"), [("web", "standard-2x"), ("worker", "standard-1x")]),
        (("Standard-1X",), [("web", "standard-1x"), ("worker", "standard-1x")]),
        (("web", "--memory", "700M", "--cpu", "1.5"), [("web", "700m-1.5cpu")]),
        (("web", "--cpu", "2"), [("web", "1g-2cpu")]),
        (("worker", "--memory", "1.5G"), [("worker", "1536m-1.5cpu")]),
        (("--memory", "64M"), [("web", "64m"), ("worker", "64m-1.5cpu")]),
    ],
)
def test_sizes_are_changed(fake, tmp_path, words, updates):
    fake.on("PATCH /apps/hello/formation", (200, FORMATION))
    ran = hostctl(tmp_path, "ps:resize", *words, "-a", "hello")
    assert ran.err == "Resizing dynos and restarting specified processes... done\n"
    sent = fake.asked("PATCH /apps/hello/formation")[0].json["updates"]
    assert [(update["type"], update["size"]) for update in sent] == updates


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("web=giant",), "There is no dyno size 'giant'."),
        (("web=1x", "--memory", "1G"), "say only the type"),
        (("web", "--memory", "1"), "There is no dyno size"),
        (("web", "--cpu", "many"), "'many' is not a number of cores: write one such as 2 or 1.5."),
        (("web", "--cpu", "999"), "cores must be 0.1 to 128"),
        (("web", "--memory", "1M"), "memory must be 32M to 1024G"),
    ],
)
def test_sizes_that_there_are_not_are_not_sent(fake, tmp_path, words, why):
    ran = hostctl(tmp_path, "ps:type", *words, "-a", "hello")
    assert (ran.status, fake.asked("PATCH /apps/hello/formation")) == (2, [])
    assert why in ran.err


def test_it_waits_until_all_dynos_are_up(fake, tmp_path):
    starting = {"name": "web.1", "state": "starting", "reason": ""}
    fake.on(f"{MISSING}seconds=20", (200, [starting]), (200, []))
    ran = hostctl(tmp_path, "ps:wait", "-a", "hello")
    assert (ran.status, ran.err) == (0, "Waiting for every dyno of hello to be up... done\n")
    assert len(fake.requests) == 2


def test_it_gives_up_after_the_time_and_says_why(fake, tmp_path):
    crashed = {"name": "web.1", "state": "crashed", "reason": "exit status 1"}
    created = {"name": "web.2", "state": "created", "reason": ""}
    fake.on(f"{MISSING}type=web&seconds=20", (200, [crashed, created]))
    fake.on(f"{MISSING}type=web&seconds=10", (200, [crashed, created]))
    ran = hostctl(tmp_path, "ps:wait", "-t", "web", "--timeout", "30s", "-a", "hello")
    assert ran.status == 1
    assert "Not up after 30s: web.1 is crashed (exit status 1), web.2 is created." in ran.err
    assert [request.target.rpartition("=")[2] for request in fake.requests] == ["20", "10"]


class EnoughError(Exception):
    """Ends a watch."""


def watched(tmp_path, *words, terminal):
    """What `ps --watch` writes in three rounds."""
    command = find("ps")
    out = io.BytesIO()
    stdout = io.TextIOWrapper(out, encoding="utf-8")
    stdout.isatty = lambda: terminal
    around = Surroundings({"HOSTD_RUN_DIR": str(tmp_path)}, io.StringIO(), stdout, io.StringIO(), clock=lambda: 1e9)
    rounds = iter(range(2))

    def pause():
        if next(rounds, None) is None:
            raise EnoughError

    with pytest.raises(EnoughError):
        watch(Call(command, parse(command, ["--watch", "-a", "hello", *words]), around), pause)
    return out.getvalue().decode()


def test_a_pipe_gets_the_dynos_whenever_something_has_changed(fake, tmp_path):
    fake.on("GET /apps/hello/dynos", (200, [dyno("web.1")]), (200, [dyno("web.1")]), (200, [dyno("web.1", "crashed")]))
    text = watched(tmp_path, terminal=False)
    assert (text.count("=== web"), text.count("web.1: up"), text.count("web.1: crashed")) == (2, 1, 1)
    fake.on("GET /apps/hello/dynos", (200, [dyno("web.1")]), (200, [dyno("web.1")]), (200, []))
    assert [len(json.loads(line)) for line in watched(tmp_path, "--json", terminal=False).splitlines()] == [1, 0]


def test_a_terminal_shows_them_again_each_time(fake, tmp_path):
    fake.on("GET /apps/hello/dynos", (200, []), (200, [dyno("web.1")]))
    text = watched(tmp_path, terminal=True)
    assert [bool(frame) for frame in text.split(CLEAR)] == [False, True, True, True]
    assert "No dynos on hello" in text
