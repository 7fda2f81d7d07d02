import asyncio
import json
import socket

import pytest
from aiohttp import web
from api_fakes import running_api

from hostd.api.failures import explain, finish
from hostd.api.identity import Peers
from hostd.errors import Unauthorized


async def test_root_speaks_for_the_first_admin_or_for_whom_it_names(tmp_path):
    async with running_api(tmp_path, uid_is="root") as api:
        api.user = None
        assert (await api("GET", "/account")).data["email"] == "kate@example.com"
        api.user = "you@example.com"
        shown = (await api("GET", "/account")).data
        assert (shown["email"], shown["admin"], shown["id"]) == ("you@example.com", False, api.users["you"].id)
        api.user = "who@example.com"
        assert (await api("GET", "/account")).status == 401


async def test_root_adds_the_first_user_and_owns_nothing_before(tmp_path):
    async with running_api(tmp_path, uid_is="root", people=False) as api:
        refused = await api("POST", "/apps", {"name": "hello"})
        assert refused.status == 403 and "hostctl users:add you@example.com --admin" in refused.data["message"]
        assert (await api("GET", "/apps")).data == []
        made = await api("POST", "/hostd/users", {"email": "Kate@Example.com", "admin": True})
        assert (made.status, made.data["email"], made.data["admin"]) == (201, "kate@example.com", True)
        assert (await api("GET", "/account")).data["email"] == "kate@example.com"
        assert (await api("POST", "/apps", {"name": "hello"})).data["owner"]["email"] == "kate@example.com"


async def test_git_must_name_its_user_and_strangers_are_refused(tmp_path):
    async with running_api(tmp_path / "a", uid_is="git") as api:
        api.user = None
        assert (await api("GET", "/apps")).status == 401
    async with running_api(tmp_path / "b", uid_is="stranger") as api:
        for path in ("/apps", "/hostd/ssh/keys?type=ssh-ed25519&key=x", "/hostd/version"):
            refused = await api("GET", path)
            assert (refused.status, refused.data["id"]) == (401, "unauthorized")


def test_roles_go_by_uid():
    peers = Peers(root=0, git=990)
    assert peers.role(0).value == "root"
    assert peers.role(990).value == "git"
    with pytest.raises(Unauthorized):
        peers.role(1000)
    with pytest.raises(Unauthorized):
        Peers(root=0, git=None).role(990)


async def test_users_are_managed_by_admins_only(tmp_path):
    async with running_api(tmp_path) as api:
        calls = (("GET", "/hostd/users"), ("POST", "/hostd/users"), ("DELETE", "/hostd/users/ann@example.com"))
        for method, path in calls:
            assert (await api(method, path, {"email": "new@example.com"})).status == 403
        assert (await api("GET", "/users/nobody@example.com")).status == 404
        assert (await api("GET", "/users/you@example.com")).status == 200
        api.user = "kate@example.com"
        assert len((await api("GET", "/hostd/users")).data) == 3
        assert (await api("POST", "/hostd/users", {"email": "not an address"})).status == 422
        assert (await api("POST", "/hostd/users", {"email": "ann@example.com"})).status == 409
        assert (await api("DELETE", "/hostd/users/ann@example.com")).data["email"] == "ann@example.com"
        assert (await api("DELETE", "/hostd/users/ann@example.com")).status == 404


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqfVOyW2L6Q8mQeWdH9tYc2cQ1n9F1qYk6YbU3tq8fO you@laptop"


async def test_ssh_keys(tmp_path):
    async with running_api(tmp_path) as api:
        made = await api("POST", "/account/keys", {"public_key": KEY + "\n"})
        assert (made.status, made.data["comment"], made.data["email"]) == (201, "you@laptop", "you@example.com")
        assert made.data["fingerprint"].startswith("SHA256:")
        assert [key["id"] for key in (await api("GET", "/account/keys")).data] == [made.data["id"]]
        assert made.data["public_key"] == KEY, "Heroku's CLI takes the comment that it shows from here"

        type_, blob, _ = KEY.split()
        found = await api("GET", "/hostd/ssh/keys", params={"type": type_, "key": blob})
        assert found.data == {"key": made.data["id"], "user": "you@example.com"}
        assert (await api("GET", "/hostd/ssh/keys", params={"type": type_, "key": "AAAA"})).status == 404
        assert (await api("GET", "/hostd/ssh/keys", params={"type": type_})).status == 400

        assert (await api("POST", "/account/keys", {"public_key": KEY})).status == 409
        assert (await api("POST", "/account/keys", {"public_key": "ssh-rsa nonsense"})).status == 422
        assert (await api("POST", "/account/keys", {})).status == 422
        fingerprint = made.data["fingerprint"].replace("/", "%2F").replace("+", "%2B")
        assert (await api("DELETE", f"/account/keys/{fingerprint}")).data["id"] == made.data["id"]
        assert (await api("DELETE", "/account/keys/you@laptop")).status == 404
        assert (await api("GET", "/account/keys")).data == []
        assert api.revoking.keys == [("you@example.com", [made.data["id"]])], "what was opened with it ends"


async def test_what_cannot_be_read_is_a_400_and_what_is_not_there_a_404(tmp_path):
    async with running_api(tmp_path) as api:
        for body in (b"{", b"[]", b'"x"', b"\xff", b"[" * 100_000):
            async with api.http.post("http://hostd/apps", data=body, headers={"Hostd-User": api.user}) as response:
                assert response.status == 400
                assert (await response.json())["id"] == "bad_request"
        assert (await api("GET", "/nowhere")).data == {
            "id": "not_found",
            "message": "There is nothing at GET /nowhere.",
        }
        assert (await api("PUT", "/apps")).status == 405


async def test_a_fault_of_ours_is_a_500_without_its_inside(tmp_path, caplog):
    async with running_api(tmp_path) as api:
        api.ledger.close()
        answer = await api("GET", "/apps")
        assert (answer.status, answer.data["id"]) == (500, "internal_server_error")
        assert "journalctl" in answer.data["message"] and "database" not in answer.data["message"]
        assert "GET /apps failed" in caplog.text


async def test_a_change_is_finished_though_its_client_hangs_up(tmp_path):
    begun, finished = asyncio.Event(), asyncio.Event()

    async def slow(_request):
        begun.set()
        await asyncio.sleep(0.05)
        finished.set()
        return web.json_response({})

    application = web.Application(middlewares=[finish, explain])
    application.router.add_post("/slow", slow)
    runner = web.AppRunner(application, handler_cancellation=True)
    await runner.setup()
    path = str(tmp_path / "sock")
    await web.UnixSite(runner, path).start()
    try:
        _reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        await begun.wait()
        writer.close()
        await asyncio.wait_for(finished.wait(), 2)
    finally:
        await runner.cleanup()


async def test_status_and_version(tmp_path):
    from daemon_fakes import FakeUnit

    async with running_api(tmp_path) as api:
        routers = {part["name"]: part for part in (await api("GET", "/hostd/status")).data["components"]}["router"]
        assert (routers["status"], routers["detail"]) == ("degraded", "an admin sees why")
        api.user = "kate@example.com"
        parts = {part["name"]: part for part in (await api("GET", "/hostd/status")).data["components"]}
        assert parts["router"]["status"] == "degraded" and parts["pool"]["detail"] == "40.0 GiB free of 50.0 GiB"
        api.systemd.units = {
            "hostd-router@*.service": [FakeUnit("hostd-router@1.service"), FakeUnit("hostd-router@2.service")],
            "hostd-logplex.service": [FakeUnit("hostd-logplex.service")],
            "hostd-sshd.service": [FakeUnit("hostd-sshd.service")],
            "hostd-git.service": [FakeUnit("hostd-git.service")],
            "systemd-journald@hostd.socket": [FakeUnit("systemd-journald@hostd.socket")],
        }
        whole = (await api("GET", "/hostd/status")).data
        assert whole["status"] == "ok", whole
        parts = {part["name"]: part for part in whole["components"]}
        assert parts["network"]["detail"] == "2 in use of 10.83.0.0/16"
        api.networks.problems = ("The kernel forwards no packets.",)
        assert (await api("GET", "/hostd/status")).data["status"] == "degraded"
        api.networks.problems = ()
        own_sshd = api.systemd.units.pop("hostd-sshd.service")
        assert (await api("GET", "/hostd/status")).data["status"] == "degraded"
        api.systemd.units["ssh.service"] = own_sshd
        assert (await api("GET", "/hostd/status")).data["status"] == "ok"
        app = api.ledger.apps.create("hello", api.users["you"].id)
        logs = {part["name"]: part for part in (await api("GET", "/hostd/status")).data["components"]}["logs"]
        assert (logs["status"], logs["detail"]) == ("degraded", "no journal takes the lines of hello")
        api.systemd.units["hostd-journal@*.target"] = [FakeUnit(f"hostd-journal@{app.id}.target")]
        assert (await api("GET", "/hostd/status")).data["status"] == "ok"
        api.pool.free = 2**30
        assert (await api("GET", "/hostd/status")).data["status"] == "degraded"
        assert (await api("GET", "/hostd/version")).data["version"]


async def test_the_socket_also_serves_plain_sockets(tmp_path):
    """What a client of a few lines sees: status line, headers, JSON."""
    async with running_api(tmp_path) as api:

        def ask() -> bytes:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(api.socket))
                client.sendall(b"GET /account HTTP/1.0\r\nHostd-User: you@example.com\r\n\r\n")
                return b"".join(iter(lambda: client.recv(65536), b""))

        head, _, body = (await asyncio.to_thread(ask)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.0 200") and json.loads(body)["email"] == "you@example.com"


async def test_of_others_one_learns_by_their_email_that_they_are_users_and_no_more(tmp_path):
    async with running_api(tmp_path) as api:
        ann = (await api("GET", "/users/Ann@example.com")).data
        assert ann["email"] == "ann@example.com" and not {"admin", "name", "created_at", "updated_at"} & set(ann)
        assert (await api("GET", f"/users/{ann['id']}")).status == 404
        mine = (await api("GET", "/users/you@example.com")).data
        assert mine["admin"] is False and (await api("GET", f"/users/{mine['id']}")).data == mine
        api.user = "kate@example.com"
        assert (await api("GET", f"/users/{ann['id']}")).data["created_at"]
