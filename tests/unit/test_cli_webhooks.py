"""hostctl webhooks, as its users see it."""

import json

from cli_fakes import hostctl

HOOKS = "/apps/hello/webhooks"
HOOK = {
    "app": {"id": "1", "name": "hello"}, "created_at": "2015-11-17T17:37:41Z", "id": "h1",
    "include": ["api:build", "api:release"], "level": "sync", "updated_at": "2015-11-17T17:37:41Z",
    "url": "https://***@h/in\x1b[2J",
}  # fmt: skip
DELIVERY = {
    "created_at": "2015-11-17T17:37:41Z", "event": {"id": "e1", "include": "api:release"}, "id": "d1",
    "last_attempt": {
        "code": 500, "created_at": "2015-11-17T17:37:42Z", "error_class": "its server answers with status 500",
        "id": "a1", "status": "failed", "updated_at": "2015-11-17T17:37:42Z",
    },
    "next_attempt_at": "2015-11-17T17:37:47Z", "num_attempts": 1, "status": "retrying",
    "updated_at": "2015-11-17T17:37:42Z", "webhook": {"id": "h1", "level": "sync"},
}  # fmt: skip
EVENT = {
    "created_at": "2015-11-17T17:37:41Z", "id": "e1", "include": "api:release", "updated_at": "2015-11-17T17:37:41Z",
    "payload": {"resource": "release", "action": "create", "published_at": "2015-11-17T17:37:41Z"},
}  # fmt: skip


def test_webhooks_are_listed(tmp_path, hostd):
    hostd.on(f"GET {HOOKS}", (200, []), (200, [HOOK]))
    ran = hostctl(tmp_path, "webhooks", "-a", "hello")
    assert ran.out == "" and "webhooks:add -i api:release" in ran.err
    assert hostctl(tmp_path, "webhooks", "-a", "hello").out == (
        "Webhook ID  URL                      Include                Level\n"
        "h1          https://***@h/in\\x1b[2J  api:build,api:release  sync\n"
    )


def test_a_webhook_is_added_and_its_secret_shown(tmp_path, hostd):
    hostd.on(f"POST {HOOKS}", (201, HOOK, {"Heroku-Webhook-Secret": "5ecret"}))
    line = "webhooks:add -i api:build,api:release -l sync -u https://h/in -t Bearer-x -a hello"
    ran = hostctl(tmp_path, *line.split())
    assert (ran.out, ran.err) == (
        "=== Webhooks Signing Secret\n5ecret\n", "Adding webhook to hello... done\n",
    )  # fmt: skip
    assert hostd.requests[0].json == {
        "include": ["api:build", "api:release"], "level": "sync", "url": "https://h/in", "authorization": "Bearer-x",
    }  # fmt: skip


def test_a_webhook_is_changed_shown_and_removed(tmp_path, hostd):
    for method in ("GET", "PATCH", "DELETE"):
        hostd.on(f"{method} {HOOKS}/h1", (200, HOOK))
    assert "Level:      sync" in hostctl(tmp_path, "webhooks:info", "h1", "-a", "hello").out
    assert hostctl(tmp_path, "webhooks:update", "h1", "-l", "notify", "-a", "hello").status == 0
    assert hostd.requests[-1].json == {"level": "notify"}
    ran = hostctl(tmp_path, "webhooks:remove", "h1", "-a", "hello", "--json")
    assert json.loads(ran.out) == HOOK and "Removing webhook h1 from hello... done" in ran.err


def test_deliveries_and_events_are_listed_and_shown(tmp_path, hostd):
    newer = DELIVERY | {"id": "d2", "last_attempt": None, "status": "pending", "num_attempts": 0}
    hostd.on("GET /apps/hello/webhook-deliveries?eq%5Bstatus%5D=retrying", (200, [newer, DELIVERY]))
    out = hostctl(tmp_path, "webhooks:deliveries", "-s", "retrying", "-a", "hello").out.splitlines()
    assert hostd.requests[0].headers["Range"] == "seq ..; order=desc,max=1000"
    assert out[1].startswith("d1 ") and "its server answers with status 500" in out[1] and out[2].startswith("d2 ")
    hostd.on("GET /apps/hello/webhook-deliveries/d1", (200, DELIVERY))
    hostd.on("GET /apps/hello/webhook-events/e1", (200, EVENT))
    hostd.on("GET /apps/hello/webhook-events", (200, [EVENT]))
    out = hostctl(tmp_path, "webhooks:deliveries:info", "d1", "-a", "hello").out
    assert ["Code:", "500"] in [line.split() for line in out.splitlines()] and '"action": "create"' in out
    out = hostctl(tmp_path, "webhooks:events", "-a", "hello").out
    assert out.splitlines()[1].split() == ["e1", "release", "create", "2015-11-17T17:37:41Z"]
    assert '"resource": "release"' in hostctl(tmp_path, "webhooks:events:info", "e1", "-a", "hello").out


def test_a_pipelines_webhooks_are_asked_for_with_the_same_commands(tmp_path, hostd):
    hook = {**HOOK, "pipeline": {"id": "2", "name": "example"}}
    del hook["app"]
    line = "/pipelines/example"
    hostd.on(f"GET {line}/webhooks", (200, []), (200, [hook]))
    for method in ("GET", "PATCH", "DELETE"):
        hostd.on(f"{method} {line}/webhooks/h1", (200, hook))
    hostd.on(f"POST {line}/webhooks", (201, hook, {"Heroku-Webhook-Secret": "5ecret"}))
    hostd.on(f"GET {line}/webhook-deliveries", (200, [DELIVERY]))
    hostd.on(f"GET {line}/webhook-deliveries/d1", (200, DELIVERY))
    hostd.on(f"GET {line}/webhook-events", (200, [EVENT]))
    hostd.on(f"GET {line}/webhook-events/e1", (200, EVENT))
    ran = hostctl(tmp_path, "webhooks", "-p", "example")
    assert "example has no webhooks" in ran.err and "https://example.com/hooks -p example" in ran.err
    assert "api:build,api:release" in hostctl(tmp_path, "webhooks", "--pipeline", "example").out
    added = "webhooks:add -i api:release -l notify -u https://h/in -p example"
    ran = hostctl(tmp_path, *added.split())
    assert (ran.out, ran.err) == ("=== Webhooks Signing Secret\n5ecret\n", "Adding webhook to example... done\n")
    for words in ("info h1", "update h1 -l notify", "remove h1", "deliveries", "deliveries:info d1", "events",
                  "events:info e1"):  # fmt: skip
        assert hostctl(tmp_path, *f"webhooks:{words} -p example".split()).status == 0, words


def test_either_an_app_or_a_pipeline_is_meant(tmp_path, hostd):
    hostd.on("GET /pipelines/example/webhooks", (200, [HOOK]))
    for flag in ("-a", "-r"):
        ran = hostctl(tmp_path, "webhooks", "-p", "example", flag, "hello")
        assert ran.status == 2 and "Say either -a APP or -p PIPELINE" in ran.err
    assert hostctl(tmp_path, "webhooks", "-p", "").status == 2
    assert hostctl(tmp_path, "webhooks", "-p", "example", HOSTD_APP="hello").status == 0
