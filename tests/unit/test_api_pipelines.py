"""Pipelines by the API: Heroku's shapes, and who may what."""

import pytest
from api_fakes import running_api

from hostd.ledger.access import Right


async def with_apps(api, *names):
    return [api.ledger.apps.create(name, api.users["you"].id) for name in names]


async def coupled(api, name, pipeline, stage):
    return await api("POST", "/pipeline-couplings", {"app": name, "pipeline": pipeline, "stage": stage})


async def test_a_pipeline_is_made_as_the_official_cli_asks_found_renamed_and_destroyed(tmp_path):
    async with running_api(tmp_path) as api:
        you = api.users["you"]
        wanted = {"name": "example", "owner": {"id": you.id, "type": "user"}, "generation": {"name": "cedar"}}
        made = await api("POST", "/pipelines", wanted)
        assert made.status == 201
        assert made.data["owner"] == {"email": you.email, "id": you.id, "type": "user"}
        assert (await api("POST", "/pipelines", {"name": "example"})).status == 422
        for bad in ("Example", "x", "-example", "a" * 31, "a b"):
            assert (await api("POST", "/pipelines", {"name": bad})).status == 422
        assert (await api("GET", "/pipelines?eq[name]=example")).data == [made.data] == (
            await api("GET", "/pipelines")
        ).data
        assert (await api("GET", "/pipelines?eq[name]=other")).data == []
        id = made.data["id"]
        assert (await api("GET", f"/pipelines/{id}")).data == made.data == (await api("GET", "/pipelines/example")).data
        assert (await api("PATCH", f"/pipelines/{id}", {"name": "sample"})).data["name"] == "sample"
        assert (await api("DELETE", f"/pipelines/{id}", {"name": "sample"})).status == 200
        assert (await api("GET", f"/pipelines/{id}")).status == 404


async def test_apps_are_coupled_moved_and_uncoupled(tmp_path):
    async with running_api(tmp_path) as api:
        hello, _ = await with_apps(api, "hello", "hello-staging")
        pipeline = (await api("POST", "/pipelines", {"name": "example"})).data
        missing = await api("GET", "/apps/hello/pipeline-couplings")
        assert (missing.status, missing.data["resource"]) == (404, "pipeline_coupling")
        made = await coupled(api, "hello", pipeline["id"], "staging")
        assert made.status == 201 and made.data["app"] == {"id": hello.id, "name": "hello"}
        assert made.data["pipeline"] == {"id": pipeline["id"], "name": "example"}
        assert (await coupled(api, hello.id, pipeline["id"], "production")).status == 409
        assert (await coupled(api, "hello-staging", pipeline["id"], "nowhere")).status == 422
        assert (await api("GET", "/apps/hello/pipeline-couplings")).data == made.data
        moved = await api("PATCH", f"/pipeline-couplings/{made.data['id']}", {"stage": "production"})
        assert moved.data["stage"] == "production"
        await coupled(api, "hello-staging", pipeline["id"], "staging")
        for path in ("/pipeline-couplings", f"/pipelines/{pipeline['id']}/pipeline-couplings"):
            assert [each["stage"] for each in (await api("GET", path)).data] == ["production", "staging"]
        assert (await api("DELETE", f"/pipeline-couplings/{made.data['id']}")).status == 200
        assert (await api("GET", f"/pipeline-couplings/{made.data['id']}")).status == 404
        api.ledger.apps.destroy(api.ledger.apps.get("hello-staging").id)
        assert (await api("GET", "/pipeline-couplings")).data == []


async def test_who_sees_an_app_sees_its_pipeline_and_no_other_of_its_apps(tmp_path):
    async with running_api(tmp_path) as api:
        hello, _ = await with_apps(api, "hello", "hello-staging")
        pipeline = (await api("POST", "/pipelines", {"name": "example"})).data
        made = (await coupled(api, "hello", pipeline["id"], "production")).data
        other = (await coupled(api, "hello-staging", pipeline["id"], "staging")).data
        api.user = "ann@example.com"
        assert (await api("GET", "/pipelines")).data == []
        assert (await api("GET", f"/pipelines/{pipeline['id']}")).status == 404
        assert (await api("GET", f"/pipeline-couplings/{made['id']}")).status == 404
        api.ledger.access.add(hello.id, api.users["ann"].id, {Right.DEPLOY})
        assert (await api("GET", "/pipelines")).data == [pipeline]
        assert (await api("GET", f"/pipelines/{pipeline['id']}/pipeline-couplings")).data == [made]
        assert (await api("GET", f"/pipeline-couplings/{other['id']}")).status == 404
        for method, path, body in (
            ("PATCH", f"/pipelines/{pipeline['id']}", {"name": "mine"}),
            ("DELETE", f"/pipelines/{pipeline['id']}", None),
            ("PATCH", f"/pipeline-couplings/{made['id']}", {"stage": "staging"}),
            ("DELETE", f"/pipeline-couplings/{made['id']}", None),
            ("POST", "/pipeline-transfers", {"pipeline": {"id": pipeline["id"]}, "new_owner": {"id": "x"}}),
        ):
            assert (await api(method, path, body)).status == 403, path
        own = api.ledger.apps.create("ann-app", api.users["ann"].id)
        assert (await coupled(api, own.id, pipeline["id"], "staging")).status == 403
        assert (await api("POST", "/pipelines", {"name": "of-you", "owner": {"id": hello.owner_id}})).status == 403
        api.ledger.access.update(hello.id, api.users["ann"].id, {Right.OPERATE})
        assert (await api("DELETE", f"/pipeline-couplings/{made['id']}")).status == 200


async def test_a_pipeline_changes_hands_and_its_owner_cannot_go(tmp_path):
    async with running_api(tmp_path) as api:
        pipeline = (await api("POST", "/pipelines", {"name": "example"})).data
        wanted = {"pipeline": {"id": pipeline["id"]}, "new_owner": {"id": api.users["ann"].id, "type": "user"}}
        made = await api("POST", "/pipeline-transfers", wanted)
        assert made.status == 201 and made.data["new_owner"]["id"] == api.users["ann"].id
        assert (await api("GET", "/pipelines")).data == []
        again = wanted | {"new_owner": {"email": "nobody@example.com"}}
        assert (await api("POST", "/pipeline-transfers", again)).status == 404
        api.user = "kate@example.com"
        assert (await api("GET", "/pipelines/example")).data["owner"]["email"] == "ann@example.com"
        refused = await api("DELETE", "/hostd/users/ann@example.com")
        assert refused.status == 409 and "pipelines:transfer" in refused.data["message"]


async def test_a_pipeline_takes_its_owners_apps_along_and_leaves_those_of_others(tmp_path):
    async with running_api(tmp_path) as api:
        hello, _ = await with_apps(api, "hello", "elsewhere")
        pipeline = (await api("POST", "/pipelines", {"name": "example"})).data
        await coupled(api, "hello", pipeline["id"], "production")
        theirs = api.ledger.apps.create("ann-app", api.users["ann"].id)
        api.ledger.access.add(theirs.id, hello.owner_id, {Right.OPERATE})
        assert (await coupled(api, "ann-app", pipeline["id"], "staging")).status == 201
        offered = await api("POST", "/account/app-transfers", {"app": "hello", "recipient": "ann@example.com"})
        wanted = {"pipeline": {"id": pipeline["id"]}, "new_owner": {"email": "kate@example.com"}}
        api.deploys.busy = "ann@example.com is deploying 20a5742"
        assert (await api("POST", "/pipeline-transfers", wanted)).status == 409
        assert (await api("GET", "/apps/hello")).data["owner"]["email"] == "you@example.com"
        api.deploys.busy = None
        assert (await api("POST", "/pipeline-transfers", wanted)).status == 201
        owners = {name: (await api("GET", f"/apps/{name}")).data["owner"]["email"]
                  for name in ("hello", "elsewhere", "ann-app")}
        assert owners == {
            "hello": "kate@example.com", "elsewhere": "you@example.com", "ann-app": "ann@example.com",
        }  # fmt: skip
        assert api.ledger.transfers.get(offered.data["id"]).state.value == "cancelled"
        (last,) = [each for each in api.ledger.releases.list(hello.id) if "Transfer" in each.description]
        assert last.description == "Transfer from you@example.com to kate@example.com"


async def staged(api):
    """A source with code and two targets, in one pipeline; what is asked to promote to them."""
    source, *targets = await with_apps(api, "hello-staging", "hello", "hello-eu")
    pipeline = (await api("POST", "/pipelines", {"name": "example"})).data
    await coupled(api, "hello-staging", pipeline["id"], "staging")
    for app in targets:
        await coupled(api, app.name, pipeline["id"], "production")
    api.deployed(source)
    return source, targets, {
        "pipeline": {"id": pipeline["id"]},
        "source": {"app": {"id": source.id}},
        "targets": [{"app": {"id": app.id}} for app in targets],
    }


async def test_a_promotion_says_how_far_it_is(tmp_path):
    async with running_api(tmp_path) as api:
        source, targets, wanted = await staged(api)
        made = await api("POST", "/pipeline-promotions", wanted)
        release = api.ledger.releases.current(source.id)
        assert made.status == 201 and made.data["status"] == "pending"
        assert made.data["source"] == {"app": {"id": source.id}, "release": {"id": release.id}}
        path = f"/pipeline-promotions/{made.data['id']}"
        one, other = api.ledger.promotions.targets(made.data["id"])
        api.ledger.promotions.succeeded(one, api.deployed(targets[0]))
        api.ledger.promotions.failed(other, "Somebody deploys.")
        assert (await api("GET", path)).data["status"] == "completed"
        found = (await api("GET", f"{path}/promotion-targets")).data
        assert [(each["status"], each["error_message"]) for each in found] == [
            ("succeeded", None), ("failed", "Somebody deploys."),
        ]  # fmt: skip
        assert found[0]["release"]["id"] == api.ledger.releases.current(targets[0].id).id
        api.user = "ann@example.com"
        assert (await api("GET", path)).status == 404


async def test_a_promotion_needs_to_deploy_to_each_target_and_to_see_the_source(tmp_path):
    async with running_api(tmp_path) as api:
        source, targets, wanted = await staged(api)
        api.user = "ann@example.com"
        ann = api.users["ann"].id
        assert (await api("POST", "/pipeline-promotions", wanted)).status == 404
        for app in targets:
            api.ledger.access.add(app.id, ann, {Right.DEPLOY})
        assert (await api("POST", "/pipeline-promotions", wanted)).status == 404
        api.ledger.access.add(source.id, ann, {Right.VIEW})
        assert (await api("POST", "/pipeline-promotions", wanted)).status == 201
        api.ledger.access.update(targets[1].id, ann, {Right.OPERATE})
        assert (await api("POST", "/pipeline-promotions", wanted)).status == 403


@pytest.mark.parametrize("which", ["itself", "elsewhere", "no code", "none"])
async def test_what_cannot_be_promoted_is_refused(tmp_path, which):
    async with running_api(tmp_path) as api:
        source, targets, wanted = await staged(api)
        if which == "itself":
            wanted["targets"] = [{"app": {"id": source.id}}]
        elif which == "elsewhere":
            await with_apps(api, "stranger")
            wanted["targets"] = [{"app": {"name": "stranger"}}]
        elif which == "no code":
            wanted["source"], wanted["targets"] = wanted["targets"][0], [wanted["source"]]
        else:
            wanted["targets"] = []
        answer = await api("POST", "/pipeline-promotions", wanted)
        assert answer.status == (409 if which == "no code" else 422), targets
