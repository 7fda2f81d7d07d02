import uuid

from api_fakes import running_api
from daemon_fakes import dyno

from hostd.deploys.release_phase import size_of_release
from hostd.manager.dyno import DynoState
from hostd.manager.settling import Missing


async def test_scaling(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        early = await api("PATCH", "/apps/hello/formation", {"updates": [{"type": "web", "quantity": 1}]})
        assert early.status == 422 and "push it first" in early.data["message"]
        assert (await api("GET", "/apps/hello/formation")).data == []

        api.deployed(app, web="python app.py", worker="python work.py", release="python migrate.py")
        formation = (await api("GET", "/apps/hello/formation")).data
        assert [(row["type"], row["quantity"], row["size"]) for row in formation] == [
            ("release", 0, "Standard-1X"),
            ("web", 1, "Standard-1X"),
            ("worker", 0, "Standard-1X"),
        ]
        scaled = await api(
            "PATCH",
            "/apps/hello/formation",
            {"updates": [{"type": "web", "quantity": "+1"}, {"type": "worker", "quantity": 1, "size": "Standard-2X"}]},
        )
        assert {row["type"]: row["quantity"] for row in scaled.data} == {"release": 0, "web": 2, "worker": 1}
        assert api.log[-1] == "heroku[api]: Scaled to web@2 worker@1:Standard-2X by you@example.com"
        assert api.manager.calls[-1] == ("nudge", app.id)
        assert "Hostd-Release" not in scaled.headers

        one = await api("PATCH", "/apps/hello/formation/web", {"quantity": "-1"})
        assert (one.data["quantity"], one.data["command"]) == (1, "python app.py")
        assert one.data["id"] == (await api("GET", "/apps/hello/formation/web")).data["id"]
        assert (await api("GET", "/apps/hello/formation/nope")).status == 404


async def test_more_than_the_machine_can_promise_is_refused_with_the_arithmetic(tmp_path):
    async with running_api(tmp_path) as api:
        api.deployed(api.ledger.apps.create("hello", api.users["you"].id))
        before = (await api("GET", "/apps/hello/formation")).data
        refused = await api("PATCH", "/apps/hello/formation/web", {"quantity": 4, "size": "performance-l"})
        assert (refused.status, refused.data["id"]) == (422, "invalid_params")
        assert "(web: 4 x 14G): it asks for 56G of memory more, and 48G are free" in refused.data["message"]
        assert (await api("GET", "/apps/hello/formation")).data == before
        allowed = await api("PATCH", "/apps/hello/formation/web", {"quantity": 3, "size": "performance-l"})
        assert allowed.status == 200


async def test_all_types_at_once_get_a_size_as_herokus_ps_type_sends_it(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        api.deployed(app, web="python app.py", release="migrate")
        both = [{"type": type_, "size": "standard-2x"} for type_ in ("release", "web")]
        resized = await api("PATCH", "/apps/hello/formation", {"updates": both})
        assert [(one["type"], one["quantity"], one["size"]) for one in resized.data] == [
            ("release", 0, "Standard-2X"),
            ("web", 1, "Standard-2X"),
        ]
        assert size_of_release(api.ledger, app.id) == "standard-2x"
        # What its ps:scale prints can be given back.
        back = {"updates": [{"type": "release", "quantity": "0", "size": "Standard-2X"}]}
        assert (await api("PATCH", "/apps/hello/formation", back)).status == 200
        one = {"updates": [{"type": "release", "quantity": 1}]}
        assert "release cannot be scaled" in (await api("PATCH", "/apps/hello/formation", one)).data["message"]


async def test_bad_scaling_changes_nothing(tmp_path):
    async with running_api(tmp_path) as api:
        api.deployed(api.ledger.apps.create("hello", api.users["you"].id))
        before = (await api("GET", "/apps/hello/formation")).data
        good = {"type": "worker", "quantity": 3}
        for bad in (
            {"type": "web", "quantity": -1},
            {"type": "web", "quantity": "-2"},
            {"type": "web", "quantity": 1_000_000},
            {"type": "web", "quantity": "two"},
            {"type": "wbe", "quantity": 1},
            {"type": "run", "quantity": 1},
            {"type": "web", "size": "huge"},
            {"type": "web", "quantity": 10**400},
        ):
            refused = await api("PATCH", "/apps/hello/formation", {"updates": [good, bad]})
            assert refused.status == 422, bad
        unknown = await api("PATCH", "/apps/hello/formation", {"updates": [{"type": "wbe", "quantity": 1}]})
        assert "web, worker" in unknown.data["message"]
        for bad in ({"type": "web"}, {"quantity": 1}, "web=2", {"type": "web", "quantity": 1.5}, {"type": 1}):
            assert (await api("PATCH", "/apps/hello/formation", {"updates": [bad]})).status == 422
        assert (await api("PATCH", "/apps/hello/formation", {"updates": []})).status == 422
        assert (await api("GET", "/apps/hello/formation")).data == before


async def test_dynos_are_shown(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        release = api.deployed(app)
        api.manager.running = [
            dyno(app, "web", 2, state=DynoState.CRASHED, retry_at=1_769_510_900.0, reason="exited with status 1"),
            dyno(app, "web", 1, serving=True),
        ]
        first, second = (await api("GET", "/apps/hello/dynos")).data
        assert first == {
            "app": {"id": app.id, "name": "hello"},
            "attach_url": None,
            "command": "python app.py",
            "created_at": "2026-01-27T10:48:08Z",
            "extended": {
                "address": "127.0.0.1",
                "exit_status": None,
                "port": 20001,
                "reason": "",
                "retry_at": None,
                "serving": True,
                "stopping": False,
            },
            "id": first["id"],
            "name": "web.1",
            "release": {"id": release.id, "version": 2},
            "size": "Standard-1X",
            "state": "up",
            "type": "web",
            "updated_at": "2026-01-27T10:48:08Z",
        }
        assert uuid.UUID(first["id"]) != uuid.UUID(second["id"])
        assert (await api("GET", f"/apps/hello/dynos/{second['id']}")).data == second
        assert (second["name"], second["state"]) == ("web.2", "crashed")
        assert second["extended"]["retry_at"] == "2026-01-27T10:48:20Z"
        assert (await api("GET", "/apps/hello/dynos/web.2")).data == second
        missing = await api("GET", "/apps/hello/dynos/web.9")
        assert missing.status == 404 and "web.1, web.2" in missing.data["message"]


async def test_restart_and_stop(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        api.deployed(app)
        api.manager.running = [dyno(app, "web", 1), dyno(app, "worker", 1)]
        for method, path in (
            ("DELETE", "/apps/hello/dynos"),
            ("DELETE", "/apps/hello/dynos/web.1"),
            ("DELETE", "/apps/hello/dynos/worker"),
            ("DELETE", "/apps/hello/formations/web"),
            ("POST", "/apps/hello/dynos/web.1/actions/stop"),
            ("POST", "/apps/hello/formations/worker/actions/stop"),
        ):
            assert (await api(method, path)).status == 202, path
        done = [call for call in api.manager.calls if call[0] in ("restart", "stop")]
        assert done == [
            ("restart", None),
            ("restart", "web.1"),
            ("restart", "worker"),
            ("restart", "web"),
            ("stop", "web.1"),
            ("stop", "worker"),
        ]
        assert "heroku[api]: Restart all dynos by you@example.com" in api.log
        assert (await api("DELETE", "/apps/hello/dynos/web.7")).status == 404
        assert (await api("POST", "/apps/hello/dynos/web.7/actions/stop")).status == 404


async def test_one_off_dynos(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        early = await api("POST", "/apps/hello/dynos", {"command": "date"})
        assert early.status == 422
        api.deployed(app)
        made = await api(
            "POST",
            "/apps/hello/dynos",
            {"command": "bash", "attach": True, "size": "Standard-2X", "env": {"TERM": "xterm", "COLUMNS": 80}},
        )
        assert (made.status, made.data["name"], made.data["attach_url"]) == (
            201,
            "run.1234",
            "hostd-attach:secret-token",
        )
        call = ("run", "bash", {"TERM": "xterm", "COLUMNS": "80"}, "standard-2x", True, 86400)
        assert api.manager.calls[-1] == call
        assert api.log[-1] == "heroku[api]: Starting process with command `bash` by you@example.com"
        detached = await api("POST", "/apps/hello/dynos", {"command": "date", "attach": False})
        assert detached.data["attach_url"] is None
        for bad in (
            {},
            {"command": "  "},
            {"command": 7},
            {"command": "date", "env": ["A"]},
            {"command": "date", "env": {"A": None}},
            {"command": "date", "attach": "yes"},
            {"command": "date", "time_to_live": 0},
            {"command": "date", "time_to_live": "1h"},
        ):
            assert (await api("POST", "/apps/hello/dynos", bad)).status == 422, bad
        for bad in (
            {"command": "a\0b"},
            {"command": "x" * 70_000},
            {"command": "date", "env": {"A B": "1"}},
            {"command": "date", "size": "huge"},
            {"command": "date", "size": "25G"},
        ):
            assert (await api("POST", "/apps/hello/dynos", bad)).status == 422


async def test_a_one_off_dyno_of_a_process_type(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        api.deployed(app, web="python app.py", worker="python work.py")
        updates = {"updates": [{"type": "worker", "quantity": 0, "size": "Standard-2X"}]}
        assert (await api("PATCH", "/apps/hello/formation", updates)).status == 200
        await api("POST", "/apps/hello/dynos", {"type": "worker", "time_to_live": 60})
        assert api.manager.calls[-1][1:] == ("python work.py", {}, "standard-2x", False, 60)
        await api("POST", "/apps/hello/dynos", {"type": "worker", "command": "date", "size": "eco"})
        assert api.manager.calls[-1][1:4] == ("date", {}, "eco")
        unknown = await api("POST", "/apps/hello/dynos", {"type": "wroker"})
        assert unknown.status == 422 and "worker" in unknown.data["message"]


async def test_inside_a_running_dyno(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        api.deployed(app)
        api.manager.running = [dyno(app, "web", 1)]
        made = await api("POST", "/apps/hello/dynos/web.1", {"command": "ls $HOME", "env": {"A": "1"}})
        assert (made.status, made.data["name"], made.data["attach_url"]) == (201, "web.1", "hostd-attach:visit-token")
        launch = ["/bin/bash", "/.hostd/launch", "ls $HOME"]
        assert api.manager.calls[-1] == ("visit", "web.1", launch, {"A": "1"}, 86400)
        assert api.log[-1] == "heroku[api]: Run `ls $HOME` inside web.1 by you@example.com"

        await api("POST", "/apps/hello/dynos/web.1/actions/copy", {"path": "log/a b", "archive": True})
        kind, name, argv, env, _ = api.manager.calls[-1]
        # Nothing of the app's own environment: its variables have no say in what copies.
        assert (kind, name, argv[0], argv[-2:], env) == ("visit", "web.1", "/bin/sh", ["log/a b", "archive"], None)
        assert api.log[-1] == "heroku[api]: Copy log/a b from web.1 by you@example.com"

        await api("POST", "/apps/hello/dynos/web.1/actions/forward", {"port": 5000})
        assert api.manager.calls[-1] == ("forward", "web.1", 5000)
        assert api.log[-1] == "heroku[api]: Connect to port 5000 in web.1 by you@example.com"

        before = list(api.manager.calls)
        for path, body in (
            ("/apps/hello/dynos/web.1", {}),
            ("/apps/hello/dynos/web.1/actions/copy", {}),
            ("/apps/hello/dynos/web.1/actions/copy", {"path": "x", "archive": 1}),
            ("/apps/hello/dynos/web.1/actions/forward", {"port": "80"}),
            ("/apps/hello/dynos/web.1/actions/forward", {"port": 65536}),
            ("/apps/hello/dynos/web.1/actions/forward", {"port": True}),
        ):
            assert (await api("POST", path, body)).status == 422, (path, body)
        assert (await api("POST", "/apps/hello/dynos/web.1/actions/copy", {"path": "a\0b"})).status == 422
        api.user = "ann@example.com"
        for path, body in (
            ("/apps/hello/dynos/web.1", {"command": "id"}),
            ("/apps/hello/dynos/web.1/actions/copy", {"path": "x"}),
            ("/apps/hello/dynos/web.1/actions/forward", {"port": 80}),
        ):
            assert (await api("POST", path, body)).status == 404
        assert api.manager.calls == before


async def test_log_sessions(tmp_path):
    import time

    from api_fakes import LOG_KEY

    from hostd.logplex.sessions import verify

    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        made = await api(
            "POST", "/apps/hello/log-sessions", {"lines": 5000, "tail": True, "dyno": "web", "source": "app"}
        )
        assert made.status == 201
        address, _, query = made.data["logplex_url"].partition("?")
        assert address == "http://logplex/streams"
        session = verify(query, LOG_KEY, time.time())
        assert (session.app, session.lines, session.tail) == (app.id, 5000, True)
        assert (session.only, session.source) == (("web",), "app")
        default = await api("POST", "/apps/hello/log-sessions")
        assert verify(default.data["logplex_url"].partition("?")[2], LOG_KEY, time.time()).lines == 100
        assert (await api("POST", "/apps/hello/log-sessions", {"source": "nginx"})).status == 422
        for wrong, status in (
            ({"processes": "web"}, 422), ({"processes": [1]}, 422), ({"processes": ["we b"]}, 422),
            ({"since": "soon"}, 422), ({"since": "1h", "until": "2h"}, 422), ({"tail": True, "until": "1h"}, 422),
            ({"grep": "(a"}, 422), ({"request_id": "a b"}, 422), ({"format": "xml"}, 422), ({"grep": 1}, 422),
        ):  # fmt: skip
            assert (await api("POST", "/apps/hello/log-sessions", wrong)).status == status, wrong
        ours = {"processes": ["web", "-router"], "since": "10m", "grep": "a+", "ignore_case": True, "format": "json"}
        made = await api("POST", "/apps/hello/log-sessions", ours | {"type": "worker", "request_id": "4f1c"})
        session = verify(made.data["logplex_url"].partition("?")[2], LOG_KEY, time.time())
        assert (session.only, session.without, session.lines) == (("worker", "web"), ("router",), None)
        assert (session.grep, session.ignore_case, session.form, session.request_id) == ("a+", True, "json", "4f1c")
        assert 595 < time.time() - session.since / 1e6 < 660
        assert (await api("POST", "/apps/hello/log-sessions", {"lines": "many"})).status == 422
        assert (await api("POST", "/apps/hello/log-sessions", {"lines": -1})).status == 422
        api.user = "ann@example.com"
        assert (await api("POST", "/apps/hello/log-sessions", {"tail": True})).status == 404


async def test_a_one_off_dyno_that_has_ended_is_in_the_list_of_who_asks_for_it(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        api.deployed(app)
        api.manager.running = [dyno(app, "run", 4821, state=DynoState.COMPLETE, exit_status=3), dyno(app, "web", 1)]
        assert [one["name"] for one in (await api("GET", "/apps/hello/dynos")).data] == ["web.1"]
        assert [one["name"] for one in (await api("GET", "/apps/hello/dynos?ended=1")).data] == ["run.4821", "web.1"]
        assert (await api("GET", "/apps/hello/dynos/run.4821")).data["extended"]["exit_status"] == 3


async def test_a_release_phase_is_listed_before_its_release_is_there(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        api.deployed(app)
        newest = api.ledger.releases.current(app.id).version
        api.manager.running = [dyno(app, "web", 1, version=newest), dyno(app, "release", 7, version=newest + 1)]
        shown = (await api("GET", "/apps/hello/dynos")).data
        assert [(one["name"], one["release"]["version"]) for one in shown] == [
            ("release.7", newest + 1),
            ("web.1", newest),
        ]
        assert shown[0]["release"]["id"] is None and shown[1]["release"]["id"]


async def test_what_is_not_up_can_be_waited_for(tmp_path):
    async with running_api(tmp_path) as api:
        api.deployed(api.ledger.apps.create("hello", api.users["you"].id))
        assert (await api("GET", "/hostd/apps/hello/dynos/missing")).data == []
        assert api.manager.calls[-1] == ("missing", None, 0)
        api.manager.not_up = [Missing("web.1", "crashed", "exit status 1")]
        answered = await api("GET", "/hostd/apps/hello/dynos/missing?type=web&seconds=60")
        assert answered.data == [{"name": "web.1", "state": "crashed", "reason": "exit status 1"}]
        assert api.manager.calls[-1] == ("missing", "web", 60)
        for query, status in (("seconds=61", 400), ("seconds=-1", 400), ("seconds=x", 400), ("type=wbe", 422)):
            assert (await api("GET", f"/hostd/apps/hello/dynos/missing?{query}")).status == status


async def test_sizes(tmp_path):
    async with running_api(tmp_path) as api:
        listed = {size["name"]: (size["memory"], size["compute"]) for size in (await api("GET", "/dyno-sizes")).data}
        assert listed["Standard-2X"] == (1.0, 200)
        assert len(listed) == 6
        custom = (await api("GET", "/dyno-sizes/512M-1.5cpu")).data
        assert (custom["name"], custom["memory"], custom["extended"]["cores"]) == ("512M-1.5CPU", 0.5, 1.5)
        assert (await api("GET", "/dyno-sizes/giant")).status == 404
