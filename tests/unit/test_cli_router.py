"""hostctl router:* and features, as their users see them."""

import json

from cli_fakes import hostctl

ROUTING, FEATURES = "/hostd/apps/hello/routing", "/apps/hello/features"
FEATURE = {"name": "session-affinity", "description": "Send them to one dyno", "enabled": False, "state": "general"}
LAB = {"name": "log-runtime-metrics", "description": "Say what each uses", "enabled": True, "state": "beta"}


def run(tmp_path, line):
    return hostctl(tmp_path, *line.split(), "-a", "hello")


def test_names_are_masked(tmp_path, hostd):
    found = {"masked": ["key", "token"], "paused_until": None}
    hostd.on(f"PATCH {ROUTING}", (200, found)).on(f"GET {ROUTING}", (200, found))
    assert run(tmp_path, "router:mask token,key").err == "Masking token, key in the log of hello... done\n"
    assert run(tmp_path, "router:mask --off").err == "Masking nothing in the log of hello... done\n"
    assert [request.json for request in hostd.requests] == [{"masked": ["token", "key"]}, {"masked": []}]
    assert run(tmp_path, "router:mask").out == "key\ntoken\n"
    assert json.loads(run(tmp_path, "router:mask --json").out) == ["key", "token"]
    assert run(tmp_path, "router:mask token --off").status == 2
    hostd.on(f"GET {ROUTING}", (200, {"masked": [], "paused_until": None}))
    none = run(tmp_path, "router:mask")
    assert (none.out, "Nothing is masked" in none.err) == ("", True)


def test_requests_are_paused_and_go_on(tmp_path, hostd):
    paused = {"masked": [], "paused_until": "2015-11-17T18:42:41Z"}
    hostd.on(f"PATCH {ROUTING}", (200, paused)).on(f"GET {ROUTING}", (200, paused))
    assert run(tmp_path, "router:pause").err == (
        "Pausing requests to hello for 5m... done, until 2015-11-17 18:42:41 UTC\n"
    )
    assert run(tmp_path, "router:pause --for 30s").status == 0
    assert run(tmp_path, "router:resume").err == "Resuming requests to hello... done\n"
    assert [request.json for request in hostd.requests] == [{"pause": 300}, {"pause": 30}, {"pause": None}]
    assert run(tmp_path, "router:pause --for soon").status == 2
    assert run(tmp_path, "router:info").out == "Requests: paused until 2015-11-17 18:42:41 UTC\nMasked:   nothing\n"
    assert json.loads(run(tmp_path, "router:info --json").out) == paused
    hostd.on(f"GET {ROUTING}", (200, {"masked": ["a", "b"], "paused_until": None}))
    assert run(tmp_path, "router:info").out == "Requests: pass\nMasked:   a, b\n"


def test_features_are_listed_and_switched(tmp_path, hostd):
    one = f"{FEATURES}/session-affinity"
    hostd.on(f"GET {FEATURES}", (200, [FEATURE]), (200, [FEATURE | {"enabled": True}]))
    hostd.on(f"GET {one}", (200, FEATURE)).on(f"PATCH {one}", (200, FEATURE))
    head = "=== App Features hello\n\n"
    assert run(tmp_path, "features").out == f"{head}[ ] session-affinity  Send them to one dyno\n"
    assert run(tmp_path, "features").out == f"{head}[+] session-affinity  Send them to one dyno\n"
    assert json.loads(run(tmp_path, "features --json").out)[0]["enabled"] is True
    assert run(tmp_path, "features:info session-affinity").out == (
        "=== session-affinity\n\nDescription: Send them to one dyno\nEnabled:     false\n"
    )
    assert json.loads(run(tmp_path, "features:info session-affinity --json").out) == FEATURE
    assert run(tmp_path, "features:enable session-affinity").err == "Enabling session-affinity for hello... done\n"
    assert run(tmp_path, "features:disable session-affinity").err == "Disabling session-affinity for hello... done\n"
    assert [request.json for request in hostd.asked(f"PATCH {one}")] == [{"enabled": True}, {"enabled": False}]


def test_lab_features_are_listed_apart(tmp_path, hostd):
    one = f"{FEATURES}/log-runtime-metrics"
    hostd.on(f"GET {FEATURES}", (200, [FEATURE, LAB])).on(f"GET {one}", (200, LAB)).on(f"PATCH {one}", (200, LAB))
    assert "log-runtime-metrics" not in run(tmp_path, "features").out
    assert run(tmp_path, "labs").out == "=== App Features hello\n\n[+] log-runtime-metrics  Say what each uses\n"
    assert json.loads(run(tmp_path, "labs --json").out) == [LAB]
    assert "Enabled:     true" in run(tmp_path, "labs:info log-runtime-metrics").out
    assert run(tmp_path, "labs:enable log-runtime-metrics").err == "Enabling log-runtime-metrics for hello... done\n"
    assert run(tmp_path, "labs:disable log-runtime-metrics").err == "Disabling log-runtime-metrics for hello... done\n"
    assert [request.json for request in hostd.asked(f"PATCH {one}")] == [{"enabled": True}, {"enabled": False}]


def test_the_workers_are_listed(tmp_path, hostd):
    counts = {"connections": 4, "in_flight": 3, "held": 2, "tunnels": 1, "requests": 1000, "log_lines_lost": 0}
    well = {"worker": 1, "answers": True, "uptime": 7260.5, "sequence": 17, **counts, "compiled": True}
    hostd.on("GET /hostd/router", (200, [well, well | {"worker": 2, "sequence": None, "compiled": False}]))
    ran = hostctl(tmp_path, "router")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == (
        "worker  up for  table  connections  in flight  held  websockets  requests  lost lines  compiled\n"
        "1       2h      17     4            3          2     1           1000      0           yes\n"
        "2       2h      -      4            3          2     1           1000      0           no\n"
    )
    hostd.on("GET /hostd/router", (200, [well, {"worker": 2, "answers": False}]))
    ran = hostctl(tmp_path, "router")
    assert (ran.status, ran.out.splitlines()[2].split()) == (1, ["2", *"---------"])
    assert ran.err == " !    Worker 2 does not answer. See: systemctl status hostd-router@2\n"
    assert json.loads(hostctl(tmp_path, "router", "--json").out)[1] == {"worker": 2, "answers": False}
