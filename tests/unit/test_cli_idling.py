"""hostctl ps:idle, as its users see it."""

import json

import pytest
from cli_fakes import dyno, hostctl

IDLE = "/hostd/apps/hello/idle"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"after": None, "asleep_since": None}, "off\n"),
        ({"after": 1800, "asleep_since": None}, "after 30m without a request; awake\n"),
        ({"after": 90, "asleep_since": "2015-11-17T17:37:41Z"}, "after 1m30s without a request; asleep for 1h\n"),
    ],
)
def test_it_is_said_when_an_app_sleeps(tmp_path, hostd, found, said):
    hostd.on(f"GET {IDLE}", (200, found))
    assert hostctl(tmp_path, "ps:idle", "-a", "hello").out == said
    assert json.loads(hostctl(tmp_path, "ps:idle", "--json", "-a", "hello").out) == found


def test_sleep_is_switched_on_and_off(tmp_path, hostd):
    hostd.on(f"PATCH {IDLE}", (200, {}))
    assert hostctl(tmp_path, "ps:idle", "--after", "30m", "-a", "hello").err == (
        "Letting hello sleep after 30m... done\n"
    )
    assert hostctl(tmp_path, "ps:idle", "--off", "-a", "hello").err == "Letting hello never sleep... done\n"
    assert [request.json for request in hostd.requests] == [{"after": 1800}, {"after": None}]
    both = hostctl(tmp_path, "ps:idle", "--off", "--after", "30m", "-a", "hello")
    assert both.status == 2 and "Which: --after or --off?" in both.err
    assert hostctl(tmp_path, "ps:idle", "--after", "soon", "-a", "hello").status == 2
    assert len(hostd.requests) == 2


def test_a_sleeping_dyno_is_listed(tmp_path, hostd):
    hostd.on("GET /apps/hello/dynos", (200, [dyno("web.1", "idle")]))
    assert "web.1: idle for 1h\n" in hostctl(tmp_path, "ps", "-a", "hello").out
