from api_fakes import running_api


async def test_a_health_check_is_set_shown_and_unset(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        assert (await api("GET", "/hostd/apps/hello/checks")).data == []
        answered = await api("PUT", "/hostd/apps/hello/checks/web", {"path": "/health"})
        assert answered.data == [{"type": "web", "path": "/health", "source": "checks:set"}]
        assert api.log[-1] == "heroku[api]: Set health check of web to /health by you@example.com"
        assert api.manager.calls[-1] == ("nudge", app.id)
        assert (await api("DELETE", "/hostd/apps/hello/checks/web")).data == []
        assert api.log[-1] == "heroku[api]: Unset health check of web by you@example.com"
        assert (await api("DELETE", "/hostd/apps/hello/checks/web")).status == 404


async def test_the_check_of_an_app_json_counts_until_another_is_set(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        api.deployed(app, checks={"web": "/up"}, web="python app.py")
        declared = [{"type": "web", "path": "/up", "source": "app.json"}]
        assert (await api("GET", "/hostd/apps/hello/checks")).data == declared
        answered = await api("PUT", "/hostd/apps/hello/checks/web", {"path": "/health"})
        assert answered.data == [{"type": "web", "path": "/health", "source": "checks:set"}]
        assert (await api("DELETE", "/hostd/apps/hello/checks/web")).data == declared


async def test_what_can_be_no_check_is_refused(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        for type_, body, status in (
            ("worker", {"path": "/health"}, 422),
            ("web", {"path": "health"}, 422),
            ("web", {"path": "/a b"}, 422),
            ("web", {"path": 1}, 422),
            ("web", {}, 422),
        ):
            assert (await api("PUT", f"/hostd/apps/hello/checks/{type_}", body)).status == status
        assert (await api("GET", "/hostd/apps/hello/checks")).data == []
        assert (await api("GET", "/hostd/apps/other/checks")).status == 404
