"""What an app's first deploy makes of its app.json, with a real ledger."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ledger_kit import with_ledger

from buildpacks.source import PresentSource
from hostd.app_json import Wrong
from hostd.capacity import Capacity
from hostd.deploys.deploy import Deploy, Setup
from hostd.deploys.first_deploy import FirstDeploy
from hostd.ledger import Ledger
from hostd.ledger.formation import Process
from slugs.compiler import CompileRequest

TYPES = {"web": "serve", "worker": "work"}


class FakeStacks:
    """`host` and `debian-13`, which is at version 2."""

    def names(self) -> list[str]:
        return ["host", "debian-13"]

    def current(self, name: str) -> Any:
        return SimpleNamespace(ref=f"{name}@2")


class Scene:
    """An app without code, and its first deploy."""

    def __init__(self, directory: Path, setup: Setup | None = None) -> None:
        self.ledger = Ledger.open(with_ledger(directory / "master"))
        user = self.ledger.users.add("kate@example.com", admin=True)
        self.app = self.ledger.apps.create("hello", user.id)
        build = self.ledger.builds.start(self.app.id, user.id, "", stack="host@1")
        self.build_id = build.id
        self.said = b""
        self.first = FirstDeploy(
            Deploy(build.id, self.app, user, setup=setup), self.ledger, FakeStacks(),  # type: ignore[arg-type]
            Capacity(memory=8 << 30, overcommit=1), self.say,
        )  # fmt: skip

    async def say(self, piece: bytes) -> None:
        self.said += piece

    async def arrange(self, content: bytes | None, **config: str) -> CompileRequest:
        request = CompileRequest(
            self.build_id, self.app.id, "hello", 1, "", SimpleNamespace(ref="host@1"), config,  # type: ignore[arg-type]
            source=PresentSource(),
        )  # fmt: skip
        return await self.first.arrange(request, content)


async def test_a_source_without_one_is_built_as_it_is(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    request = await scene.arrange(None, A="1")
    assert (request.config, request.stack.ref, scene.said) == ({"A": "1"}, "host@1", b"")
    await scene.first.tell_formation(TYPES)
    scene.first.record(TYPES)
    assert scene.ledger.formation.get(scene.app.id) == {}


async def test_the_build_and_the_ledger_get_what_it_says(tmp_path: Path) -> None:
    setup = Setup(env={"B": "mine"}, buildpacks=("heroku/go",))
    scene = Scene(tmp_path, setup)
    described = {
        "env": {"A": "1", "B": "2"}, "stack": "debian-13", "buildpacks": [{"url": "heroku/python"}],
        "formation": {"web": {"quantity": 2}, "clock": {"quantity": 1}},
    }  # fmt: skip
    request = await scene.arrange(json.dumps(described).encode())
    assert (request.config, request.stack.ref, request.buildpacks) == (
        {"A": "1", "B": "mine"}, "debian-13@2", ("heroku/go",),
    )  # fmt: skip
    assert setup.manifest is not None and scene.ledger.builds.get(scene.build_id).stack == "debian-13@2"
    await scene.first.tell_formation(TYPES)
    assert b"Formation -> web=2:standard-1x, from app.json" in scene.said
    assert b"formation.clock is passed over" in scene.said and b"mine" not in scene.said
    current = scene.ledger.releases.current(scene.app.id)
    assert scene.first.config(current, {"A": "suggested", "LANG": "C"}) == {"A": "1", "B": "mine", "LANG": "C"}
    scene.first.record(TYPES)
    assert scene.ledger.formation.get(scene.app.id) == {"web": Process("web", 2)}
    assert scene.ledger.apps.get("hello").stack == "debian-13"
    assert scene.ledger.buildpacks.list(scene.app.id) == ["heroku/go"]


async def test_a_setup_needs_one_and_learns_what_is_wrong_with_it(tmp_path: Path) -> None:
    setup = Setup()
    scene = Scene(tmp_path, setup)
    for content, problem in (
        (None, "there is none"),
        (b'{"env": []}', "env must be an object"),
        (b'{"env": {"A": {}}}', "env: A needs a value"),
        (b'{"buildpacks": ["heroku/none"]}', "buildpacks: There is no buildpack"),
    ):
        with pytest.raises(Wrong):
            await scene.arrange(content)
        assert setup.problems[0].startswith(problem)


async def test_a_formation_without_room_is_refused(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    await scene.arrange(b'{"formation": {"web": {"quantity": 100}}}')
    with pytest.raises(Wrong, match=r"app\.json: formation: There is no room"):
        await scene.first.tell_formation(TYPES)
