"""Dynos, their formation and sizes on the command line: what is asked and printed, against a fake API."""

import io
import json

import pytest
from cli_fakes import dyno, hostctl, release

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
def hostd(hostd):
    return hostd.on("GET /apps/hello/formation", (200, FORMATION))


def test_ps_groups_dynos_by_type(hostd, tmp_path):
    dynos = [
        dyno("web.10"),
        dyno("web.2", "crashed", "2015-11-17T18:37:37Z"),
        dyno("web.1", "up", "2015-11-17T18:37:40Z"),
        dyno("worker.1", "starting", "2015-11-17T18:37:40Z", command="python \x1b[31mworker.py", size="eco"),
        dyno("run.4821", command="bash"),
        dyno("run.5000", "complete", command="true"),
    ]
    hostd.on("GET /apps/hello/dynos", (200, dynos)).on("GET /apps/hello/dynos?ended=1", (200, dynos))
    assert hostctl(tmp_path, "ps", "-a", "hello").out == (
        "=== web (Standard-1X): python app.py (3)\n\n"
        "web.1: up for 1s\n"
        "web.2: crashed for 4s\n"
        "web.10: up 2015/11/17 17:37:41 +0000 (~ 1h ago)\n\n"
        "=== worker (Eco): python \\x1b[31mworker.py (1)\n\n"
        "worker.1: starting for 1s\n\n"
        "=== run: one-off processes (1)\n\n"
        "run.4821 (Standard-1X): up 2015/11/17 17:37:41 +0000 (~ 1h ago): bash\n\n"
    )
    assert hostctl(tmp_path, "ps", "worker", "-a", "hello").out.startswith("=== worker")
    assert [d["name"] for d in json.loads(hostctl(tmp_path, "ps", "web", "--json", "-a", "hello").out)] == [
        "web.10", "web.2", "web.1",
    ]  # fmt: skip
    assert "run.5000" not in hostctl(tmp_path, "ps", "run", "-a", "hello").out
    assert "complete" in hostctl(tmp_path, "ps", "run.5000", "-a", "hello").out
    for words in (["nope"], ["web", "nope"], ["nope", "--json"]):
        refused = hostctl(tmp_path, "ps", *words, "-a", "hello")
        assert (refused.status, refused.out, refused.err) == (1, "", " !    No nope dynos on hello\n")


def test_ps_says_when_a_crashed_dyno_starts_again(hostd, tmp_path):
    crashed = dyno("web.1", "crashed", "2015-11-17T18:30:41Z", extended={"retry_at": "2015-11-17T18:39:41Z"})
    hostd.on("GET /apps/hello/dynos", (200, [crashed]))
    assert "web.1: crashed for 7m, starts again in 2m\n" in hostctl(tmp_path, "ps", "-a", "hello").out


def test_ps_says_what_ends_and_what_an_older_release_still_does(hostd, tmp_path):
    since, going = "2015-11-17T18:37:40Z", {"stopping": True}
    dynos = [
        dyno("web.1", "starting", since),
        dyno("web.1", "up", since, release={"version": 2}, extended={"serving": True}),
        dyno("web.2", "up", since, release={"version": 2}, extended=going),
        dyno("worker.1", "up", since, extended=going),
    ]
    hostd.on("GET /apps/hello/dynos", (200, dynos))
    shown = hostctl(tmp_path, "ps", "-a", "hello").out.splitlines()
    assert [line for line in shown if " for 1s" in line] == [
        "web.1: starting for 1s",
        "web.1: up for 1s (serving, v2)",
        "web.2: up for 1s (stopping, v2)",
        "worker.1: up for 1s (stopping)",
    ]


def test_commands_are_cut_to_fit_a_terminal():
    from hostd.cli.output import Style
    from hostd.cli.ps import listing

    lines = listing(
        [dyno("web.1", command="x" * 200), dyno("run.1234", command="y" * 200)], 1447785461, Style(False), 80
    )
    assert max(map(len, lines)) == 80


def test_scale(hostd, tmp_path):
    formation = [
        {"type": "web", "quantity": 3, "size": "Standard-2X"},
        {"type": "worker", "quantity": 1, "size": "Standard-1X"},
        {"type": "clock", "quantity": 0, "size": "Standard-1X"},
    ]
    hostd.on("PATCH /apps/hello/formation", (200, formation)).on("GET /apps/hello/formation", (200, formation))
    ran = hostctl(tmp_path, "scale", "web=3:standard-2x", "worker+1", "-a", "hello")
    assert ran.err == "Scaling dynos... done, now running web at 3:Standard-2X, worker at 1:Standard-1X\n"
    assert hostd.asked("PATCH /apps/hello/formation")[0].json == {
        "updates": [{"type": "web", "quantity": "3", "size": "standard-2x"}, {"type": "worker", "quantity": "+1"}]
    }
    assert hostctl(tmp_path, "ps:scale", "-a", "hello").out == (
        "web=3:Standard-2X worker=1:Standard-1X clock=0:Standard-1X\n"
    )


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        *((word, "is not a scale expression") for word in ("web", "web=", "=2", "web=2x", "web==2", "web=1:", "wéb=1")),
        ("web=-1", "web=-1 is below 0: a type has 0 to 100 dynos."),
        ("web=1000000", "web=1000000 is too much: a type has 0 to 100 dynos."),
        ("web=1:giant", "There is no dyno size 'giant'."),
    ],
    ids=str,
)
def test_wrong_scale_expressions_are_not_sent(hostd, tmp_path, word, reason):
    ran = hostctl(tmp_path, "ps:scale", word, "-a", "hello")
    assert (ran.status, hostd.requests) == (2, [])
    assert reason in ran.err


def test_an_app_without_process_types_has_nothing_to_scale(hostd, tmp_path):
    hostd.on("GET /apps/hello/formation", (200, []))
    ran = hostctl(tmp_path, "ps:scale", "-a", "hello")
    assert (ran.out, ran.err) == ("", "hello has no process types yet: push it first, then scale it.\n")


def test_types_with_dashes_scale(hostd, tmp_path):
    hostd.on("PATCH /apps/hello/formation", (200, []))
    hostctl(tmp_path, "ps:scale", "mail-2-1", "my-worker+2", "a-1=3", "-a", "hello")
    assert [tuple(u.values()) for u in hostd.requests[0].json["updates"]] == [
        ("mail-2", "-1"), ("my-worker", "+2"), ("a-1", "3"),
    ]  # fmt: skip


def test_restart_and_stop(hostd, tmp_path):
    hostd.on("DELETE /apps/hello/dynos", (202, {})).on("DELETE /apps/hello/dynos/web.1", (202, {}))
    hostd.on("DELETE /apps/hello/dynos/web", (202, {})).on("POST /apps/hello/dynos/run.1/actions/stop", (202, {}))
    said = [
        hostctl(tmp_path, *words, "-a", "hello").err
        for words in (["restart"], ["restart", "web.1"], ["ps:restart", "-p", "web"], ["ps:stop", "--dyno", "run.1"])
    ]
    assert said == [
        "Restarting all dynos on hello... done\n",
        "Restarting dyno web.1 on hello... done\n",
        "Restarting all web dynos on hello... done\n",
        "Stopping dyno run.1 on hello... done\n",
    ]
    assert hostctl(tmp_path, "stop", "-a", "hello").status == 2
    assert hostctl(tmp_path, "stop", "web.1", "-p", "web", "-a", "hello").status == 2


def test_the_formation_is_printed_as_a_line_that_can_be_given_back(hostd, tmp_path):
    hostd.on("PATCH /apps/hello/formation", (200, FORMATION))
    line = hostctl(tmp_path, "ps:scale", "-a", "hello").out
    assert line == "web=2:Standard-2X worker=1:700M-1.5CPU\n"
    assert hostctl(tmp_path, "ps:scale", *line.split(), "-a", "hello").status == 0
    assert hostd.requests[-1].json == {
        "updates": [
            {"type": "web", "quantity": "2", "size": "standard-2x"},
            {"type": "worker", "quantity": "1", "size": "700m-1.5cpu"},
        ]
    }


def test_sizes_are_shown_in_a_table(hostd, tmp_path):
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
def test_sizes_are_changed(hostd, tmp_path, words, updates):
    hostd.on("PATCH /apps/hello/formation", (200, FORMATION))
    ran = hostctl(tmp_path, "ps:resize", *words, "-a", "hello")
    assert ran.err == "Resizing dynos and restarting specified processes... done\n"
    sent = hostd.asked("PATCH /apps/hello/formation")[0].json["updates"]
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
def test_sizes_that_there_are_not_are_not_sent(hostd, tmp_path, words, why):
    ran = hostctl(tmp_path, "ps:type", *words, "-a", "hello")
    assert (ran.status, hostd.asked("PATCH /apps/hello/formation")) == (2, [])
    assert why in ran.err


def test_it_waits_until_all_dynos_are_up(hostd, tmp_path):
    starting = {"name": "web.1", "state": "starting", "reason": ""}
    hostd.on(f"{MISSING}seconds=20", (200, [starting]), (200, []))
    ran = hostctl(tmp_path, "ps:wait", "-a", "hello")
    assert (ran.status, ran.err) == (0, "Waiting for every dyno of hello to be up... done\n")
    assert len(hostd.requests) == 2


def test_it_waits_for_one_off_dynos_too_if_asked(hostd, tmp_path, monkeypatch):
    monkeypatch.setattr("hostd.cli.waiting.ASK_AGAIN_SECONDS", 0.01)
    hostd.on("GET /hostd/apps/hello/dynos/missing?seconds=20", (200, []))
    starting, up = [dyno("run.4821", "starting"), dyno("web.1", "crashed")], [dyno("run.4821")]
    hostd.on("GET /apps/hello/dynos", (200, starting), (200, up))
    assert hostctl(tmp_path, "ps:wait", "-R", "-w", "10", "-a", "hello").status == 0
    assert len(hostd.asked("GET /apps/hello/dynos")) == 2
    assert hostctl(tmp_path, "ps:wait", "-R", "--type", "web", "-a", "hello").status == 2


def test_it_gives_up_after_the_time_and_says_why(hostd, tmp_path):
    crashed = {"name": "web.1", "state": "crashed", "reason": "exit status 1"}
    created = {"name": "web.2", "state": "created", "reason": ""}
    hostd.on(f"{MISSING}type=web&seconds=20", (200, [crashed, created]))
    hostd.on(f"{MISSING}type=web&seconds=10", (200, [crashed, created]))
    ran = hostctl(tmp_path, "ps:wait", "-t", "web", "--timeout", "30s", "-a", "hello")
    assert ran.status == 1
    assert "Not up after 30s: web.1 is crashed (exit status 1), web.2 is created." in ran.err
    assert [request.target.rpartition("=")[2] for request in hostd.requests] == ["20", "10"]


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


def test_a_pipe_gets_the_dynos_whenever_something_has_changed(hostd, tmp_path):
    hostd.on("GET /apps/hello/dynos", (200, [dyno("web.1")]), (200, [dyno("web.1")]), (200, [dyno("web.1", "crashed")]))
    text = watched(tmp_path, terminal=False)
    assert (text.count("=== web"), text.count("web.1: up"), text.count("web.1: crashed")) == (2, 1, 1)
    hostd.on("GET /apps/hello/dynos", (200, [dyno("web.1")]), (200, [dyno("web.1")]), (200, []))
    assert [len(json.loads(line)) for line in watched(tmp_path, "--json", terminal=False).splitlines()] == [1, 0]


def test_a_terminal_shows_them_again_each_time(hostd, tmp_path):
    hostd.on("GET /apps/hello/dynos", (200, []), (200, [dyno("web.1")]))
    text = watched(tmp_path, terminal=True)
    assert [bool(frame) for frame in text.split(CLEAR)] == [False, True, True, True]
    assert "No dynos on hello" in text


@pytest.mark.parametrize(
    ("line", "change", "asked"),
    [
        (["ps:scale", "web=2", "worker=1"], "PATCH /apps/hello/formation", ["type=web&", "type=worker&"]),
        (["ps:restart"], "DELETE /apps/hello/dynos", [""]),
        (["ps:restart", "web.1"], "DELETE /apps/hello/dynos/web.1", ["type=web&"]),
        (["rollback", "v1"], "POST /apps/hello/releases", [""]),
    ],
)
def test_what_has_dynos_start_waits_for_them_if_asked(hostd, tmp_path, line, change, asked):
    formation = [{"type": name, "quantity": 1, "size": "standard-1x"} for name in ("web", "worker")]
    hostd.on("PATCH /apps/hello/formation", (200, formation)).on(change, (200, formation))
    hostd.on("GET /apps/hello/releases/current", (200, release(2))).on("GET /apps/hello/releases/v1", (200, release(1)))
    missing = [{"name": "web.1", "state": "starting", "reason": None}]
    hostd.on("GET /hostd/apps/hello/dynos/missing", (200, missing), (200, []))
    ran = hostctl(tmp_path, *line, "-a", "hello", "--wait")
    assert ran.status == 0, ran.err
    assert ran.err.count("to be up... done") == len(asked)
    targets = [request.target for request in hostd.requests]
    changed = targets.index(change.partition(" ")[2])
    waits = [target for target in targets[changed + 1 :] if "missing" in target]
    assert all(any(each in target for target in waits) for each in asked)
    assert len(waits) == len(asked) + 1
    assert not [target for target in targets[:changed] if "missing" in target]


def test_what_did_not_come_up_in_time_is_said_after_the_change(hostd, tmp_path):
    hostd.on("DELETE /apps/hello/dynos", (202, {}))
    hostd.on("GET /hostd/apps/hello/dynos/missing", (200, [{"name": "web.1", "state": "crashed", "reason": "exited"}]))
    ran = hostctl(tmp_path, "restart", "-a", "hello", "--wait", "--timeout", "5s")
    assert (ran.status, ran.err.splitlines()[-1]) == (1, " !    Not up after 5s: web.1 is crashed (exited).")


@pytest.mark.parametrize("flags", [["--timeout", "5m"], ["--wait", "--timeout", "soon"]])
def test_a_wrong_wait_changes_nothing(hostd, tmp_path, flags):
    for line in (["ps:restart"], ["ps:scale", "web=1"], ["rollback", "v1"]):
        assert hostctl(tmp_path, *line, "-a", "hello", *flags).status == 2
    assert not hostd.requests
