"""hostctl alerts, as its users see it."""

from __future__ import annotations

import json

from cli_fakes import hostctl

ALERTS = "/hostd/apps/hello/alerts"
NONE = {"episodes": [], "minutes": 0, "since": None, "times": 0}
EPISODE = {
    "began_at": "2015-11-17T17:37:41Z", "over_at": "2015-11-17T17:49:41Z", "minutes": 12, "low": 600.0, "high": 812.0,
}  # fmt: skip
WEEK = "2015-11-10T18:37:41Z"


def firing(**more):
    return {
        "began_at": "2015-11-17T17:37:41Z", "fired_at": "2015-11-17T17:42:41Z", "over_at": None, "ended_at": None,
        "low": 600.0, "high": 812.0, "reason": None, **more,
    }  # fmt: skip


def alert(number=1, condition="web p95>500ms for 5m", targets=("mail:you@example.com",), **more):
    return {
        "condition": condition,
        "created_at": "2015-11-17T17:37:41Z",
        "firings": [],
        "notices": [],
        "notify": [{"target": target, "trouble": None} for target in targets],
        "number": number,
        "past": NONE,
        "paused": False,
        "state": "quiet",
        **more,
    }


def test_alerts_are_listed(tmp_path, hostd):
    ended = firing(ended_at="2015-11-17T17:49:41Z")
    alerts = [
        alert(firings=[firing()], state="firing"),
        alert(2, "H12>3 for 5m", targets=(), firings=[ended]),
        alert(3, "crashes>3 for 1h", state="paused", notify=[
            {"target": "https://x.y/***", "trouble": "its server answers with status 404 \x1b[2J"}
        ]),
    ]  # fmt: skip
    hostd.on(f"GET {ALERTS}", (200, alerts))
    ran = hostctl(tmp_path, "alerts", "-a", "hello")
    assert ran.out.splitlines() == [
        "=== hello Alerts",
        "",
        "1  web p95>500ms for 5m  firing since 2015/11/17 17:37:41 +0000 (~ 1h ago)       mail:you@example.com",
        "2  H12>3 for 5m          quiet, fired last 2015/11/17 17:37:41 +0000 (~ 1h ago)  -",
        "3  crashes>3 for 1h      paused                                                  https://x.y/***",
    ]
    assert "Alert 3 could not be sent to https://x.y/***: its server answers with status 404 \\x1b[2J" in ran.err
    assert json.loads(hostctl(tmp_path, "alerts", "-a", "hello", "--json").out) == alerts


def test_without_any_it_is_said_how_to_set_one(tmp_path, hostd):
    hostd.on(f"GET {ALERTS}", (200, [])).on("GET /hostd/alerts", (200, []))
    empty = hostctl(tmp_path, "alerts", "-a", "hello")
    assert empty.out == "" and "hostctl alerts:add web 'p95>500ms' for 5m -a hello" in empty.err
    assert "hostctl alerts:add 'disk>90%' --platform" in hostctl(tmp_path, "alerts", "--platform").err


def added(tmp_path, hostd, past, *words):
    hostd.on(f"POST {ALERTS}", (201, alert(past=past)))
    return hostctl(tmp_path, "alerts:add", *(words or ("web", "p95>500ms", "for", "5m")), "-a", "hello")


def test_an_alert_is_set_and_it_is_said_how_often_it_would_have_fired(tmp_path, hostd):
    ran = added(tmp_path, hostd, {"episodes": [EPISODE, EPISODE], "minutes": 24, "since": WEEK, "times": 2})
    assert ran.err == (
        "Adding `web p95>500ms for 5m` to hello... done, alert 1\n"
        "It would have fired 2 times in the last week, for 24 minutes together; "
        "the last time 2015/11/17 17:37:41 +0000 (~ 1h ago) for 12 minutes.\n"
    )
    assert hostd.requests[-1].json == {"condition": "web p95>500ms for 5m", "notify": []}
    words = ("H12>3", "-n", "mail:you@example.com", "--notify", "https://x.y/z")
    assert added(tmp_path, hostd, NONE, *words).status == 0
    assert hostd.requests[-1].json == {"condition": "H12>3", "notify": ["mail:you@example.com", "https://x.y/z"]}


def test_the_past_in_words(tmp_path, hostd):
    def said(**past):
        return added(tmp_path, hostd, {**NONE, **past}).err.splitlines()[1]

    assert said() == "There is no history yet to tell how often it would have fired."
    assert said(since=WEEK) == "It would not have fired in the last week."
    assert said(since="2015-11-15T18:37:41Z") == "It would not have fired in the 2 days of which there is history."
    assert said(since="2015-11-17T13:37:41Z") == "It would not have fired in the 5 hours of which there is history."
    assert said(since="2015-11-17T18:27:41Z") == "It would not have fired in the 10 minutes of which there is history."
    now = EPISODE | {"minutes": None, "over_at": None}
    assert said(since=WEEK, times=1, episodes=[now]) == (
        "It would have fired once in the last week; 2015/11/17 17:37:41 +0000 (~ 1h ago) and would fire now."
    )
    assert said(since=WEEK, times=7, minutes=200, episodes=[EPISODE]).startswith(
        "It would have fired 7 times in the last week, for 3h20m together; the last time"
    )


def test_a_dry_run_sets_nothing(tmp_path, hostd):
    hostd.on(f"POST {ALERTS}", (200, {"condition": "p95>500ms for 5m", "past": NONE}))
    ran = hostctl(tmp_path, "alerts:add", "p95>500ms", "--dry-run", "-a", "hello")
    assert ran.out == "p95>500ms for 5m: there is no history yet to tell how often it would have fired\n"
    assert hostd.requests[-1].json["dry_run"] is True
    assert json.loads(hostctl(tmp_path, "alerts:add", "p95>500ms", "--dry-run", "--json", "-a", "hello").out)


def test_an_alert_is_shown(tmp_path, hostd):
    notice = {
        "created_at": "2015-11-17T17:42:41Z", "event": "firing", "target": "mail:you@example.com", "tries": 1,
        "reason": None, "status": "sent",
    }  # fmt: skip
    shown = alert(
        firings=[firing(), firing(ended_at="2015-11-17T17:49:41Z", reason="after 12 minutes: p95 is 210 ms")],
        notices=[
            notice | {"status": "waiting", "reason": "it took longer than 15 seconds", "tries": 3},
            notice | {"status": "failed", "reason": "its server answers with status 404"},
            notice,
        ],
        state="firing",
    )
    hostd.on(f"GET {ALERTS}/1", (200, shown))
    out = hostctl(tmp_path, "alerts:info", "1", "-a", "hello").out
    assert out.startswith("=== Alert 1\n\nCondition: web p95>500ms for 5m\n")
    assert "State:     firing since 2015/11/17 17:37:41 +0000 (~ 1h ago)\n" in out
    table = out.partition("=== Firings\n\n")[2]
    assert [line.partition(" ago)  ")[2] for line in table.splitlines()] == [
        "goes on",
        "after 12 minutes: p95 is 210 ms",
        "",
        "",
        "",
        "firing  mail:you@example.com  waiting after 3 tries: it took longer than 15 seconds",
        "firing  mail:you@example.com  failed after 1 try: its server answers with status 404",
        "firing  mail:you@example.com  sent",
    ]


def test_a_test_says_how_it_went(tmp_path, hostd):
    tried = [
        {"target": "mail:you@example.com", "sent": True, "reason": None, "seconds": 0.21},
        {"target": "exec:page", "sent": False, "reason": "page ended with status 3", "seconds": 1.0},
    ]
    hostd.on(f"POST {ALERTS}/1/tests", (200, tried), (200, tried[:1]), (200, []))
    ran = hostctl(tmp_path, "alerts:test", "1", "-a", "hello")
    assert ran.status == 1 and ran.out.splitlines() == [
        "mail:you@example.com  sent in 0.2s",
        "exec:page             failed in 1.0s: page ended with status 3",
    ]
    assert hostctl(tmp_path, "alerts:test", "1", "-a", "hello").status == 0
    nobody = hostctl(tmp_path, "alerts:test", "1", "-a", "hello")
    assert nobody.status == 0 and "tells nobody but the log" in nobody.err


def test_an_alert_is_paused_resumed_and_removed(tmp_path, hostd):
    hostd.on(f"PATCH {ALERTS}/1", (200, alert())).on(f"DELETE {ALERTS}/1", (200, alert()))
    said = [hostctl(tmp_path, f"alerts:{verb}", "1", "-a", "hello").err for verb in ("pause", "resume", "remove")]
    assert said == [
        "Pausing alert 1 of hello... done, `web p95>500ms for 5m`\n",
        "Resuming alert 1 of hello... done, `web p95>500ms for 5m`\n",
        "Removing alert 1 from hello... done, `web p95>500ms for 5m`\n",
    ]
    assert [request.json for request in hostd.asked(f"PATCH {ALERTS}/1")] == [{"paused": True}, {"paused": False}]


def test_an_apps_alerts_are_not_the_platforms(tmp_path, hostd):
    ran = hostctl(tmp_path, "alerts", "--platform", "-a", "hello")
    assert ran.status == 2 and "Whose alerts" in ran.err and hostd.requests == []
    hostd.on("DELETE /hostd/alerts/1", (200, alert(condition="disk>90% for 5m")))
    assert hostctl(tmp_path, "alerts:remove", "1", "--platform").err == (
        "Removing alert 1 from the platform... done, `disk>90% for 5m`\n"
    )
