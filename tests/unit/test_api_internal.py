import asyncio
import json

import pytest
from api_fakes import running_api

from hostd.deploys.deploy import PushOutcome
from hostd.errors import Busy

PUSH = "0b7f3a52-6f4c-4c0e-9f53-0d6c9d1f6a11"
COMMIT = "20a5742" + "0" * 33


def address(app, **changes):
    query = {"app": app, "push": PUSH, "user": "you@example.com", "commit": COMMIT, "ref": "refs/heads/main"}
    return "/hostd/pushes?" + "&".join(f"{key}={value}" for key, value in (query | changes).items())


async def test_repositories_are_for_those_with_access(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        api.user = None
        body = {"app": "hello", "user": "you@example.com", "service": "git-receive-pack"}
        found = await api("POST", "/hostd/ssh/repositories", body)
        assert found.data == {"path": f"/repos/{app.id}.git", "app_id": app.id, "app": "hello"}
        assert (await api("POST", "/hostd/ssh/repositories", body | {"user": "ann@example.com"})).status == 404
        unknown = await api("POST", "/hostd/ssh/repositories", body | {"app": "nope"})
        assert unknown.status == 404
        assert unknown.data["message"].startswith("Couldn't find that app: 'nope'. Your apps: hostctl apps")
        assert (await api("POST", "/hostd/ssh/repositories", body | {"service": "git-shell"})).status == 422


async def test_a_push_streams_both_ways(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        got = bytearray()
        answered = asyncio.Event()

        async def pusher(deploy, tree, output):
            await output(b"-----> Building\n")
            await answered.wait()  # output arrives before the tree is read
            async for piece in tree:
                got.extend(piece)
            await output(b'a \0 and {"status"} in output\n')
            assert (deploy.user.email, deploy.commit, deploy.label) == ("you@example.com", COMMIT, "git push")
            assert deploy.submodules == {"lib": COMMIT}
            return PushOutcome("released", 12)

        api.deploys.pusher = pusher
        tree = bytes(range(256)) * 4000
        links = json.dumps({"lib": COMMIT}, separators=(",", ":"))

        async def body():
            yield tree[:1000]
            await answered.wait()
            yield tree[1000:]

        async with api.http.post(f"http://hostd{address(app.id, submodules=links)}", data=body()) as response:
            assert response.status == 200
            assert await response.content.readline() == b"-----> Building\n"
            answered.set()
            rest = await response.read()
        assert bytes(got) == tree
        output, _, last = rest.partition(b"\0")
        assert output == b'a  and {"status"} in output\n'
        assert json.loads(last) == {"status": "released", "version": 12, "reason": None}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Busy("ann@example.com is deploying. Wait."), "ann@example.com is deploying. Wait."),
        (KeyError("inner secret"), None),
    ],
)
async def test_a_push_that_fails_says_why_in_its_last_line(tmp_path, error, reason):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)

        async def pusher(*_arguments):
            raise error

        api.deploys.pusher = pusher
        async with api.http.post(f"http://hostd{address(app.id)}", data=b"tree") as response:
            last = json.loads((await response.read()).partition(b"\0")[2])
        assert last["status"] == "rejected"
        assert "inner secret" not in last["reason"]
        assert reason in (None, last["reason"])


async def test_hanging_up_cancels_the_deploy(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        begun, cancelled = asyncio.Event(), asyncio.Event()

        async def pusher(deploy, tree, output):
            await output(b"building\n")
            begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise

        api.deploys.pusher = pusher
        _reader, writer = await asyncio.open_unix_connection(str(api.socket))
        writer.write(f"POST {address(app.id)} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\ntree".encode())
        await begun.wait()
        writer.close()
        await asyncio.wait_for(cancelled.wait(), 2)


async def test_pushes_that_are_refused_at_the_door(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        for status, changes in (
            (404, {"user": "ann@example.com"}),
            (404, {"user": "who@example.com"}),
            (400, {"commit": "HEAD"}),
            (400, {"push": "1"}),
            (400, {"ref": ""}),
            (400, {"submodules": "["}),
            (400, {"submodules": "[]"}),
            (400, {"submodules": '{"lib":"HEAD"}'}),
            (400, {"submodules": '{"a%5Cnb":"' + COMMIT + '"}'}),
        ):
            assert (await api("POST", address(app.id, **changes))).status == status
        assert (await api("POST", address("nope"))).status == 404


async def test_how_a_push_ended(tmp_path):
    async with running_api(tmp_path) as api:
        assert (await api("GET", f"/hostd/pushes/{PUSH}")).status == 404
        api.deploys.outcomes[PUSH] = PushOutcome("released", 7)
        ended = await api("GET", f"/hostd/pushes/{PUSH}")
        assert ended.data == {"status": "released", "version": 7, "reason": None}
        assert (await api("GET", "/hostd/pushes/x")).status == 400
