"""Every route of the API, asked by everybody: who gets which status.

`matrix_table.py` says it for each route of the router's own list; a route that is not in it fails a test.
"""

from __future__ import annotations

import itertools
import json
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from api_fakes import Api, running_api

from hostd.api.application import MODULES
from hostd.api.limits import Quota
from hostd.api.requests import QUOTA
from hostd.deploys.deploy import PushOutcome
from hostd.ledger.access import Right
from hostd.ledger.apps import App
from hostd.ledger.pipelines import Stage as PipelineStage
from tests.unit.daemon_fakes import dyno
from tests.unit.matrix_table import SPECIAL, WHO_MAY

NOBODY = "nobody"
KNOWN = ("stranger", "revoked", "view", "deploy", "operate", "manage", "owner", "admin")
"""`revoked` was a collaborator with all rights; `deploy` and so on have this right and what it brings."""
ROLES = (NOBODY, *KNOWN)
SEEING = ("view", "deploy", "operate", "manage", "owner", "admin")
ALL_OVER = ("manage", "owner", "admin")
HOLDERS = {
    "view": SEEING,
    "config": ("deploy", "operate", *ALL_OVER),
    "deploy": ("deploy", *ALL_OVER),
    "operate": ("operate", *ALL_OVER),
    "manage": ALL_OVER,
}
SUCCESS = 2
SAID_ELSEWHERE = {
    "DELETE /apps/{app}",  # its stream goes with it
    "DELETE /apps/{app}/builds/{build}",  # the rest is said by parts that are fakes here
    "POST /apps/{app}/builds",
    "POST /hostd/deploys",
    "POST /hostd/apps/{app}/jobs/{job}/runs",
    "DELETE /hostd/apps/{app}/cache",  # there is none: nothing changes
    "DELETE /apps/{app}/build-cache",
    "POST /apps/{app}/sources",  # no change: a place to upload to
    "POST /apps/{app}/slugs",  # the same; its release is told of
}
"""Calls that put no line into the app's stream by themselves."""
_LINE = re.compile(r"(?P<method>[A-Z]+)\s+(?P<path>\S+)(?P<rest>.*)")
_PARAMETER = re.compile(r"\{([a-z_]+)(?:=([^}]*))?\}")


@dataclass(frozen=True)
class Call:
    """One line of the table: who may, what is asked, and what those who may get: a status, or 2 for any success."""

    who: str
    method: str
    path: str
    body: Any = None
    status: int = SUCCESS
    special: Any = None

    @property
    def route(self) -> str:
        path = self.path.partition("?")[0]
        return f"{self.method} {_PARAMETER.sub(lambda found: f'{{{found[1]}}}', path)}"

    def expected(self, role: str) -> int:
        """The status that a role gets; 2 stands for any success."""
        if self.who == "open":
            return self.status
        if self.who == "internal":
            return 404
        if role == NOBODY:
            return 401
        if self.special is not None:
            return self.special.get(role, 404)
        if self.who == "known":
            return self.status
        if self.who in ("admin", "private"):
            return self.status if role == "admin" else 403 if self.who == "admin" else 404
        if role in HOLDERS[self.who]:
            return self.status
        return 403 if role in SEEING else 404

    def may(self, role: str) -> bool:
        """Whether it may change something, so that its app is of no more use."""
        return self.method != "GET" and self.expected(role) not in (401, 403, 404)


def calls() -> Iterator[Call]:
    for who, lines in WHO_MAY.items():
        for line in lines.strip().splitlines():
            found = _LINE.fullmatch(line)
            assert found, line
            status = re.search(r"=(\d+)\b", re.sub(r"\{.*\}", "", found["rest"]))
            body = re.search(r"\{.*\}", found["rest"])
            yield Call(
                who, found["method"], found["path"], body and json.loads(body[0]),
                int(status[1]) if status else SUCCESS,
            )  # fmt: skip
    for call, (body, special) in SPECIAL.items():
        method, _, path = call.partition(" ")
        yield Call("special", method, path, body, special=special)


def test_every_route_is_in_the_table_once():
    routes = {f"{route.method} {route.path}" for module in MODULES for route in module.routes}
    table = [call.route for call in calls()]
    assert routes - set(table) == set(), "say in matrix_table.py who may make these calls"
    assert set(table) - routes == set(), "there are no such calls any more"
    assert len(table) == len(set(table))


class Stage:
    """A running API with a user for each role, and as many apps as are needed."""

    def __init__(self, api: Api, http: aiohttp.ClientSession) -> None:
        self._api = api
        self._http = http
        self._names = (f"app-{number}" for number in itertools.count(1))
        self._users = {role: api.ledger.users.add(f"{role}@example.com", admin=role == "admin") for role in KNOWN}
        api.users |= self._users
        api.ledger.users.add("second@example.com", admin=True)
        self._tokens = {role: api.token(role) for role in KNOWN}
        self._shared: App | None = None
        self._coupling = ""

    def app(self) -> App:
        """A new app, in which there is something of everything."""
        api, ledger, users = self._api, self._api.ledger, self._users
        with ledger.transaction():
            app = ledger.apps.create(next(self._names), users["owner"].id)
            for right in Right:
                ledger.access.add(app.id, users[right.value].id, {right})
            ledger.access.add(app.id, users["revoked"].id, {Right.MANAGE})
            ledger.access.remove(app.id, users["revoked"].id)
            api.deployed(app)
            api.deployed(app, commit="2" * 40)
            ledger.builds.start(app.id, users["owner"].id, "1" * 40)
            ledger.jobs.add(app.id, command="tidy", every="10m", timezone="UTC", size="eco", catch_up="one", most=9)
            ledger.alerts.add(app.id, condition="web p95>500ms", targets=[], most=9)
            ledger.domains.add(app.id, f"{app.name}.example.org", users["owner"])
            line = ledger.pipelines.create(f"{app.name}-line", users["owner"].id)
            self._coupling = ledger.pipelines.couple(line, app.id, PipelineStage.STAGING).id
            ledger.transfers.offer(app, users["deploy"], users["owner"])
        api.manager.running = [dyno(app, "web", 1)]
        return app

    @property
    def log(self) -> list[str]:
        """What was said in all apps' streams."""
        return self._api.log

    async def ask(self, call: Call, role: str) -> tuple[int, Any]:
        """Ask as a role; the status and the answer's JSON or bytes."""
        if self._shared is None or call.may(role):
            self._shared = self.app()
        app, self._shared = self._shared, None if call.may(role) else self._shared
        values = {
            "$line": f"{app.name}-line",
            "$coupling": self._coupling,
            "$app": app.name,
            "$uuid": str(uuid.uuid4()),
            "$new": f"n{uuid.uuid4().hex[:12]}",
        }

        def filled(text: str) -> str:
            for name, value in values.items():
                text = text.replace(name, value)
            return text

        path = _PARAMETER.sub(lambda found: found[2] or (app.name if found[1] == "app" else ""), call.path)
        body = None if call.body is None else json.loads(filled(json.dumps(call.body)))
        headers = {} if role == NOBODY else {"Authorization": f"Bearer {self._tokens[role]}"}
        address = aiohttp.client.URL(f"{self._api.door}{filled(path)}", encoded=True)
        async with self._http.request(call.method, address, json=body, headers=headers) as response:
            read = await response.read()
            return response.status, json.loads(read) if response.content_type == "application/json" and read else read


@pytest.fixture
async def stage(tmp_path):
    def any_number(application):
        application[QUOTA] = Quota(time.monotonic, calls=10**9)

    async with running_api(tmp_path, change=any_number) as api, aiohttp.ClientSession() as http:

        async def pusher(*_: Any) -> PushOutcome:
            return PushOutcome("rejected", reason="not here")

        api.deploys.pusher = pusher
        yield Stage(api, http)


@pytest.mark.parametrize(
    "roles", [("view",), pytest.param(ROLES, marks=pytest.mark.thorough)], ids=["one", "all"]
)
@pytest.mark.thorough
async def test_everybody_gets_what_the_table_says(stage, roles):
    wrong, asked = [], 0
    for call in calls():
        for role in roles:
            status, data = await stage.ask(call, role)
            expected, asked = call.expected(role), asked + 1
            if not (status // 100 == SUCCESS if expected == SUCCESS else status == expected):
                wrong.append(f"{role:8} {call.method} {call.path}: {status}, not {expected}: {str(data)[:200]}")
            elif expected in (401, 403, 404) and not str(data["message"]):
                wrong.append(f"{role:8} {call.method} {call.path}: no reason is given")
    assert asked == len(list(calls())) * len(roles)
    assert not wrong, "\n".join(wrong)


@pytest.mark.thorough
async def test_each_change_of_an_app_is_in_its_stream_with_who_made_it(stage):
    silent = []
    for call in calls():
        if call.method != "GET" and call.who in ("deploy", "operate", "manage"):
            before = len(stage.log)
            status, _ = await stage.ask(call, "owner")
            said = [line for line in stage.log[before:] if "[api]" in line and "owner@example.com" in line]
            if status // 100 == SUCCESS and not said:
                silent.append(call.route)
    assert ", ".join(sorted(set(silent) ^ SAID_ELSEWHERE)) == ""
