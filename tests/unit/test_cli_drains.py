"""hostctl drains, as its users see it."""

import json

from cli_fakes import hostctl

DRAINS = "/apps/hello/log-drains"
STATUS = {
    "state": "retrying", "waiting": 41, "behind": False, "oldest_waiting": "2015-11-17T18:37:01Z", "delivered": 7,
    "lost": 3, "last_delivery": "2015-11-17T18:30:00Z",
    "last_error": {"at": "2015-11-17T18:37:31Z", "message": "h:1 answered 500\x1b[2J"},
}  # fmt: skip
DRAIN = {
    "addon": None,
    "created_at": "2015-11-17T17:37:41Z",
    "extended": {"filters": {"source": "app", "processes": ["web"], "excluded": ["web.2"]}, "status": STATUS},
    "id": "01234567-89ab-cdef-0123-456789abcdef",
    "token": "d.1",
    "updated_at": "2015-11-17T17:37:41Z",
    "url": "https://***@h/in",
}
QUIET = DRAIN | {"extended": {"filters": {"source": None, "processes": [], "excluded": []}, "status": None}}


def test_drains_are_listed_with_their_states(tmp_path, hostd):
    hostd.on(f"GET {DRAINS}?extended=true", (200, []), (200, [DRAIN, QUIET]))
    ran = hostctl(tmp_path, "drains", "-a", "hello")
    assert ran.out == "" and "drains:add syslog+tls://logs.example.com:6514 -a hello" in ran.err
    assert hostctl(tmp_path, "drains", "-a", "hello").out == (
        "=== hello Drains\n\n"
        "Drain             Token  State\n"
        "https://***@h/in  d.1    retrying, 3 lost\n"
        "https://***@h/in  d.1    unknown: the logplex does not answer\n"
    )
    assert json.loads(hostctl(tmp_path, "drains", "--json", "-a", "hello").out) == [DRAIN, QUIET]


def test_a_drain_is_added_from_the_line_or_from_standard_input(tmp_path, hostd):
    hostd.on(f"POST {DRAINS}", (201, DRAIN))
    line = "drains:add https://u:p@h/in --source app -p web -p worker -x router -a hello"
    ran = hostctl(tmp_path, *line.split())
    assert (ran.out, ran.err) == (
        "Successfully added drain https://***@h/in\n", "Adding a drain to hello... done, d.1\n",
    )  # fmt: skip
    filters = {"source": "app", "processes": ["web", "worker"], "excluded": ["router"]}
    assert hostd.requests[0].json == {"url": "https://u:p@h/in", "filters": filters}
    ran = hostctl(tmp_path, "drains:add", "-", "-a", "hello", "--json", stdin=b"https://u:p@h/in\r\nmore\n")
    assert json.loads(ran.out) == DRAIN and hostd.requests[1].json["url"] == "https://u:p@h/in"
    ran = hostctl(tmp_path, "drains:add", "-", "-a", "hello")
    assert (ran.status, "no address on standard input" in ran.err) == (2, True)


def test_a_drain_is_removed_by_whatever_names_it(tmp_path, hostd):
    hostd.on(f"DELETE {DRAINS}/https%3A%2F%2Fu%3Ap%40h%2Fin", (200, DRAIN))
    ran = hostctl(tmp_path, "drains:remove", "https://u:p@h/in", "-a", "hello")
    assert (ran.status, ran.out) == (0, "Successfully removed drain https://***@h/in\n")


def test_info_says_how_it_stands(tmp_path, hostd):
    hostd.on(f"GET {DRAINS}/d.1?extended=true", (200, DRAIN), (200, QUIET), (200, DRAIN))
    out = hostctl(tmp_path, "drains:info", "d.1", "-a", "hello").out
    assert "Gets:           lines of the app by web but web.2\n" in out.replace("Gets:          ", "Gets:           ")
    for part in ("retrying, 3 lost", "41 messages, the oldest of ", "7 messages", "h:1 answered 500\\x1b[2J"):
        assert part in out
    out = hostctl(tmp_path, "drains:info", "d.1", "-a", "hello").out
    assert "all lines" in out and "unknown: the logplex does not answer" in out and "Lost" not in out
    assert json.loads(hostctl(tmp_path, "drains:info", "d.1", "--json", "-a", "hello").out) == DRAIN
