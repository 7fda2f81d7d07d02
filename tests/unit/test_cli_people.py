"""Keys, users and access: what the commands ask the API and print, against a fake API."""

from __future__ import annotations

from pathlib import Path

from cli_fakes import hostctl

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJbsQ7V0000000000000000000000000000000000000 you@laptop"


def test_keys(hostd, tmp_path):
    hostd.on(
        "GET /account/keys",
        (200, [{"email": "you@example.com", "public_key": KEY.rpartition(" ")[0], "comment": "you@laptop"}]),
    )
    assert hostctl(tmp_path, "keys").out == (
        "=== you@example.com keys\n\nssh-ed25519 AAAAC3NzaC...0000000000 you@laptop\n"
    )
    assert hostctl(tmp_path, "keys", "--long").out.splitlines()[-1] == KEY


def test_keys_add(hostd, tmp_path, monkeypatch):
    hostd.on("POST /account/keys", (201, {}))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "ssh-keygen" in hostctl(tmp_path, "keys:add").err
    (tmp_path / ".ssh").mkdir()
    for name in ("id_rsa.pub", "id_ed25519.pub"):
        (tmp_path / ".ssh" / name).write_text(f"{name}\n")
    ran = hostctl(tmp_path, "keys:add")
    assert ran.err == f"Uploading {tmp_path}/.ssh/id_ed25519.pub SSH key... done\n"
    hostctl(tmp_path, "keys:add", str(tmp_path / ".ssh" / "id_rsa.pub"))
    hostctl(tmp_path, "keys:add", "-", stdin=KEY.encode())
    hostctl(tmp_path, "keys:add", *KEY.split())
    sent = [request.json["public_key"] for request in hostd.asked("POST /account/keys")]
    assert sent == ["id_ed25519.pub\n", "id_rsa.pub\n", KEY, KEY]


def test_keys_add_refuses_what_is_no_public_key(hostd, tmp_path):
    private = tmp_path / "id"
    private.write_text("-----BEGIN OPENSSH PRIVATE KEY-----")
    for given in (private, tmp_path, tmp_path / "none", Path("/dev/zero")):
        ran = hostctl(tmp_path, "keys:add", str(given))
        assert (ran.status, hostd.requests) == (1, []), given


def test_over_ssh_no_file_of_the_server_is_read(hostd, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(KEY)
    hostd.on("POST /account/keys", (201, {})).on("POST /users", (201, {"email": "x@example.com"}))
    for words in (["keys:add", str(secret)], ["keys:add"], ["users:add", "x@example.com", "--key", str(secret)]):
        assert hostctl(tmp_path, *words, user="you@example.com").status == 2
    assert hostd.requests == []
    assert hostctl(tmp_path, "keys:add", KEY, user="you@example.com").status == 0
    assert hostd.requests[0].headers["Hostd-User"] == "you@example.com"
    assert hostctl(tmp_path, "box", "shell", user="you@example.com").status == 1
    assert hostctl(tmp_path, "ps", user="you@example.com").err.startswith(" !    Which app? Say -a APP.")


def test_keys_remove(hostd, tmp_path):
    hostd.on("DELETE /account/keys/you%40laptop", (200, {}))
    assert hostctl(tmp_path, "keys:remove", "you@laptop").err == "Removing you@laptop SSH key... done\n"


def test_users(hostd, tmp_path):
    hostd.on("GET /users", (200, [{"email": "you@example.com", "admin": True}, {"email": "k@x.org", "admin": False}]))
    hostd.on("POST /users", (201, {"email": "kate@example.com"})).on("POST /account/keys", (201, {}))
    hostd.on("DELETE /users/kate%40example.com", (200, {}))
    assert hostctl(tmp_path, "users").out == "=== Users\n\nyou@example.com  admin\nk@x.org          user\n"
    ran = hostctl(tmp_path, "users:add", "Kate@example.com", "--admin", "-k", "-", stdin=KEY.encode())
    assert (ran.status, ran.err) == (0, "Adding user Kate@example.com... done\n")
    assert hostd.asked("POST /users")[0].json == {"email": "Kate@example.com", "admin": True}
    assert hostd.asked("POST /account/keys")[0].headers["Hostd-User"] == "kate@example.com"
    assert hostctl(tmp_path, "users:remove", "kate@example.com").status == 0


def test_a_user_whose_key_is_refused_is_not_left_behind(hostd, tmp_path):
    hostd.on("POST /users", (201, {"email": "k@x.org"})).on("DELETE /users/k%40x.org", (200, {}))
    hostd.on("POST /account/keys", (422, {"id": "invalid_params", "message": "That is no ssh key."}))
    ran = hostctl(tmp_path, "users:add", "k@x.org", "-k", "-", stdin=b"rubbish")
    assert (ran.status, ran.err) == (1, "Adding user k@x.org... failed\n !    That is no ssh key.\n")
    assert hostd.asked("DELETE /users/k%40x.org")


def test_access(hostd, tmp_path):
    view, deploy = {"name": "view", "description": "See"}, {"name": "deploy", "description": "Push"}
    people = [
        {"user": {"email": "you@example.com"}, "role": "owner", "permissions": [deploy, view]},
        {"user": {"email": "k@x"}, "role": "collaborator", "permissions": [view]},
    ]
    hostd.on("GET /apps/hello/collaborators", (200, people)).on("POST /apps/hello/collaborators", (201, {}))
    hostd.on("DELETE /apps/hello/collaborators/k%40x", (200, {}))
    assert hostctl(tmp_path, "access", "-a", "hello").out == (
        "=== hello Access\n\nyou@example.com  owner         deploy, view\nk@x              collaborator  view\n"
    )
    assert hostctl(tmp_path, "access:add", "k@x", "-a", "hello").err == "Adding k@x access to the app hello... done\n"
    assert hostd.asked("POST /apps/hello/collaborators")[0].json == {"user": "k@x"}
    assert hostctl(tmp_path, "sharing:remove", "k@x", "-a", "hello").status == 0


def test_access_with_rights(hostd, tmp_path):
    hostd.on("POST /apps/hello/collaborators", (201, {})).on("PATCH /apps/hello/collaborators/k%40x", (200, {}))
    ran = hostctl(tmp_path, "access:add", "k@x", "-p", "Deploy, operate", "-a", "hello")
    assert ran.err == "Adding k@x access to the app hello with deploy, operate permissions... done\n"
    assert hostd.requests[-1].json == {"user": "k@x", "permissions": ["deploy", "operate"]}
    ran = hostctl(tmp_path, "access:update", "k@x", "--permissions", "view", "-a", "hello")
    assert ran.err == "Updating k@x in application hello with view permissions... done\n"
    assert hostd.requests[-1].json == {"permissions": ["view"]}
    ran = hostctl(tmp_path, "access:update", "k@x", "-a", "hello")
    assert ran.status == 2 and "Say with -p" in ran.err
