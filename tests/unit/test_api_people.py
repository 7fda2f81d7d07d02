"""Users, rights of collaborators, transfers and the audit log, through the API."""

import asyncio
from datetime import timedelta

import aiohttp
import pytest
from api_fakes import running_api

from hostd.ledger.access import ALL, Right

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqfVOyW2L6Q8mQeWdH9tYc2cQ1n9F1qYk6YbU3tq8fO you@laptop"


@pytest.fixture
async def api(tmp_path):
    async with running_api(tmp_path) as api:
        api.app = api.ledger.apps.create("hello", api.users["you"].id)
        yield api


def as_(api, name):
    api.user = f"{name}@example.com"
    return api


# Rights


async def test_rights_are_given_changed_shown_and_taken(api):
    added = await api("POST", "/apps/hello/collaborators", {"user": "ann@example.com", "permissions": ["deploy"]})
    assert added.status == 201
    assert [each["name"] for each in added.data["permissions"]] == ["deploy", "view"]
    assert all(each["description"] for each in added.data["permissions"])
    one = "/apps/hello/collaborators/ann@example.com"
    assert (await api("GET", one)).data == added.data
    assert (await api("GET", f"/apps/hello/collaborators/{added.data['id']}")).data == added.data
    changed = await api("PATCH", one, {"permissions": [{"name": "operate"}]})
    assert [each["name"] for each in changed.data["permissions"]] == ["operate", "view"]
    owner = (await api("GET", "/apps/hello/collaborators")).data[0]
    assert [each["name"] for each in owner["permissions"]] == ["deploy", "manage", "operate", "view"]
    assert (await api("DELETE", one)).data["user"]["email"] == "ann@example.com"
    assert (await api("GET", one)).status == 404
    assert api.log[-3:] == [
        "heroku[api]: Add ann@example.com as collaborator (deploy, view) by you@example.com",
        "heroku[api]: Set rights of ann@example.com to operate, view by you@example.com",
        "heroku[api]: Remove ann@example.com as collaborator by you@example.com",
    ]
    assert api.revoking.reviewed == [("ann@example.com", "hello")] * 3


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"permissions": ["own"]}, 422, "no right 'own'"),
        ({"permissions": []}, 422, "at least one right"),
        ({"permissions": "view"}, 422, "permissions"),
        ({}, 422, "permissions"),
    ],
)
async def test_rights_that_there_are_not(api, body, status, words):
    api.ledger.access.add(api.app.id, api.users["ann"].id)
    refused = await api("PATCH", "/apps/hello/collaborators/ann@example.com", body)
    assert refused.status == status and words in refused.data["message"]
    assert api.ledger.access.rights(api.app, api.users["ann"]) == {Right.VIEW, Right.DEPLOY, Right.OPERATE}


async def test_the_owners_rights_are_not_to_be_changed(api):
    for method, body in (("PATCH", {"permissions": ["view"]}), ("DELETE", None)):
        refused = await api(method, "/apps/hello/collaborators/you@example.com", body)
        assert (refused.status, "owns hello" in refused.data["message"]) == (409, True)


async def test_what_lacks_is_said_with_who_gives_it(api):
    api.ledger.access.add(api.app.id, api.users["ann"].id, {Right.VIEW})
    refused = await as_(api, "ann")("PATCH", "/apps/hello", {"maintenance": True})
    assert refused.status == 403
    assert "hostctl access:update ann@example.com -p operate,view -a hello" in refused.data["message"]
    assert (await api("PATCH", "/apps/hello", {"maintenance": False})).status == 200, "nothing is changed by that"
    assert (await api("PATCH", "/apps/hello", {"name": "mine"})).status == 403
    assert (await api("DELETE", "/apps/hello/collaborators/ann@example.com")).status == 200, "leaving"


async def test_an_answer_that_is_being_sent_ends_with_the_right_to_it(api):
    asked, cut = asyncio.Event(), {}

    async def waiting(_app, _type, _seconds):
        asked.set()
        await asyncio.Event().wait()

    async def ask(name):
        headers = {"Hostd-User": f"{name}@example.com"}
        try:
            async with api.http.get("http://hostd/hostd/apps/hello/dynos/missing", headers=headers) as response:
                cut[name] = response.status
        except aiohttp.ClientError:
            cut[name] = "cut"

    api.manager.missing = waiting
    api.ledger.access.add(api.app.id, api.users["ann"].id, {Right.DEPLOY})
    tasks = []
    for name in ("ann", "kate"):
        asked.clear()
        tasks.append(asyncio.create_task(ask(name)))
        await asked.wait()
    await api("PATCH", "/apps/hello/collaborators/ann@example.com", {"permissions": ["view"]})
    assert cut == {}, "seeing is all that it needs"
    await api("DELETE", "/apps/hello/collaborators/ann@example.com")
    await asyncio.wait_for(tasks[0], 5)
    # aiohttp asks a second time when a connection breaks, and is told why.
    assert cut in ({"ann": "cut"}, {"ann": 404})
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


# Users


async def test_a_user_with_all(api):
    api.ledger.access.add(api.app.id, api.users["ann"].id, {Right.VIEW})
    added = await as_(api, "kate")("POST", "/hostd/users/ann@example.com/keys", {"public_key": KEY})
    assert added.status == 201
    shown = await as_(api, "ann")("GET", "/hostd/users/ann@example.com")
    assert [(row["app"]["name"], row["role"]) for row in shown.data["apps"]] == [("hello", "collaborator")]
    assert [key["fingerprint"] for key in shown.data["keys"]] == [added.data["fingerprint"]]
    assert (await api("GET", "/hostd/users/kate@example.com")).status == 404
    mine = await as_(api, "kate")("GET", "/hostd/users/kate@example.com")
    assert (mine.data["admin"], mine.data["apps"]) == (True, []), "an admin's apps are those of their own"


async def test_admins_are_made_and_unmade_but_not_the_last(api):
    one = "/hostd/users/ann@example.com"
    assert (await as_(api, "kate")("PATCH", one, {"admin": True})).data["admin"] is True
    assert (await api("PATCH", "/hostd/users/kate@example.com", {"admin": False})).data["admin"] is False
    assert api.revoking.reviewed[-1] == ("kate@example.com", None)
    assert (await api("PATCH", one, {"admin": False})).status == 403
    refused = await as_(api, "ann")("PATCH", one, {"admin": False})
    assert (refused.status, "only admin" in refused.data["message"]) == (409, True)


async def test_a_key_that_is_refused_leaves_no_user_behind(api):
    body = {"email": "new@example.com", "public_key": "ssh-dss AAAA"}
    assert (await as_(api, "kate")("POST", "/hostd/users", body)).status == 422
    assert (await api("GET", "/hostd/users/new@example.com")).status == 404
    assert (await api("POST", "/hostd/users", body | {"public_key": KEY})).status == 201


async def test_a_removed_user_is_nobody_at_once(api):
    ann = api.users["ann"]
    api.ledger.access.add(api.app.id, ann.id)
    token = api.token("ann")
    assert (await api.with_token(token, "GET", "/account")).status == 200
    assert (await as_(api, "kate")("DELETE", "/hostd/users/ann@example.com")).status == 200
    assert (await api.with_token(token, "GET", "/account")).status == 401
    assert (await as_(api, "ann")("GET", "/account")).status == 401
    assert api.revoking.reviewed == [("ann@example.com", None)]
    assert "heroku[api]: Remove user ann@example.com from the server by kate@example.com" in api.log
    again = api.ledger.users.add("ann@example.com")
    assert api.ledger.authorizations.list(again.id) == api.ledger.authorizations.list(ann.id) == []


async def test_all_keys_at_once(api):
    api.ledger.keys.add(api.users["you"].id, KEY)
    assert len((await api("DELETE", "/account/keys")).data) == 1
    assert (await api("GET", "/account/keys")).data == []


# Transfers

TRANSFERS = "/account/app-transfers"


async def test_an_app_changes_hands_when_the_recipient_accepts(api):
    made = await api("POST", TRANSFERS, {"app": "hello", "recipient": "ann@example.com"})
    assert (made.status, made.data["state"]) == (201, "pending")
    assert (made.data["owner"]["email"], made.data["recipient"]["email"]) == ("you@example.com", "ann@example.com")
    assert api.ledger.apps.get("hello").owner_id == api.users["you"].id
    one = f"{TRANSFERS}/{made.data['id']}"
    assert (await api("PATCH", one, {"state": "accepted"})).status == 403
    assert (await as_(api, "ann")("GET", "/apps/hello")).status == 404, "an offer lets nobody in"
    assert [row["id"] for row in (await api("GET", TRANSFERS)).data] == [made.data["id"]]
    assert (await api("DELETE", f"{TRANSFERS}/hello")).status == 403
    accepted = await api("PATCH", f"{TRANSFERS}/hello", {"state": "accepted"})
    assert accepted.data["state"] == "accepted"
    app = api.ledger.apps.get("hello")
    assert app.owner_id == api.users["ann"].id
    assert Right.OPERATE in api.ledger.access.rights(app, api.users["you"]), "the owner until then stays"
    assert Right.MANAGE not in api.ledger.access.rights(app, api.users["you"])
    release = api.ledger.releases.current(app.id)
    assert (release.description, release.user_email) == (
        "Transfer from you@example.com to ann@example.com", "ann@example.com",
    )  # fmt: skip
    assert "heroku[api]: Offer the app to ann@example.com by you@example.com" in api.log
    assert api.log[-2].startswith("heroku[api]: Transfer from you@example.com to ann@example.com by ann")
    assert ("you@example.com", "hello") in api.revoking.reviewed
    assert (await api("PATCH", one, {"state": "declined"})).status == 409


async def test_an_offer_is_declined_or_taken_back(api):
    offer = {"app": {"name": "hello"}, "recipient": {"email": "ann@example.com"}}
    await api("POST", TRANSFERS, offer)
    assert (await api("POST", TRANSFERS, offer)).status == 409
    declined = await as_(api, "ann")("PATCH", f"{TRANSFERS}/hello", {"state": "declined"})
    assert declined.data["state"] == "declined"
    made = await as_(api, "you")("POST", TRANSFERS, offer)
    assert (await api("DELETE", f"{TRANSFERS}/hello")).data["state"] == "cancelled"
    assert (await as_(api, "ann")("PATCH", f"{TRANSFERS}/{made.data['id']}", {"state": "accepted"})).status == 409
    assert (await api("PATCH", f"{TRANSFERS}/hello", {"state": "accepted"})).status == 404
    assert api.ledger.apps.get("hello").owner_id == api.users["you"].id


async def test_an_admin_and_who_takes_it_need_nobodys_word(api):
    given = await as_(api, "kate")("POST", TRANSFERS, {"app": "hello", "recipient": "ann@example.com"})
    assert given.data["state"] == "accepted"
    api.ledger.access.update(api.app.id, api.users["you"].id, {Right.MANAGE})
    taken = await as_(api, "you")("POST", TRANSFERS, {"app": "hello", "recipient": "you@example.com"})
    assert taken.data["state"] == "accepted"
    assert api.ledger.apps.get("hello").owner_id == api.users["you"].id


async def test_transfers_that_cannot_be(api):
    for body, status in (
        ({"app": "hello", "recipient": "you@example.com"}, 422),
        ({"app": "hello", "recipient": "who@example.com"}, 404),
        ({"app": "nope", "recipient": "ann@example.com"}, 404),
        ({"app": "hello"}, 422),
    ):
        assert (await api("POST", TRANSFERS, body)).status == status, body
    api.ledger.access.add(api.app.id, api.users["ann"].id)
    assert (await as_(api, "ann")("POST", TRANSFERS, {"app": "hello", "recipient": "ann@example.com"})).status == 403
    assert (await api("GET", TRANSFERS)).data == []


async def test_an_offer_of_somebody_who_lost_the_right_to_make_it_is_worth_nothing(api):
    ann = api.users["ann"]
    api.ledger.access.add(api.app.id, ann.id, {Right.MANAGE})
    eve = api.ledger.users.add("eve@example.com")
    await as_(api, "ann")("POST", TRANSFERS, {"app": "hello", "recipient": eve.email})
    api.ledger.access.update(api.app.id, ann.id, {Right.VIEW})
    refused = await as_(api, "eve")("PATCH", f"{TRANSFERS}/hello", {"state": "accepted"})
    assert (refused.status, "ann@example.com may not" in refused.data["message"]) == (409, True)


async def test_offers_end_with_their_app_and_their_people(api):
    eve = api.ledger.users.add("eve@example.com")
    made = api.ledger.transfers.offer(api.app, eve, api.users["you"])
    api.ledger.users.remove(eve.id)
    assert api.ledger.transfers.get(made.id).state.value == "cancelled"
    made = api.ledger.transfers.offer(api.app, api.users["ann"], api.users["you"])
    api.ledger.apps.destroy(api.app.id)
    assert api.ledger.transfers.get(made.id).state.value == "cancelled"
    assert (await api("GET", TRANSFERS)).data[-1]["app"]["name"] == "hello"


# The audit log


async def test_changes_are_recorded_with_who_and_from_where(api):
    await api("PATCH", "/apps/hello", {"maintenance": True})
    await api("GET", "/apps/hello")
    await as_(api, "ann")("DELETE", "/apps/hello")
    await api.with_token(api.token("you"), "PATCH", "/apps/hello/config-vars", {"SECRET": "hunter2"})
    found = (await as_(api, "you")("GET", "/hostd/apps/hello/audit")).data
    assert [(row["user"]["email"], row["method"], row["target"], row["status"]) for row in found] == [
        ("you@example.com", "PATCH", "/apps/hello/config-vars", 200),
        ("ann@example.com", "DELETE", "/apps/hello", 404),
        ("you@example.com", "PATCH", "/apps/hello", 200),
    ]
    assert (found[0]["door"], found[0]["authorization"] is not None) == ("loopback", True)
    assert (found[2]["door"], found[2]["address"], found[2]["authorization"]) == ("socket", "ssh", None)
    assert found[2]["route"] == "/apps/{app}" and found[2]["app"]["name"] == "hello"
    assert "hunter2" not in str(found)


async def test_everybody_sees_their_own_and_admins_all(api):
    await api("PATCH", "/apps/hello", {"maintenance": True})
    await as_(api, "ann")("POST", "/account/keys", {"public_key": KEY})
    assert [row["target"] for row in (await api("GET", "/hostd/audit")).data] == ["/account/keys"]
    assert (await api("GET", "/hostd/audit?user=you@example.com")).status == 403
    assert (await api("GET", "/hostd/apps/hello/audit")).status == 404
    assert len((await as_(api, "kate")("GET", "/hostd/audit")).data) == 2
    assert len((await api("GET", "/hostd/audit?max=1")).data) == 1
    assert len((await api("GET", "/hostd/audit?user=you@example.com&since=1h")).data) == 1
    assert (await api("GET", "/hostd/audit?max=none")).status == 400
    assert (await api("GET", "/hostd/audit?since=whenever")).status == 422
    api.ledger.keys.clear(api.users["ann"].id)
    await api("DELETE", "/hostd/users/ann@example.com")
    assert len((await api("GET", "/hostd/audit?user=ann@example.com")).data) == 1, "it goes on naming them"


async def test_git_is_recorded_too(api):
    body = {"app": "hello", "user": "you@example.com", "service": "git-upload-pack"}
    await api("POST", "/hostd/ssh/repositories", body)
    await api("POST", "/hostd/ssh/repositories", body | {"user": "ann@example.com", "service": "git-receive-pack"})
    found = (await api("GET", "/hostd/apps/hello/audit")).data
    assert [(row["user"]["email"], row["target"], row["status"]) for row in found] == [
        ("ann@example.com", "git-receive-pack hello", 404),
        ("you@example.com", "git-upload-pack hello", 200),
    ]


async def test_an_address_is_what_sshd_said_and_nothing_else(api):
    for said, shown in (("192.0.2.7", "192.0.2.7"), ("2001:DB8::1", "2001:db8::1"), ("here; rm", "ssh"), ("", "ssh")):
        await api("PATCH", "/apps/hello", {"maintenance": True}, headers={"Hostd-Address": said})
        body = {"app": "hello", "user": "you@example.com", "service": "git-upload-pack"}
        await api("POST", "/hostd/ssh/repositories", body, headers={"Hostd-Address": said})
        found = (await api("GET", "/hostd/apps/hello/audit?max=2")).data
        assert [row["address"] for row in found] == [shown, shown], said
    token = api.token("you")
    await api.with_token(token, "PATCH", "/apps/hello", {}, headers={"Hostd-Address": "192.0.2.7"})
    assert (await api("GET", "/hostd/apps/hello/audit?max=1")).data[0]["address"] == "127.0.0.1"


async def test_strangers_and_passwords_in_addresses_are_not_recorded(api):
    await api("DELETE", "/apps/hello/log-drains/syslog%3A%2F%2Fkate%3Ahunter2%40logs.example.com%3A514")
    await api.with_token("HRKU-nothing", "DELETE", "/apps/hello")
    found = (await as_(api, "kate")("GET", "/hostd/audit")).data
    assert [(row["target"], row["status"]) for row in found] == [("/apps/hello/log-drains/***", 404)]


async def test_what_is_recorded_stays_as_it_is(api):
    await api("PATCH", "/apps/hello", {"maintenance": True})
    database = api.ledger._database
    for sql in ("UPDATE audit SET status = 500", "DELETE FROM audit"):
        with pytest.raises(Exception, match="only ever added to"):
            database.write(sql)
    entry = api.ledger.trail.list()[0]
    assert api.ledger.trail.list(since=entry.created_at)
    assert not api.ledger.trail.list(since=entry.created_at + timedelta(seconds=1))
    assert api.ledger.access.rights(api.app, api.users["you"]) == ALL
