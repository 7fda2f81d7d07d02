"""A thousand calls at once at the open doors, and two clients who change one app at the same moment."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest

from hostd.cli.client import ACCEPT
from tests.support.api import Answer, Client, Door, check
from tests.support.crowd import parse_head
from tests.support.endless import MIGRATING, WEB, pushing
from tests.support.platform import Platform
from tests.support.tarballs import tar_of
from tests.support.waiting import wait_until

CALLS = 1000
GROWTH = 96 << 20
"""Bytes that hostd may need for a thousand calls more than it has before; each connection takes some 20 KB."""
KEPT = 24 << 20
"""Bytes by which it may have grown after the same once more."""
ROUNDS = 10


@dataclass(frozen=True)
class Call:
    """One call of the crowd: what is asked, and what its answer is to be."""

    method: str
    path: str
    body: Any = None
    token: str | None = None
    status: int = 200
    fits: Callable[[Any], bool] = bool

    @property
    def wire(self) -> bytes:
        """The bytes to send."""
        body = b"" if self.body is None else json.dumps(self.body).encode()
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: api.localhost", f"Accept: {ACCEPT}", "Connection: close"]
        if self.token:
            lines.append(f"Authorization: Bearer {self.token}")
        if self.body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.fixture
def ask(platform: Platform, tmp_path: Any) -> Iterator[Door]:
    """The door of a new user who is no admin, so that what the tests of a run ask counts against nobody else."""
    email = f"u{uuid.uuid4().hex[:8]}@example.com"
    asked = Client(platform.machine.run_directory, email)
    platform.hostctl("users:add", email)
    token = asked.request("POST", "/oauth/authorizations", {"description": "a crowd"}).data["access_token"]["token"]
    door = Door(platform.api_port, token)
    yield door
    for made in door("GET", "/apps").data:
        wait_until(lambda name=made["name"]: door("DELETE", f"/apps/{name}").status in (200, 404))
    platform.hostctl("users:remove", email)


@pytest.fixture
def mine(ask: Door) -> str:
    """The name of a new app of that user's."""
    name: str = ask("POST", "/apps", {"name": f"t-{uuid.uuid4().hex[:10]}"}).data["name"]
    return name


def test_a_thousand_calls_at_once_are_answered_each_and_right(platform, ask, mine):
    others = [mine, *(ask("POST", "/apps").data["name"] for _ in range(3))]
    first = _before(platform)
    for crowd in range(2):
        calls = [_call(number, crowd, others, ask.token) for number in range(CALLS)]
        wrong, meanwhile = asyncio.run(_all_at_once(platform, calls))
        assert not wrong, (len(wrong), wrong[:5])
        assert meanwhile and set(meanwhile) == {200}
        memory = _memory(platform)
        if not crowd:
            assert memory["VmHWM"] - first < GROWTH
            after_one = memory["VmRSS"]
    assert memory["VmRSS"] - after_one < KEPT
    for name in others:
        known = ask("GET", f"/apps/{name}/config-vars").data
        assert known == {
            f"KEY_{crowd}_{number}": str(number)
            for crowd in range(2)
            for number in range(CALLS)
            if number % 10 == 0 and others[number // 10 % len(others)] == name
        }
    _releases_are_whole(platform, ask, mine)


def test_config_vars_of_two_at_once_are_all_set_and_each_is_a_release(platform, ask, mine):
    path = f"/apps/{mine}/config-vars"
    for number in range(ROUNDS):
        answers = at_once(
            lambda number=number: ask("PATCH", path, {f"LEFT_{number}": "x", "LAST": f"left {number}"}),
            lambda number=number: ask("PATCH", path, {f"RIGHT_{number}": "x", "LAST": f"right {number}"}),
        )
        assert [answer.status for answer in answers] == [200, 200]
        # Each is answered with what it made, not with what came behind it.
        assert [answer.data["LAST"] for answer in answers] == [f"left {number}", f"right {number}"]
    known = ask("GET", path).data
    assert known.keys() == {"LAST", *(f"{side}_{number}" for side in ("LEFT", "RIGHT") for number in range(ROUNDS))}
    newest = max(answers, key=lambda answer: int(answer.headers["Hostd-Release"]))
    assert known == newest.data
    assert len(_releases_are_whole(platform, ask, mine)) == 1 + 2 * ROUNDS


def test_two_builds_or_pushes_at_once_one_wins_and_the_other_is_told(platform, ask, mine, repository, user):
    ask("POST", f"/apps/{mine}/collaborators", {"user": user.email})
    blobs = [ask("POST", f"/apps/{mine}/sources").data["source_blob"] for _ in range(2)]
    for blob in blobs:
        assert Door(platform.api_port)("PUT", blob["put_url"], tar_of(WEB, "w:gz")).status == 200
    won, lost = sorted(
        at_once(*(lambda blob=blob: ask("POST", f"/apps/{mine}/builds", {"source_blob": {"url": blob["get_url"]}})
                  for blob in blobs)),
        key=lambda answer: answer.status,
    )  # fmt: skip
    assert (won.status, lost.status, lost.data["id"]) == (201, 409, "busy")
    assert "is deploying" in lost.data["message"] and f"to {mine}" in lost.data["message"]
    assert "Launching" in Door(platform.api_port)("GET", won.data["output_stream_url"]).data
    ask("PATCH", f"/apps/{mine}/config-vars", {"COLOUR": "green"})
    with pushing(platform, repository(MIGRATING), mine, "migrating without end") as first:
        second = platform.push(repository(WEB), mine, check=False)
        assert second.returncode != 0 and f"{user.email} is deploying" in second.stderr
        # Neither a release nor a new name gets in between a build and its release.
        for method, path, body in (
            ("PATCH", f"/apps/{mine}/config-vars", {"A": "b"}),
            ("PATCH", f"/apps/{mine}", {"name": f"{mine}-x"}),
            ("POST", f"/apps/{mine}/releases", {"release": "v2"}),
            ("DELETE", f"/apps/{mine}", None),
        ):
            refused = ask(method, path, body)
            assert (refused.status, refused.data["id"]) == (409, "busy")
            assert f"{user.email} is deploying" in refused.data["message"]
        first.type("\x03")
        assert first.wait() != 0
    # What follows is about an app that has code: nothing is built for it again.
    _two_rollbacks(ask, mine)
    _two_scale(ask, mine)
    _destroyed_while_it_is_scaled(platform, ask, mine)


def test_two_new_names_at_once_are_taken_one_after_the_other(platform, ask, mine):
    id = ask("GET", f"/apps/{mine}").data["id"]
    for number in range(ROUNDS):
        wanted = [f"{mine}-{side}{number}" for side in ("l", "r")]
        answers = at_once(*(lambda name=name: ask("PATCH", f"/apps/{id}", {"name": name}) for name in wanted))
        assert [(answer.status, answer.data["name"]) for answer in answers] == [(200, name) for name in wanted]
        now = ask("GET", f"/apps/{id}").data["name"]
        assert now in wanted
        (gone,) = set(wanted) - {now}
        assert ask("GET", f"/apps/{gone}").status == 404
    _releases_are_whole(platform, ask, id)


def test_what_two_want_one_gets(ask, mine):
    other = ask("POST", "/apps").data["name"]
    for number in range(ROUNDS):
        name, host = f"{mine}-n{number}", f"{mine}-{number}.example.com"
        for calls in (
            [lambda name=name: ask("POST", "/apps", {"name": name})] * 2,
            [
                lambda app=app, host=host: ask("POST", f"/apps/{app}/domains", {"hostname": host, "sni_endpoint": None})
                for app in (mine, other)
            ],
        ):
            won, lost = sorted(at_once(*calls), key=lambda answer: answer.status)
            assert (won.status, lost.status, lost.data["id"]) == (201, 422, "invalid_params")
            assert any(said in lost.data["message"] for said in ("taken", "in use")), lost.data
        destroyed = at_once(*[lambda name=name: ask("DELETE", f"/apps/{name}")] * 2)
        assert sorted(answer.status for answer in destroyed) == [200, 404]


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Do all at the same moment, each in a thread; what they return, in their order."""
    barrier = threading.Barrier(len(calls))

    def do(call: Callable[[], Any]) -> Any:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(do, calls))


def _two_rollbacks(ask: Door, app: str) -> None:
    """Both are made, one upon the other."""
    # The cancelled push may be clearing up still.
    wait_until(lambda: ask("PATCH", f"/apps/{app}/config-vars", {"COLOUR": "red"}).status == 200)
    red = ask("GET", f"/apps/{app}/releases/current").data["version"]
    ask("PATCH", f"/apps/{app}/config-vars", {"COLOUR": "blue"})
    answers = at_once(*(lambda to=to: ask("POST", f"/apps/{app}/releases", {"release": f"v{to}"}) for to in (2, red)))
    assert [answer.status for answer in answers] == [201, 201]
    assert sorted(answer.data["version"] for answer in answers) == [red + 2, red + 3]
    last = max(answers, key=lambda answer: answer.data["version"])
    wanted = {"COLOUR": "red"} if last is answers[1] else {}
    assert ask("GET", f"/apps/{app}/config-vars").data == wanted


def _two_scale(ask: Door, app: str) -> None:
    """The last one's word holds; each is answered with its own."""
    path = f"/apps/{app}/formation/web"
    for number in range(ROUNDS):
        answers = at_once(*(lambda count=count: ask("PATCH", path, {"quantity": count}) for count in (0, 2)))
        assert [(answer.status, answer.data["quantity"]) for answer in answers] == [(200, 0), (200, 2)], number
        assert ask("GET", path).data["quantity"] in (0, 2)


def _destroyed_while_it_is_scaled(platform: Platform, ask: Door, app: str) -> None:
    """Who scales is told that it is gone, and nothing of it goes on."""
    gone = threading.Event()
    id = ask("GET", f"/apps/{app}").data["id"]

    def scale() -> list[Answer]:
        answers = []
        while not answers or answers[-1].status == 200:
            answers.append(ask("PATCH", f"/apps/{app}/formation/web", {"quantity": len(answers) % 4}))
        assert not gone.is_set() or answers[-1].status == 404
        return answers

    def destroy() -> Answer:
        answer = ask("DELETE", f"/apps/{app}")
        gone.set()
        return answer

    answers, destroyed = at_once(scale, destroy)
    assert destroyed.status == 200
    assert (answers[-1].status, answers[-1].data["resource"]) == (404, "app")
    known = platform.run(["systemctl", "list-units", "--all", "--plain", "--no-legend", "hostd-*"]).stdout
    assert app not in known and id not in known, known
    assert ask("GET", f"/apps/{app}").status == 404


def _releases_are_whole(platform: Platform, ask: Door, app: str) -> list[int]:
    """The versions of an app's releases: one after the other, none altered, none twice."""
    versions = [release["version"] for release in ask("GET", f"/apps/{app}/releases").data]
    assert versions[0] == 1 and all(later == one + 1 for one, later in pairwise(versions))
    assert platform.hostctl("releases:verify").returncode == 0
    return versions


def _call(number: int, crowd: int, apps: list[str], token: str | None) -> Call:
    """What the crowd's member of that number asks: a tenth of them change something."""
    app = apps[number // 10 % len(apps)]
    if number % 10 == 0:
        key = f"KEY_{crowd}_{number}"
        change, path = {key: str(number)}, f"/apps/{app}/config-vars"
        return Call("PATCH", path, change, token, fits=lambda data: data.get(key) == str(number))
    return (
        Call("GET", f"/apps/{app}", token=token, fits=lambda data: data["name"] == app),
        Call("GET", "/apps", token=token, fits=lambda data: set(apps) <= {each["name"] for each in data}),
        Call("GET", f"/apps/{app}/config-vars", token=token, fits=lambda data: isinstance(data, dict)),
        Call("GET", f"/apps/{app}/releases/1", token=token, fits=lambda data: data["version"] == 1),
        Call("GET", f"/apps/{app}/dynos", token=token, fits=lambda data: data == []),
        Call("GET", "/account", token=token, fits=lambda data: "@example.com" in data["email"]),
        Call("GET", "/regions", token=token, fits=lambda data: data[0]["name"] == "local"),
        Call("GET", "/account", status=401, fits=lambda data: data["id"] == "unauthorized"),
        Call("GET", "/apps/not-an-app-here", token=token, status=404, fits=lambda data: data["resource"] == "app"),
    )[number % 10 - 1]


async def _all_at_once(platform: Platform, calls: list[Call]) -> tuple[list[Any], list[int]]:
    """What was answered wrong, and the statuses with which the unix socket answered meanwhile.

    Each call has a connection of its own, half of them at the port and half through the router; all are open before
    the first one asks.
    """
    trusting = ssl._create_unverified_context()
    places = [(platform.api_port, None), (platform.https_port, trusting)]
    few = asyncio.Semaphore(64)

    async def connect(number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        port, tls = places[number // 10 % 2]
        named = {"ssl": tls, "server_hostname": "api.localhost"} if tls else {}
        async with few:
            return await asyncio.open_connection("127.0.0.1", port, **named)

    async with asyncio.timeout(120):
        lines = await asyncio.gather(*(connect(number) for number in range(len(calls))))
        for call, (_reader, writer) in zip(calls, lines, strict=True):
            writer.write(call.wire)
        crowd = asyncio.gather(*(_answered(call, *line) for call, line in zip(calls, lines, strict=True)))
        meanwhile = []
        while not crowd.done():
            meanwhile.append(await _at_the_socket(platform))
        return [found for found in await crowd if found], meanwhile


async def _answered(call: Call, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Any:
    """What is wrong with a call's answer; None for nothing."""
    status, data = await _read(reader)
    writer.close()
    if status != call.status or not call.fits(data):
        return call.method, call.path, status, data
    check(call.method, call.path, status, data)
    return None


async def _at_the_socket(platform: Platform) -> int:
    reader, writer = await asyncio.open_unix_connection(platform.machine.run_directory / "hostd.sock")
    writer.write(Call("GET", "/account").wire)
    status, _data = await _read(reader)
    writer.close()
    return status


async def _read(reader: asyncio.StreamReader) -> tuple[int, Any]:
    status, headers = parse_head(await reader.readuntil(b"\r\n\r\n"))
    return status, json.loads(await reader.readexactly(int(headers["content-length"])))


def _before(platform: Platform) -> int:
    """Bytes that hostd has now; the most that it had is forgotten."""
    platform.run(["sh", "-c", 'echo 5 > "/proc/$(systemctl show -P MainPID hostd)/clear_refs"'])
    return _memory(platform)["VmRSS"]


def _memory(platform: Platform) -> dict[str, int]:
    """Bytes that hostd has (VmRSS), and the most that it had (VmHWM)."""
    said = platform.run(["sh", "-c", 'grep ^Vm "/proc/$(systemctl show -P MainPID hostd)/status"']).stdout
    fields = (line.replace(":", " ").split() for line in said.splitlines())
    return {name: int(kilobytes) << 10 for name, kilobytes, _unit in fields}
