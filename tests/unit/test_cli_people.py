"""Keys, users and access: what the commands ask the API and print, against a fake API."""

from __future__ import annotations

from pathlib import Path

import pytest
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
    hostd.on("POST /account/keys", (201, {})).on("POST /hostd/users", (201, {"email": "x@example.com"}))
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


@pytest.mark.thorough
def test_keys_that_are_too_weak_today_are_warned_of(hostd, tmp_path):
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    def line(bits):
        key = rsa.generate_private_key(65537, bits).public_key()
        return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()

    row = {"email": "you@example.com", "fingerprint": "SHA256:abc"}
    keys = [{**row, "public_key": line(2048), "comment": "old"}, {**row, "public_key": line(3072), "comment": "new"}]
    hostd.on("GET /account/keys", (200, keys))
    ran = hostctl(tmp_path, "keys")
    assert ran.err.startswith(" !    old is an RSA key of 2048 bits; new ones have at least 3072.")
    assert "keys:remove SHA256:abc" in ran.err and len(ran.err.splitlines()) == 1


def test_keys_clear_wants_to_be_sure(hostd, tmp_path):
    hostd.on("GET /account", (200, {"email": "you@example.com"})).on("DELETE /account/keys", (200, []))
    refused = hostctl(tmp_path, "keys:clear")
    assert refused.status == 1 and "--confirm you@example.com" in refused.err
    assert hostctl(tmp_path, "keys:clear", "-c", "somebody@else").status == 1
    assert not hostd.asked("DELETE /account/keys")
    ran = hostctl(tmp_path, "keys:clear", "--confirm", "you@example.com")
    assert (ran.status, ran.err) == (0, "Removing all SSH keys... done\n")


def test_users(hostd, tmp_path):
    people = [{"email": "you@example.com", "admin": True}, {"email": "k@x.org", "admin": False}]
    hostd.on("GET /hostd/users", (200, people)).on("POST /hostd/users", (201, {"email": "kate@example.com"}))
    hostd.on("DELETE /hostd/users/kate%40example.com", (200, {}))
    assert hostctl(tmp_path, "users").out == "=== Users\n\nyou@example.com  admin\nk@x.org          user\n"
    ran = hostctl(tmp_path, "users:add", "Kate@example.com", "--admin", "-k", "-", stdin=KEY.encode())
    assert (ran.status, ran.err) == (0, "Adding user Kate@example.com... done\n")
    sent = hostd.asked("POST /hostd/users")[0].json
    assert sent == {"email": "Kate@example.com", "admin": True, "public_key": KEY}
    assert hostctl(tmp_path, "users:remove", "kate@example.com").status == 0


def test_users_info(hostd, tmp_path):
    app = {"app": {"name": "hello"}, "role": "collaborator", "permissions": [{"name": "deploy"}, {"name": "view"}]}
    key = {"fingerprint": "SHA256:abc", "public_key": "ssh-ed25519 AAAA", "comment": "k@laptop"}
    user = {"email": "k@x.org", "admin": False, "created_at": "2026-01-27T10:48:08Z", "apps": [app], "keys": [key]}
    hostd.on("GET /hostd/users/k%40x.org", (200, user)).on("GET /account", (200, {"email": "k@x.org"}))
    ran = hostctl(tmp_path, "users:info", "k@x.org")
    assert ran.out == (
        "=== k@x.org\nAdmin: no\nSince: 2026-01-27T10:48:08Z\n\n=== Apps\nhello  collaborator  deploy, view\n\n"
        "=== Keys\nSHA256:abc  ssh-ed25519  k@laptop\n"
    )
    assert hostctl(tmp_path, "users:info").out == ran.out


def test_users_update(hostd, tmp_path):
    hostd.on("PATCH /hostd/users/k%40x.org", (200, {})).on("POST /hostd/users/k%40x.org/keys", (201, {}))
    assert hostctl(tmp_path, "users:update", "k@x.org", "--no-admin").err == "Updating user k@x.org... done\n"
    assert hostd.requests[-1].json == {"admin": False}
    assert hostctl(tmp_path, "users:update", "k@x.org", "--admin", "-k", "-", stdin=KEY.encode()).status == 0
    assert [request.json for request in hostd.requests[-2:]] == [{"admin": True}, {"public_key": KEY}]
    for words in ([], ["--admin", "--no-admin"]):
        assert hostctl(tmp_path, "users:update", "k@x.org", *words).status == 2


TRANSFER = {
    "app": {"name": "hello"},
    "owner": {"email": "you@example.com"},
    "recipient": {"email": "k@x.org"},
    "state": "pending",
    "created_at": "2026-01-27T10:48:08Z",
}


def test_transfers(hostd, tmp_path):
    made = TRANSFER | {"state": "accepted"}
    hostd.on("POST /account/app-transfers", (201, TRANSFER), (201, made))
    hostd.on("GET /account/app-transfers", (200, [made]))
    hostd.on("PATCH /account/app-transfers/hello", (200, made)).on("DELETE /account/app-transfers/hello", (200, made))
    assert hostctl(tmp_path, "apps:transfer", "k@x.org", "-a", "hello").err == (
        "Transferring hello to k@x.org... pending\n"
        "k@x.org accepts it with: hostctl apps:transfers:accept -a hello\n"
        "To take it back: hostctl apps:transfers:cancel -a hello\n"
    )
    assert hostd.requests[-1].json == {"app": "hello", "recipient": "k@x.org"}
    ran = hostctl(tmp_path, "apps:transfer", "k@x.org", "-a", "hello")
    assert ran.err == "Transferring hello to k@x.org... done\n"
    assert hostctl(tmp_path, "apps:transfers").out == (
        "=== Transfers\n\nhello  from you@example.com  to k@x.org  accepted  2026-01-27T10:48:08Z\n"
    )
    for verb, sent in (("accept", {"state": "accepted"}), ("decline", {"state": "declined"}), ("cancel", None)):
        assert hostctl(tmp_path, f"apps:transfers:{verb}", "-a", "hello").status == 0
        assert sent is None or hostd.requests[-1].json == sent


def test_audit(hostd, tmp_path):
    def entry(target, **more):
        return {
            "created_at": "2026-01-27T10:48:08Z", "user": {"email": "k@x.org"}, "door": "socket", "address": "ssh",
            "method": "POST", "target": target, "status": 200, "app": {"name": "hello"},
        } | more  # fmt: skip

    rows = [entry("git push 20a5742", address="192.0.2.7"), entry("/apps/hello", method="PATCH")]
    hostd.on("GET /hostd/audit?max=100", (200, rows))
    hostd.on("GET /hostd/apps/hello/audit?user=k%40x.org&since=1d&max=5", (200, []))
    assert hostctl(tmp_path, "audit").out == (
        "2026-01-27T10:48:08Z  k@x.org  ssh            200  PATCH /apps/hello\n"
        "2026-01-27T10:48:08Z  k@x.org  ssh 192.0.2.7  200  POST git push 20a5742 (hello)\n"
    )
    ran = hostctl(tmp_path, "audit", "-a", "hello", "-u", "k@x.org", "--since", "1d", "-n", "5")
    assert (ran.out, ran.err) == ("", "Nothing is recorded that fits.\n")


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
