"""The route table: what is accepted, how hosts are found, how it is kept on disk."""

import json
import os
import stat
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.store import BOOT_ID, load, save, this_boot, tidy
from router.table import App, Dyno, State, Table, TableError, normal_host

HELLO = App("a-1", "hello", ("hello.localhost", "www.example.com"), State.UP, (Dyno("web.1", "127.0.0.1", 20001),))
WILD = App("a-2", "wild", ("*.example.com",), State.STARTING)
TABLE = Table(17, "localhost", (HELLO, WILD))


def test_a_table_survives_json():
    assert Table.parse(TABLE.to_json()) == TABLE
    assert Table.parse(Table().to_json()) == Table()
    assert json.loads(TABLE.to_json())["apps"][0]["dynos"] == [
        {"name": "web.1", "address": "127.0.0.1", "port": 20001}
    ]


def test_after_a_reboot_no_dyno_is_where_it_was():
    saved = Table.parse(Table(17, "localhost", (HELLO, WILD), "before").to_json())
    assert saved.in_boot("before") is saved
    after = saved.in_boot("after").lookup("hello.localhost")
    assert after is not None
    assert (after.state, after.dynos) == (State.STARTING, ())
    assert TABLE.in_boot("after") is TABLE


def test_systemd_knows_better_than_the_kernel_which_boot_this_is(monkeypatch):
    monkeypatch.setenv("BOOT_ID", "4213cd9e781d4cd99ca18f271e68e491")
    assert this_boot() == "4213cd9e-781d-4cd9-9ca1-8f271e68e491"
    monkeypatch.delenv("BOOT_ID")
    assert this_boot() == BOOT_ID.read_text().strip()


def test_after_a_reboot_an_app_that_slept_sleeps_on():
    saved = Table(17, "localhost", (replace(HELLO, state=State.IDLE, dynos=()),), "before")
    assert saved.in_boot("after").lookup("hello.localhost") == saved.apps[0]


@pytest.mark.parametrize("host", ["hello.localhost", "HELLO.localhost", "hello.localhost:8080", "Hello.LocalHost.:80"])
def test_hosts_are_found_however_they_are_written(host):
    assert TABLE.lookup(host) is HELLO


def test_exact_hosts_come_before_wildcards():
    assert TABLE.lookup("www.example.com") is HELLO
    assert TABLE.lookup("other.example.com") is WILD
    assert TABLE.lookup("a.b.example.com") is None
    assert TABLE.lookup("example.com") is None
    for host in ("", ".", ".example.com", "..example.com", "example.com.", "x.example.com.."):
        assert TABLE.lookup(host) is None


@given(st.text())
def test_any_host_can_be_looked_up(host):
    assert TABLE.lookup(host) in (HELLO, WILD, None)


def test_ipv6_hosts_keep_their_colons():
    assert normal_host("[::1]:80") == "[::1]"
    assert normal_host("[") == ""


def entry(**changes: object) -> str:
    app = {"id": "a", "name": "app", "hosts": ["app.localhost"], "state": "up", "dynos": []} | changes
    return json.dumps({"sequence": 1, "domain": "localhost", "apps": [app]})


DYNO = {"name": "web.1", "address": "127.0.0.1", "port": 1}


@pytest.mark.parametrize(
    ("document", "word"),
    [
        ("", "JSON"),
        ("[]", "the table"),
        ("[" * 100_000, "JSON"),
        ("{}", "apps"),
        ('{"sequence": -1, "apps": []}', "sequence"),
        ('{"sequence": true, "apps": []}', "sequence"),
        (entry(id="a\nb"), "id of app app"),
        (entry(name="A b"), "app name"),
        (entry(state="fine"), "state of app app"),
        (entry(hosts="x"), "hosts of app app"),
        (entry(hosts=["a b"]), "host of app app"),
        (entry(dynos=[DYNO | {"port": 0}]), "port of web.1"),
        (entry(dynos=[DYNO | {"port": "1"}]), "port of web.1"),
        (entry(dynos=[DYNO | {"address": "localhost"}]), "not an IP address"),
        (entry(dynos=[DYNO | {"name": "web 1"}]), "dyno name"),
        (entry(dynos=[DYNO, DYNO]), "twice"),
    ],
)
def test_what_is_wrong_is_named(document, word):
    with pytest.raises(TableError, match=word):
        Table.parse(document)


def test_no_host_belongs_to_two_apps():
    with pytest.raises(TableError, match=r"x\.localhost belongs to both one and two"):
        Table(1, "localhost", tuple(App(n, n, ("x.localhost",), State.NONE) for n in ("one", "two")))


def test_the_file_is_replaced_in_one_step(tmp_path):
    path = tmp_path / "routes.json"
    assert load(path) is None
    save(path, TABLE)
    save(path, Table(18, "localhost", (HELLO,)))
    assert load(path) == Table(18, "localhost", (HELLO,))
    assert [item.name for item in tmp_path.iterdir()] == ["routes.json"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "routes.json"
    save(path, TABLE)
    bad = Table(1, "localhost", (App("x", "x", (os.fsdecode(b"\xff"),), State.NONE),))
    object.__setattr__(bad, "domain", object())
    with pytest.raises(TypeError):
        save(path, bad)
    assert load(path) == TABLE
    assert len(list(tmp_path.iterdir())) == 1


def test_what_a_killed_save_left_is_taken_away(tmp_path):
    path = tmp_path / "routes.json"
    save(path, TABLE)
    (tmp_path / ".routes.json.x7_kq2").write_text("half of a ta")
    (tmp_path / ".routes.other").touch()
    tidy(path)
    assert {item.name for item in tmp_path.iterdir()} == {"routes.json", ".routes.other"}
