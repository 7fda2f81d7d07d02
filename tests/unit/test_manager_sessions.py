"""Sessions: one-off dynos and visits that lose their client, or their hostd, or both; and the attach socket."""

import asyncio
import json
import os
import signal
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from manager_fakes import APP_ID, Bench

from hostd.errors import Conflict, NotFound
from hostd.manager.attach import AttachServer
from hostd.manager.copying import copy_command
from hostd.manager.dyno import Dyno, DynoId, DynoState, Place
from hostd.manager.environment import EnvironmentFiles, parse, render
from hostd.manager.forwards import Forward, Forwards
from hostd.manager.oneoffs import OneOffs
from hostd.manager.session_files import SessionFiles
from hostd.manager.visits import Visit, Visits
from units.enter import Refused
from units.systemd import UnitInfo

DYNO = Dyno(
    "id", APP_ID, "web.1", "web", 1, 2, DynoState.UP, 0.0, "serve", "standard-1x", "10.0.0.2", 20000,
    unit="hostd-hello-web.1-v2.service",
)  # fmt: skip


def info(name, active="active", code=0, status=0, pid=77):
    return UnitInfo(name, "", active, "running", "success", code, status, pid, "/a.slice/x")


class FakeUnits:
    """Units as a dictionary, with the dyno among them."""

    def __init__(self):
        self.units = {DYNO.unit: info(DYNO.unit)}
        self.started = {}
        self.signals = []
        self.ends_by_hangup = True

    async def start(self, name, properties):
        self.started[name] = properties
        self.units[name] = info(name)

    async def stop(self, name):
        found = self.units.pop(name, None)
        return found and replace(found, active="inactive", exec_main_code=2, exec_main_status=15)

    def kill(self, name, signal):
        self.signals.append((name, signal))
        if self.ends_by_hangup:
            self.units[name] = info(name, "failed", 2, 1, 0)

    def reset_failed(self, name):
        self.units.pop(name, None)

    def info(self, name):
        return self.units.get(name)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def one_offs_of(bench, **seconds):
    files = SessionFiles(bench.directory / "sessions")
    return OneOffs(bench.tools, lambda _app_id: bench.wanted, files, **seconds)


def visits_of(tmp_path, units, **seconds):
    environments = EnvironmentFiles(tmp_path / "env")
    environments.write(DYNO.unit, {"COLOUR": "green", "ODD": 'a "b"\n$c `d` \\e'})
    return Visits(units, environments, SessionFiles(tmp_path / "sessions"), **seconds)


async def attached(one_offs, **how):
    made = one_offs.run_attached(APP_ID, "bash", env={}, size=None, **how)
    return await one_offs.attach(made.attach_token, (0, 1, 2))


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def test_a_client_that_never_comes_is_an_attach_error(bench):
    one_offs = one_offs_of(bench, patience=0.0)
    made = one_offs.run_attached(APP_ID, "bash", env={}, size=None)
    await until(lambda: one_offs.dynos(APP_ID)[0].state is DynoState.DOWN)
    assert any("Error R13 (Attach error)" in line for line in bench.events.lines)
    assert await one_offs.attach(made.attach_token, (0, 1, 2)) is None


async def test_a_client_that_goes_is_told_to_the_dyno(bench):
    one_offs = one_offs_of(bench)
    session = await attached(one_offs)
    gone = asyncio.create_task(one_offs.client_gone(session))
    await until(lambda: bench.launcher.hung_up == [session.unit])
    one_offs.nudge(session.unit)
    await gone
    assert session.ended.is_set()
    assert not any("R16" in line for line in bench.events.lines)


async def test_a_dyno_that_outlives_its_client_is_stopped(bench):
    one_offs = one_offs_of(bench, hangup=0.0)
    session = await attached(one_offs)
    bench.launcher.ends_by_hangup = False
    await one_offs.client_gone(session)
    assert any("Error R16 (Detached)" in line for line in bench.events.lines)
    assert (session.status, bench.launcher.units) == (143, {})


async def test_a_client_finds_its_dyno_again_after_a_restart(bench):
    session = await attached(one_offs_of(bench))
    after = one_offs_of(bench, patience=0.0)
    after.adopt(APP_ID, session.record.id)
    found = after.rejoin(session.token)
    found.clients += 1
    await asyncio.sleep(0.01)
    assert (bench.launcher.hung_up, after.dynos(APP_ID)[0].command) == ([], "bash")


async def test_a_client_that_died_with_hostd_takes_its_dyno_along(bench):
    session = await attached(one_offs_of(bench))
    after = one_offs_of(bench, patience=0.0)
    after.adopt(APP_ID, session.record.id)
    await until(lambda: bench.launcher.hung_up)
    after.nudge(session.unit)
    assert after.rejoin(session.token).ended.is_set()
    assert list((bench.directory / "sessions").iterdir()) == []


async def test_a_detached_dyno_waits_for_nobody(bench):
    made = await one_offs_of(bench).run_detached(APP_ID, "sleep 9", env={}, size="eco")
    after = one_offs_of(bench, patience=0.0)
    dyno = DynoId("hello", "run", made.dyno.number, 2, Place(made.dyno.address, made.dyno.port), "eco")
    after.adopt(APP_ID, dyno)
    await asyncio.sleep(0.01)
    assert bench.launcher.hung_up == []
    assert [(one.command, one.size) for one in after.dynos(APP_ID)] == [("sleep 9", "eco")]


async def test_a_visit_has_the_environment_of_its_dyno_and_its_own(tmp_path):
    units = FakeUnits()
    visits = visits_of(tmp_path, units)
    token = visits.prepare(Visit(DYNO, "hello", 200_001, ["/bin/sh"], {"TERM": "xterm"}))
    session = await visits.attach(token, (0, 1, 2))
    order = json.loads((tmp_path / "sessions" / f"{session.unit}.json").read_text())
    assert order["env"] == {"COLOUR": "green", "ODD": 'a "b"\n$c `d` \\e', "TERM": "xterm"}
    assert (order["pid"], order["control_group"], order["uid"]) == (77, "/a.slice/x", 200_001)
    assert "green" not in repr(units.started)
    assert (tmp_path / "sessions" / f"{session.unit}.json").stat().st_mode & 0o777 == 0o600
    assert await visits.attach(token, (0, 1, 2)) is None


async def test_a_visit_ends_and_leaves_nothing(tmp_path):
    units = FakeUnits()
    visits = visits_of(tmp_path, units)
    token = visits.prepare(Visit(DYNO, "hello", 200_001, ["/bin/sh"]))
    session = await visits.attach(token, (0, 1, 2))
    units.units[session.unit] = info(session.unit, "failed", 1, 3, 0)
    visits.nudge(session.unit)
    assert (session.ended.is_set(), session.status) == (True, 3)
    await until(lambda: session.unit not in units.units and not list((tmp_path / "sessions").iterdir()))


async def test_a_visit_without_its_client_ends(tmp_path):
    units = FakeUnits()
    visits = visits_of(tmp_path, units, hangup=0.0)
    session = await visits.attach(visits.prepare(Visit(DYNO, "hello", 200_001, ["/bin/sh"])), (0, 1, 2))
    units.ends_by_hangup = False
    await visits.client_gone(session)
    assert session.unit not in units.units
    assert (session.ended.is_set(), session.status) == (True, 143)


async def test_a_visit_is_told_when_its_dyno_is_stopped(tmp_path):
    units = FakeUnits()
    visits = visits_of(tmp_path, units)
    session = await visits.attach(visits.prepare(Visit(DYNO, "hello", 200_001, ["/bin/sh"])), (0, 1, 2))
    visits.dyno_changed(DYNO.unit)
    assert units.signals == []
    units.units[DYNO.unit] = info(DYNO.unit, "deactivating")
    visits.dyno_changed("hostd-hello-web.11-v2.service")
    visits.dyno_changed(DYNO.unit)
    assert units.signals == [(session.unit, signal.SIGHUP)]


async def test_a_visit_is_found_again_after_a_restart(tmp_path):
    units = FakeUnits()
    session = await (before := visits_of(tmp_path, units)).attach(
        before.prepare(Visit(DYNO, "hello", 200_001, ["/bin/sh"])), (0, 1, 2)
    )
    after = visits_of(tmp_path, units, patience=0.0)
    after.adopt([session.unit])
    assert after.rejoin(session.token).unit == session.unit
    await until(lambda: units.signals)


async def test_a_dyno_that_has_ended_is_not_visited(tmp_path):
    units = FakeUnits()
    visits = visits_of(tmp_path, units)
    token = visits.prepare(Visit(DYNO, "hello", 200_001, ["/bin/sh"]))
    del units.units[DYNO.unit]
    with pytest.raises(Conflict, match=r"web\.1 has ended"):
        await visits.attach(token, (0, 1, 2))
    assert units.started == {}


@pytest.mark.parametrize(
    "failure, said",
    [
        (ConnectionRefusedError(), "Nothing listens on port 5000"),
        (Refused(), "has ended"),
        (TimeoutError("x"), "reach"),
    ],
)
async def test_a_port_that_cannot_be_reached(failure, said):
    async def connect(_target):
        raise failure

    forwards = Forwards(FakeUnits(), connect=connect)
    with pytest.raises(Conflict, match=said):
        await forwards.connect(forwards.prepare(Forward(DYNO, 200_001, 5000)))
    with pytest.raises(NotFound):
        await forwards.connect("another")


async def test_the_attach_socket_hands_a_connection_over(tmp_path):
    ours, theirs = socket.socketpair()

    async def connect(target):
        assert target.port == 5000
        return theirs

    forwards = Forwards(FakeUnits(), connect=connect)
    async with serving(tmp_path, (), forwards) as path:
        line, descriptors = await asyncio.to_thread(
            ask, path, {"token": forwards.prepare(Forward(DYNO, 1, 5000)), "forward": True}
        )
        assert json.loads(line) == {"state": "up"}
        with socket.socket(fileno=descriptors[0]) as connected, ours:
            connected.sendall(b"through")
            assert ours.recv(10) == b"through"
        for wrong in ({"token": "x", "forward": True}, {"token": "x", "resume": True}, {"token": 7}, {}, []):
            line, descriptors = await asyncio.to_thread(ask, path, wrong)
            assert ("error" in json.loads(line), descriptors) == (True, [])


async def test_the_attach_socket_tells_the_end_to_a_client_that_came_back(bench, tmp_path):
    one_offs = one_offs_of(bench)
    session = await attached(one_offs)
    async with serving(tmp_path, [one_offs], Forwards(FakeUnits())) as path:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(json.dumps({"token": session.token, "resume": True}).encode() + b"\n")
        assert json.loads(await reader.readline()) == {"state": "up"}
        bench.launcher.units[session.unit] = "failed"
        one_offs.nudge(session.unit)
        assert json.loads(await reader.readline()) == {"exit": 1}
        writer.close()


class serving:  # noqa: N801 - used as a function
    """The attach socket in a folder."""

    def __init__(self, folder, hosts, forwards):
        self._path = str(folder / "attach.sock")
        self._hosts, self._forwards = hosts, forwards

    async def __aenter__(self):
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self._path)
        self._listener.listen()
        self._server = AttachServer(self._listener, self._hosts, self._forwards)
        self._server.start()
        return self._path

    async def __aexit__(self, *_):
        await self._server.close()
        self._listener.close()


def ask(path, request):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(path)
        client.sendall(json.dumps(request).encode() + b"\n")
        line, descriptors, _, _ = socket.recv_fds(client, 4096, 1)
        return line, descriptors


def test_an_environment_is_read_back_as_it_was():
    odd = {"A": 'x"y', "B": "two\nlines", "C": "$HOME `id` \\n \\", "D": "", "E": 'F="1"\n'}
    assert parse(render(odd)) == odd


def copied(tmp_path, file, *, archive=False):
    argv = copy_command(str(file), archive=archive)
    # Nothing here is /app: the script goes there first.
    argv[2] = argv[2].replace("cd /app", f"cd {tmp_path}")
    return subprocess.run(argv, capture_output=True, check=False)


def test_a_file_is_copied_with_its_size_before_it(tmp_path):
    (tmp_path / "-odd 'name'").write_bytes(b"\0content\n")
    done = copied(tmp_path, "-odd 'name'")
    assert (done.returncode, done.stdout) == (0, b"9\n\0content\n")


def test_a_file_without_a_size_is_copied_too(tmp_path):
    assert copied(tmp_path, "/proc/version").stdout == b"0\n" + Path("/proc/version").read_bytes()


@pytest.mark.parametrize(
    "name, said",
    [("none", "no such file"), ("folder", "--tar"), ("fifo", "neither a file nor"), ("/dev/zero", "neither")],
)
def test_what_cannot_be_copied_is_said(tmp_path, name, said):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    done = copied(tmp_path, name)
    assert (done.returncode, done.stdout) == (1, b"")
    assert said in done.stderr.decode() and done.stderr.decode().startswith(name)


def test_a_directory_is_copied_as_an_archive(tmp_path):
    (tmp_path / "folder/below").mkdir(parents=True)
    (tmp_path / "folder/below/file").write_text("x")
    header, _, archive = copied(tmp_path, "folder", archive=True).stdout.partition(b"\n")
    listed = subprocess.run(["tar", "-tf", "-"], input=archive, capture_output=True, check=True).stdout.split()
    assert (header, listed[-1]) == (b"-", b"./folder/below/file")
