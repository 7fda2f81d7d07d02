"""Requests made up from the schema, at a real platform, by people who are no admins: what they can change is their own.

HOSTD_TEST_FUZZ_SECONDS=300 goes on for five minutes with others each time, which a failure names by their seed.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from hostd.errors import HostdError
from tests.support.api import Client, Door
from tests.support.endless import WEB
from tests.support.fuzzing import SECONDS, Scene, fuzz
from tests.support.platform import Platform
from tests.support.tarballs import tar_of
from tests.support.waiting import wait_until

SEED = 7
TURNS = ["owner", "owner", "viewer", "owner", "owner", "stranger", "owner", "reading", "owner", "nobody"]
ROUND = 3
"""Examples of each call in a round by chance: an account may make 4,500 calls an hour, and each round has new ones."""


def test_no_request_made_up_from_the_schema_is_answered_with_a_fault(platform, tmp_path):
    began = time.monotonic()
    with people(platform) as scene:
        asked = fuzz(tmp_path / "first", scene, phases="examples,coverage", seed=SEED)
    assert not asked.never()
    assert len(asked.done()) > 80, sorted(asked.done())
    # Who may do less is told so: each is asked for all calls by turns.
    assert asked.statuses("owner") >= {200, 201, 403, 404, 409, 422}
    assert asked.statuses("viewer") >= {200, 403} and asked.statuses("stranger") >= {200, 404}
    assert 403 in asked.statuses("reading") and asked.statuses("nobody") >= {200, 401}
    seed = SEED
    while time.monotonic() - began < SECONDS:
        seed += 1
        with people(platform) as scene:
            fuzz(tmp_path / f"seed-{seed}", scene, phases="fuzzing", seed=seed, examples=ROUND)
    assert platform.hostctl("releases:verify").returncode == 0


@contextmanager
def people(platform: Platform) -> Iterator[Scene]:
    """An owner of a deployed app, who may see it, and a stranger; they and all that is theirs are gone at the end."""
    emails = {role: f"{role}-{uuid.uuid4().hex[:8]}@example.com" for role in ("owner", "viewer", "stranger")}
    for email in emails.values():
        platform.hostctl("users:add", email)
    try:
        tokens: dict[str, str | None] = {role: token(platform, email) for role, email in emails.items()}
        tokens |= {"reading": token(platform, emails["owner"], "read"), "nobody": None}
        door = Door(platform.api_port, tokens["owner"])
        app = door("POST", "/apps", {"name": f"t-{uuid.uuid4().hex[:10]}"}).data["name"]
        _deploy(platform, door, app)
        door("POST", f"/apps/{app}/collaborators", {"user": emails["viewer"], "permissions": ["view"]})
        door("POST", f"/hostd/apps/{app}/jobs", {"command": "true", "every": "daily@04:00"})
        door("POST", f"/hostd/apps/{app}/alerts", {"condition": "web p95 above 0.5s"})
        named = {
            "app": app, "build": "current", "buildpack": "heroku%2Fpython", "dyno": "web.1", "region": "local",
            "feature": "session-affinity", "release": "current", "size": "eco", "slug": "current", "stack": "host",
            "type": "web", "user": emails["viewer"], "alert": "1", "job": "1",
        }  # fmt: skip
        address = f"http://127.0.0.1:{platform.api_port}"
        yield Scene(address, tokens, TURNS, named, app=app, viewer=emails["viewer"])
    finally:
        for email in emails.values():
            _gone(platform, email)


def token(platform: Platform, email: str, *scope: str) -> str:
    """A new token of a user's."""
    body = {"description": "made up", "scope": list(scope or ("global",))}
    made = Client(platform.machine.run_directory, email).request("POST", "/oauth/authorizations", body).data
    text: str = made["access_token"]["token"]
    return text


def _deploy(platform: Platform, door: Door, app: str) -> None:
    blob = door("POST", f"/apps/{app}/sources").data["source_blob"]
    Door(platform.api_port)("PUT", blob["put_url"], tar_of(WEB, "w:gz"))
    build = door("POST", f"/apps/{app}/builds", {"source_blob": {"url": blob["get_url"]}}).data
    Door(platform.api_port)("GET", build["output_stream_url"])


def _gone(platform: Platform, email: str) -> None:
    """Remove a user with all that is theirs; what is being built for them is cancelled first."""
    root, theirs = Client(platform.machine.run_directory), Client(platform.machine.run_directory, email)
    for app in theirs.get("/users/~/apps"):
        if app["owner"]["email"] != email:
            continue

        def destroyed(id: str = app["id"]) -> bool:
            with suppress(HostdError):
                return root.request("DELETE", f"/apps/{id}").status == 200
            for build in root.get(f"/apps/{id}/builds"):
                with suppress(HostdError):  # it has ended
                    root.request("DELETE", f"/apps/{id}/builds/{build['id']}")
            return False

        wait_until(destroyed, 60)
    for pipeline in theirs.get("/pipelines"):
        theirs.request("DELETE", f"/pipelines/{pipeline['id']}")
    root.request("DELETE", f"/hostd/users/{email}")
