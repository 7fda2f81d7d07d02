"""What somebody has running ends when they lose the right to it: in dynos, at the logplex, over ssh."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from kept_fakes import session as log_session
from manager_fakes import APP_ID, Bench
from test_logplex_streams import KEY, logplex
from test_manager_sessions import DYNO, FakeUnits, attached, one_offs_of, visits_of

from hostd.errors import BadRequest, Forbidden, NotFound
from hostd.holders import holder
from hostd.ledger.access import Right
from hostd.logplex.sessions import LIFETIME, Ending, sign, sign_ending, verify_ending
from hostd.manager.dyno import DynoState
from hostd.manager.forwards import Forward, Forwards
from hostd.manager.visits import Visit
from hostd.revoking import Revoking
from hostd.ssh.sessions import SshSession, SshSessions
from hostd.tailing import Tails


def of_eve(holder, app_id):
    return (holder, app_id) == ("eve", APP_ID)


# In dynos


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


async def test_attached_dynos_end_by_whose_they_are(bench):
    one_offs = one_offs_of(bench)
    eves, kates = await attached(one_offs, holder="eve"), await attached(one_offs, holder="kate")
    waiting = one_offs.run_attached(APP_ID, "bash", env={}, size=None, holder="eve")
    detached = await one_offs.run_detached(APP_ID, "work", env={}, size=None)
    await one_offs.end_where(of_eve)
    assert (eves.ended.is_set(), kates.ended.is_set()) == (True, False)
    assert bench.launcher.hung_up == [eves.unit]
    assert await one_offs.attach(waiting.attach_token, (0, 1, 2)) is None
    states = {dyno.name: dyno.state for dyno in one_offs.dynos(APP_ID)}
    assert states[detached.dyno.name] is DynoState.UP, "it is the app's, whoever began it"
    assert any("The right to this session was taken away" in line for line in bench.events.lines)


async def test_whose_a_dyno_is_outlives_hostd(bench):
    begun = await attached(one_offs_of(bench), holder="eve")
    after = one_offs_of(bench)
    after.adopt(APP_ID, begun.record.id)
    await after.end_where(of_eve)
    assert after.rejoin(begun.token).ended.is_set()


async def test_visits_end_too_and_so_do_those_to_come(tmp_path):
    units = FakeUnits()
    visits = visits_of(tmp_path, units)
    visit = Visit(DYNO, "hello", 200_000, ["sh"], {}, holder="eve")
    running = await visits.attach(visits.prepare(visit), (0, 1, 2))
    other = await visits.attach(visits.prepare(Visit(DYNO, "hello", 200_000, ["sh"], {}, holder="kate")), (0, 1, 2))
    to_come = visits.prepare(visit)
    after = visits_of(tmp_path, units)
    after.adopt([running.unit, other.unit])
    await after.end_where(of_eve)
    assert running.unit not in units.units and other.unit in units.units
    await visits.end_where(of_eve)
    assert await visits.attach(to_come, (0, 1, 2)) is None
    await visits.close()
    await after.close()


async def test_connections_that_were_granted_are_granted_no_more():
    forwards = Forwards(FakeUnits())
    token = forwards.prepare(Forward(DYNO, 200_000, 80, holder="eve"))
    forwards.withdraw_where(of_eve)
    with pytest.raises(NotFound):
        await forwards.connect(token)


# At the logplex


async def test_tails_of_a_user_are_cut_and_those_not_begun_are_refused(tmp_path):
    async with logplex(tmp_path) as (store, ask, path, _server):
        store.write("line")
        eves, kates = await ask(tail=True, user="eve"), await ask(tail=True, user="kate")
        for client in (eves, kates):
            await client.chunk()
        tails = Tails(Path(path), KEY)
        now = int(tails._clock())
        assert await tails.end("eve", "another-app") == 0
        assert await tails.end("eve", log_session().app) == 0, "granted in a far future"
        early = await ask(tail=True, user="eve", expires=now + LIFETIME)
        assert early.status == 403
        assert await Tails(Path(path), KEY, lambda: 2.0**41).end("eve", None) == 1
        assert await asyncio.wait_for(eves.reader.read(), 2) == b"", "cut, not ended"
        store.write("more")
        assert "more" in await kates.chunk()
        assert (await ask(tail=True, user="eve", expires=2**42)).status == 200, "asked for afterwards"


async def test_only_hostd_ends_streams(tmp_path, caplog):
    async with logplex(tmp_path) as (_store, _ask, path, _server):
        assert await Tails(Path(path), b"x" * 32).end("eve", None) == 0
        assert "did not end log streams" in caplog.text
    assert await Tails(tmp_path / "nowhere", KEY).end("eve", None) == 0
    query = sign_ending(Ending("eve", None, 1), KEY)
    assert verify_ending(query, KEY) == Ending("eve", None, 1)
    with pytest.raises(Forbidden):
        verify_ending(query.replace("eve", "ann"), KEY)
    with pytest.raises(BadRequest, match="another version"):
        verify_ending(sign(log_session(), KEY), KEY)


# Over ssh


@pytest.fixture
def ssh(tmp_path):
    """`ssh(email, command)` begins a process that looks like sshd's forced command; and all of them."""
    program = tmp_path / "hostd-ssh"
    program.write_text("import time\nprint('begun', flush=True)\ntime.sleep(600)\n")
    begun = []

    def begin(email, command, *key):
        env = {"SSH_ORIGINAL_COMMAND": command}
        process = subprocess.Popen([sys.executable, str(program), email, *key], env=env, stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"begun\n"
        begun.append(process)
        return process

    yield begin, SshSessions(os.getuid())
    for process in begun:
        process.kill()
        process.wait()
        process.stdout.close()


def test_sessions_are_found_by_who_they_are_of(ssh):
    begin, sessions = ssh
    one, other = begin("eve@example.com", "logs -t -a hello"), begin("kate@example.com", "git-upload-pack 'a.git'")
    assert sessions.of("eve@example.com") == [SshSession(one.pid, "eve@example.com", ("logs", "-t", "-a", "hello"))]
    assert [found.words for found in sessions.of("kate@example.com")] == [("git-upload-pack", "a.git")]
    assert SshSessions(None).of("eve@example.com") == SshSessions(4_000_000_000).of("eve@example.com") == []
    sessions.end(sessions.of("eve@example.com")[0], connection=True)
    assert (one.wait(5), other.poll()) == (-signal.SIGTERM, None), "and not the test, which is no sshd"


def test_the_key_of_a_session_is_known(ssh):
    begin, sessions = ssh
    begin("eve@example.com", "ps", "key-1"), begin("eve@example.com", "ps")
    assert sorted(found.key for found in sessions.of("eve@example.com")) == ["", "key-1"]


def test_what_came_over_https_is_a_session_too():
    env = {"HOSTD_USER": "eve@example.com", "HOSTD_APP": "app-1", "PATH": "/usr/bin:/bin"}
    words = ["git", "-c", "alias.upload=!echo begun; exec sleep 600; :", "upload", "--stateless-rpc"]
    process = subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout.readline() == b"begun\n"
        sessions = SshSessions(os.getuid())
        assert SshSession(process.pid, "eve@example.com", ("git-upload", "app-1")) in sessions.of("eve@example.com")
        sessions.end(sessions.of("eve@example.com")[0])
        assert process.wait(10) != 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_number_that_is_somebody_elses_by_now_is_let_be(ssh):
    begin, sessions = ssh
    other = begin("kate@example.com", "ps")
    sessions.end(SshSession(other.pid, "eve@example.com", ("ps",)))
    assert other.poll() is None
    other.kill()
    other.wait()
    sessions.end(SshSession(other.pid, "kate@example.com", ("ps",)))


# All of it


class Parts:
    """Notes what is to be ended."""

    def __init__(self, sessions):
        self.sessions = sessions
        self.ended, self.streams, self.lost = [], [], {}

    def end_where(self, lost, reason):
        self.lost["deploys"], self.reason = lost, reason

    async def end_sessions(self, lost):
        self.lost["dynos"] = lost

    async def end(self, holder, app_id):
        self.streams.append((holder, app_id))
        return 0

    def of(self, email):
        return [session for session in self.sessions if session.email == email]


class Connections(Parts):
    """The same for ssh, whose `end` is another."""

    def end(self, session, *, connection=False):
        self.ended.append((session.words[0], connection))


@pytest.fixture
def scene(ledger):
    kate, eve = ledger.users.add("kate@example.com", admin=True), ledger.users.add("eve@example.com")
    app, other = ledger.apps.create("hello", kate.id), ledger.apps.create("other", kate.id)
    ledger.access.add(app.id, eve.id)
    ledger.access.add(other.id, eve.id)
    commands = (
        "git-receive-pack /hello.git", "git-upload-pack hello", "logs -t --app=hello", "run -a hello bash",
        f"ps:exec -a {app.id} top", "logs -t -a other", "run bash -a other", "help",
    )  # fmt: skip
    sessions = [SshSession(number, eve.email, tuple(text.split())) for number, text in enumerate(commands)]
    connections, parts = Connections([*sessions, SshSession(99, kate.email, ("logs", "-a", "hello"))]), Parts([])
    revoking = Revoking(ledger=ledger, deploys=parts, dynos=parts, streams=parts, connections=connections)
    return SimpleNamespace(
        ledger=ledger, eve=eve, kate=kate, app=app, other=other, parts=parts, connections=connections, revoking=revoking
    )


async def ended(scene):
    await asyncio.sleep(0)
    return [name for name, _ in scene.connections.ended], scene.parts.streams


async def test_nothing_ends_that_may_go_on(scene):
    await scene.revoking.review(scene.eve, scene.app)
    assert await ended(scene) == ([], [])
    lost = scene.parts.lost
    assert not any(lost[part](scene.eve.id, scene.app.id) for part in ("deploys", "dynos"))


async def test_what_needs_more_than_is_left_ends(scene):
    scene.ledger.access.update(scene.app.id, scene.eve.id, {Right.VIEW})
    await scene.revoking.review(scene.eve, scene.app)
    assert await ended(scene) == (["git-receive-pack", "run", "ps:exec"], [])
    lost = scene.parts.lost
    for part in ("deploys", "dynos"):
        assert lost[part](scene.eve.id, scene.app.id)
        assert not lost[part](scene.eve.id, scene.other.id) and not lost[part](scene.kate.id, scene.app.id)
    assert scene.parts.reason == "eve@example.com may not deploy to this app any more"


async def test_all_of_an_app_ends_with_the_last_right(scene):
    scene.ledger.access.remove(scene.app.id, scene.eve.id)
    await scene.revoking.review(scene.eve, scene.app)
    assert await ended(scene) == (
        ["git-receive-pack", "git-upload-pack", "logs", "run", "ps:exec"], [(scene.eve.id, scene.app.id)],
    )  # fmt: skip


async def test_all_ends_with_the_user_and_the_connections_too(scene):
    scene.ledger.users.remove(scene.eve.id)
    await scene.revoking.review(scene.eve)
    assert await ended(scene) == (
        ["git-receive-pack", "git-upload-pack", "logs", "run", "ps:exec", "logs", "run", "help"],
        [(scene.eve.id, None)],
    )  # fmt: skip
    assert all(connection for _, connection in scene.connections.ended)
    assert scene.parts.lost["dynos"](scene.eve.id, scene.other.id)


async def test_what_was_opened_with_a_key_ends_with_it_but_for_who_asks(scene):
    opened = [("mine", "one"), ("theirs", "one"), ("other", "two"), ("old", "")]
    found = [SshSession(number, scene.eve.email, (name,), key) for number, (name, key) in enumerate(opened)]
    scene.connections.sessions = found
    scene.revoking.end_keys(scene.eve, {"one", "three"}, spared=0)
    assert scene.connections.ended == [("theirs", True)]


async def test_what_was_begun_with_a_token_ends_with_it_and_with_its_user(scene):
    app, mine = scene.app.id, holder(scene.eve.id, "one")
    await scene.revoking.end_token(scene.eve, "one")
    await asyncio.sleep(0)
    assert scene.parts.streams == [(mine, None)]
    lost = scene.parts.lost["dynos"]
    assert lost(mine, app)
    assert not lost(scene.eve.id, app) and not lost(holder(scene.eve.id, "two"), app)
    scene.ledger.access.remove(app, scene.eve.id)
    await scene.revoking.review(scene.eve, scene.app)
    await asyncio.sleep(0)
    lost = scene.parts.lost["dynos"]
    assert lost(scene.eve.id, app) and lost(holder(scene.eve.id, "two"), app)
    assert not lost(holder(scene.kate.id, "one"), app)


def test_an_ending_covers_what_a_token_began():
    with_token = log_session(user=holder("eve", "one"), expires=LIFETIME)
    for whose, covered in (("eve", True), (holder("eve", "one"), True), (holder("eve", "two"), False), ("ev", False)):
        assert Ending(whose, None, 0).covers(with_token) is covered
    assert not Ending(holder("eve", "one"), None, 0).covers(log_session(user="eve", expires=LIFETIME))
    assert not Ending("eve", None, 0).covers(log_session(user=None, expires=LIFETIME))


async def test_an_admin_no_more_keeps_what_they_have_as_others(scene):
    eve = scene.ledger.users.set_admin(scene.eve.id, True)
    scene.ledger.access.remove(scene.app.id, eve.id)
    await scene.revoking.review(eve, scene.app)
    assert await ended(scene) == ([], [])
    await scene.revoking.review(scene.ledger.users.set_admin(eve.id, False))
    assert (await ended(scene))[0] == ["git-receive-pack", "git-upload-pack", "logs", "run", "ps:exec"]
    assert not any(connection for _, connection in scene.connections.ended)


async def test_sessions_that_cannot_be_ended_are_logged(scene, caplog):
    async def broken(_lost):
        raise OSError("no systemd")

    scene.parts.end_sessions = broken
    await scene.revoking.review(scene.eve)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert "sessions in dynos could not be ended" in caplog.text
