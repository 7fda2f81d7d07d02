"""What an app's log takes, and may take, by the API."""

from api_fakes import running_api

from hostd.ledger.log_limits import LogLimits
from units.journald import Contents

LOGS = "/hostd/apps/hello/logs"


async def test_what_is_in_a_log_is_shown(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        api.journals.holds = Contents(8_388_608, 120, 1_447_781_861_000_000, 1_447_781_961_500_000)
        assert (await api("GET", LOGS)).data == {
            "namespace": f"hostd-{app.id}",
            "size_bytes": 8_388_608,
            "lines": 120,
            "oldest_at": "2015-11-17T17:37:41Z",
            "newest_at": "2015-11-17T17:39:21Z",
            "size_mb": 256,
            "retention_days": None,
            "own": {"size_mb": None, "retention_days": None},
            "rate": 5000,
        }
        api.journals.holds = Contents()
        empty = (await api("GET", LOGS)).data
        assert (empty["lines"], empty["oldest_at"]) == (0, None)
        api.journals.broken = True
        assert (await api("GET", LOGS)).status == 503


async def test_limits_are_set_and_taken_back_one_by_one(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        both = (await api("PATCH", LOGS, {"size_mb": 1024, "retention_days": 30})).data
        assert (both["size_mb"], both["retention_days"], both["own"]["size_mb"]) == (1024, 30, 1024)
        assert api.log[-1] == "heroku[api]: Set log limits to 1024 MB, 30 days by you@example.com"
        assert api.journals.limited == [app.id]
        one = (await api("PATCH", LOGS, {"size_mb": None})).data
        assert (one["size_mb"], one["retention_days"], one["own"]["size_mb"]) == (256, 30, None)
        await api("PATCH", LOGS, {"retention_days": None})
        assert api.log[-1] == "heroku[api]: Set log limits to 256 MB, as long as there is room by you@example.com"
        assert api.ledger.log_limits.get(app.id) == LogLimits()


async def test_limits_that_cannot_be_are_refused(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        for body, status in (
            ({}, 422),
            ({"size": 16}, 422),
            ({"size_mb": "16"}, 422),
            ({"size_mb": True}, 422),
            ({"size_mb": 15}, 422),
            ({"size_mb": 1048577}, 422),
            ({"retention_days": 6}, 422),
            ({"retention_days": 3651}, 422),
        ):
            assert (await api("PATCH", LOGS, body)).status == status, body
        assert api.journals.limited == []
        api.user = "ann@example.com"
        assert (await api("PATCH", LOGS, {"size_mb": 64})).status == 404
        assert (await api("GET", LOGS)).status == 404


async def test_a_new_app_has_a_journal_before_its_first_line(tmp_path):
    async with running_api(tmp_path) as api:
        app = (await api("POST", "/apps", {"name": "hello"})).data
        assert api.journals.ensured == [app["id"]]
