from api_fakes import running_api

from hostd.api.config_vars import description


async def test_config_vars_make_releases(tmp_path):
    async with running_api(tmp_path) as api:
        await api("POST", "/apps", {"name": "hello"})
        made = await api("PATCH", "/apps/hello/config-vars", {"GREETING": "salut é\n$x", "B": "2"})
        assert (made.status, made.headers["Hostd-Release"]) == (200, "2")
        assert made.data == {"GREETING": "salut é\n$x", "B": "2"}
        assert (await api("GET", "/apps/hello/config-vars")).data == made.data
        assert api.log[-2:] == [
            "heroku[api]: Set GREETING, B config vars by you@example.com",
            "heroku[api]: Release v2 created by you@example.com",
        ]
        again = await api("PATCH", "/apps/hello/config-vars", {"B": "2"})
        assert again.headers["Hostd-Release"] == "3"  # as with Heroku, setting is a release even without a change
        unset = await api("PATCH", "/apps/hello/config-vars", {"GREETING": None, "NOPE": None})
        assert (unset.headers["Hostd-Release"], unset.data) == ("4", {"B": "2"})
        assert unset.headers["Warning-Message"] == "hello has no config var NOPE: nothing to unset."
        assert (await api("GET", "/apps/hello/releases/v2/config-vars")).data["GREETING"] == "salut é\n$x"
        descriptions = [row["description"] for row in (await api("GET", "/apps/hello/releases")).data]
        assert descriptions[-1] == "Remove GREETING config vars"
        assert "salut" not in "".join(api.log)


async def test_unsetting_what_is_not_there_is_no_release(tmp_path):
    async with running_api(tmp_path) as api:
        await api("POST", "/apps", {"name": "hello"})
        answer = await api("PATCH", "/apps/hello/config-vars", {"NOPE": None})
        assert (answer.status, answer.data) == (200, {})
        assert "Hostd-Release" not in answer.headers
        assert "no config var NOPE" in answer.headers["Warning-Message"]
        assert (await api("PATCH", "/apps/hello/config-vars", {})).status == 200
        assert len((await api("GET", "/apps/hello/releases")).data) == 1


async def test_bad_config_vars_change_nothing(tmp_path):
    async with running_api(tmp_path) as api:
        await api("POST", "/apps", {"name": "hello"})
        for key in ("A B", "1A", "", "A-B", "PORT", "é", "A=B"):
            assert (await api("PATCH", "/apps/hello/config-vars", {"GOOD": "1", key: "x"})).status == 422, key
        for value in (1, True, ["x"], {}):
            assert (await api("PATCH", "/apps/hello/config-vars", {"A": value})).status == 422
        assert (await api("PATCH", "/apps/hello/config-vars", {"A": "secret\0"})).status == 422
        large = await api("PATCH", "/apps/hello/config-vars", {"A": "x" * 16_384})
        assert large.status == 422 and "16384" in large.data["message"]
        assert (await api("PATCH", "/apps/hello/config-vars", {"A": "x" * 16_383})).status == 200
        assert (await api("GET", "/apps/hello/releases")).data[-1]["version"] == 2


def test_release_descriptions():
    assert description({}, {"A": "1"}) == "Set A config vars"
    assert description({"A": "1", "B": "2"}, {"A": None, "B": None}) == "Remove A, B config vars"
    assert description({"A": "1"}, {"A": None, "NOPE": None, "B": "2"}) == "Set B; remove A config vars"


async def test_releases_and_rollback(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        api.deployed(app, commit="1" * 40)
        await api("PATCH", "/apps/hello/config-vars", {"A": "old"})  # v3
        api.deployed(app, commit="2" * 40)  # v4
        await api("PATCH", "/apps/hello/config-vars", {"A": "new"})  # v5

        listed = (await api("GET", "/apps/hello/releases")).data
        assert [row["version"] for row in listed] == [1, 2, 3, 4, 5]
        assert [row["eligible_for_rollback"] for row in listed] == [False, True, True, True, True]
        assert [row["current"] for row in listed] == [False] * 4 + [True]
        newest = await api("GET", "/apps/hello/releases", headers={"Range": "version ..; order=desc,max=2"})
        assert [row["version"] for row in newest.data] == [5, 4]
        shown = (await api("GET", "/apps/hello/releases/v3")).data
        assert shown == (await api("GET", f"/apps/hello/releases/{shown['id']}")).data == listed[2]
        assert (await api("GET", "/apps/hello/releases/current")).data["version"] == 5

        back = await api("POST", "/apps/hello/releases", {"release": "v3"})
        assert (back.status, back.headers["Hostd-Release"], back.data["description"]) == (201, "6", "Rollback to v3")
        assert back.data["slug"] == shown["slug"] and back.data["current"]
        assert (await api("GET", "/apps/hello/config-vars")).data == {"A": "old"}
        assert (await api("POST", "/apps/hello/releases", {"release": listed[3]["id"]})).data["version"] == 7
        assert (await api("POST", "/apps/hello/releases", {"release": 2})).data["version"] == 8
        assert api.log[-2:] == [
            "heroku[api]: Rollback to v2 by you@example.com",
            "heroku[api]: Release v8 created by you@example.com",
        ]


async def test_rollbacks_that_are_refused(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        first = api.deployed(app, commit="abcdef1" + "0" * 33)
        api.deployed(app)
        for wanted in ("v99", "0", "v-1", "999999999999", "latest", "00000000-0000-0000-0000-000000000000", "../.."):
            assert (await api("POST", "/apps/hello/releases", {"release": wanted})).status == 404, wanted
        for wanted in (None, "", True, [3], {"id": "v1"}):
            assert (await api("POST", "/apps/hello/releases", {"release": wanted})).status == 422
        current = await api("POST", "/apps/hello/releases", {"release": "v3"})
        assert current.status == 422 and "v3 is the current release" in current.data["message"]
        nothing = await api("POST", "/apps/hello/releases", {"release": "v1"})
        assert nothing.status == 422 and "nothing had been deployed" in nothing.data["message"]
        api.pool.lost = frozenset([first.slug_id])
        lost = await api("POST", "/apps/hello/releases", {"release": "v2"})
        assert lost.status == 422 and "its files are not in the pool any more" in lost.data["message"]
        assert not (await api("GET", "/apps/hello/releases/v2")).data["eligible_for_rollback"]
        api.pool.lost = frozenset()
        api.ledger.slugs.drop(first.slug_id)
        dropped = await api("POST", "/apps/hello/releases", {"release": "v2"})
        assert dropped.status == 422 and "abcdef1:main" in dropped.data["message"]
        api.deploys.busy = "ann@example.com is deploying 20a5742"
        assert (await api("PATCH", "/apps/hello/config-vars", {"A": "1"})).status == 409
        assert api.ledger.releases.current(app.id).version == 3


async def test_release_output_and_verification(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        assert (await api("GET", "/apps/hello/releases/v1/output")).status == 404
        release = api.deployed(app)
        api.ledger.releases.add_output(app.id, release.version, "migrated é\n")
        printed = await api("GET", "/apps/hello/releases/v2/output")
        assert (printed.headers["Content-Type"], printed.data.decode()) == ("text/plain; charset=utf-8", "migrated é\n")
        assert (await api("GET", "/hostd/releases/verify")).status == 403
        api.user = "kate@example.com"
        assert (await api("GET", "/hostd/releases/verify")).data == {"ok": True, "problems": []}
