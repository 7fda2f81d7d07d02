"""The API with a real platform behind it: every answer is as /schema promises, and clients find what they look for."""

from __future__ import annotations

from hostd.api.schema import links
from tests.support.api import Door, door, link_at
from tests.support.endless import WEB
from tests.support.tarballs import tar_of

UNKNOWN = "00000000-0000-0000-0000-000000000000"
ABSENT = {
    "GET /account/features/{feature}",
    "GET /apps/{app}/releases/{release}/output",
    "GET /hostd/alerts/{alert}",
    "GET /teams/apps/{app}",
}
"""What there is none of in this test, although it has a name."""


def test_every_list_and_every_thing_is_as_the_schema_promises(platform, app, repository, push, tmp_path, wait_until):
    ask = door(platform)
    push(repository(WEB), app, "main")
    key = ask("GET", "/account/keys").data[0]["id"]
    token = ask("GET", "/oauth/authorizations").data[0]["id"]
    ask("POST", f"/apps/{app}/collaborators", {"user": platform.user.email})
    drain = ask("POST", f"/apps/{app}/log-drains", {"url": "https://logs.example.com:9/x"}).data["id"]
    ask("POST", f"/apps/{app}/domains", {"hostname": f"{app}.example.com", "sni_endpoint": None})
    ask("POST", f"/hostd/apps/{app}/jobs", {"command": "true", "every": "1h"})
    ask("POST", f"/hostd/apps/{app}/alerts", {"condition": "web p95 above 0.5s"})
    pipeline = ask("POST", "/pipelines", {"name": f"{app}-line"}).data["id"]
    coupling = ask("POST", "/pipeline-couplings", {"app": app, "pipeline": pipeline, "stage": "staging"}).data["id"]
    wait_until(lambda: ask("GET", f"/apps/{app}/dynos/web.1").status == 200)
    named = {
        "app": app, "build": "current", "buildpack": "heroku%2Fpython", "domain": f"{app}.example.com", "drain": drain,
        "dyno": "web.1", "feature": "session-affinity", "job": "1", "key": key, "region": "local",
        "release": "current", "size": "eco", "slug": "current", "stack": "host", "type": "web",
        "user": platform.user.email, "alert": "1", "oauth_authorization": token, "pipeline": pipeline,
        "coupling": coupling,
    }  # fmt: skip
    seen, absent = set(), {}
    for link in links():
        if link.method != "GET" or not link.public or "/hostd/signed/" in link.path:
            continue
        path = link.path.format(**{parameter: named.get(parameter, UNKNOWN) for parameter in link.parameters})
        assert link_at("GET", path) is link
        answer = ask("GET", path)
        if answer.status == 200:
            seen.add(link.call)
        else:
            assert answer.status < 500
            if named.keys() >= set(link.parameters):
                absent[link.call] = (answer.status, answer.data["message"])
    assert absent.keys() == ABSENT, absent
    assert len(seen) > 60
    ask("DELETE", f"/pipelines/{pipeline}")


def test_a_source_is_uploaded_and_built_by_an_http_client_alone(platform, app):
    ask, anybody = door(platform), Door(platform.api_port)
    blob = ask("POST", f"/apps/{app}/sources").data["source_blob"]
    assert anybody("PUT", blob["put_url"], tar_of(WEB, "w:gz")).status == 200
    build = ask("POST", f"/apps/{app}/builds", {"source_blob": {"url": blob["get_url"], "version": "v7"}}).data
    # Read while it is made: the answer ends with the build.
    said = anybody("GET", build["output_stream_url"])
    assert (said.status, "Launching..." in said.data or "Snapshotting" in said.data) == (200, True)
    ended = ask("GET", f"/apps/{app}/builds/{build['id']}").data
    assert (ended["status"], ended["source_blob"]["version"]) == ("succeeded", "v7")
    assert anybody("GET", build["output_stream_url"].replace("signature=", "signature=0")).status == 403
    assert anybody("GET", f"/apps/{app}/builds/{build['id']}/output").status == 401


def test_what_a_release_phase_printed_is_read_by_a_plain_get(platform, app, repository, push):
    ask = door(platform)
    push(repository({**WEB, "Procfile": f"{WEB['Procfile']}\nrelease: echo migrated\n"}), app, "main")
    release = ask("GET", f"/apps/{app}/releases/current").data
    read = Door(platform.api_port)("GET", release["output_stream_url"])
    assert (read.status, "migrated" in read.data) == (200, True)


def test_a_release_command_is_run_again(platform, app, repository, push):
    ask = door(platform)
    command = 'echo "$ANSWER migrated"; exit ${STATUS:-0}'
    push(repository({**WEB, "Procfile": f"{WEB['Procfile']}\nrelease: {command}\n"}), app, "main")
    platform.hostctl("config:set", "ANSWER=twice", "-a", app)
    before = ask("GET", f"/apps/{app}/releases/current").data
    # As `heroku releases:retry` asks.
    again = {"slug": before["slug"]["id"], "description": f"Retry of v{before['version']}"}
    made = ask("POST", f"/apps/{app}/releases", again)
    assert (made.status, made.data["version"]) == (201, before["version"] + 1)
    assert Door(platform.api_port)("GET", made.data["output_stream_url"]).data == "twice migrated\n"
    assert platform.hostctl("releases:retry", "-a", app).stdout == "twice migrated\n"

    platform.hostctl("config:set", "STATUS=3", "-a", app)
    failed = ask("POST", f"/apps/{app}/releases", again)
    assert (failed.status, failed.data["id"]) == (409, "conflict")
    assert "failed with exit status 3" in failed.data["message"]
    assert ask("GET", f"/apps/{app}/releases/current").data["version"] == before["version"] + 3
    assert "migrated" in platform.hostctl("logs", "-a", app, "--dyno", "release").stdout
