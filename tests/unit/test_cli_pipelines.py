"""hostctl pipelines, as its users see it."""

import json

import pytest
from cli_fakes import hostctl

PIPELINE = {
    "created_at": "2015-11-17T17:37:41Z", "id": "p1", "name": "example", "updated_at": "2015-11-17T17:37:41Z",
    "owner": {"email": "kate@example.com", "id": "u1", "type": "user"},
}  # fmt: skip


def coupling(name, stage):
    return {
        "app": {"id": f"id-{name}", "name": name}, "created_at": "2015-11-17T17:37:41Z", "id": f"c-{name}",
        "pipeline": {"id": "p1", "name": "example"}, "stage": stage, "updated_at": "2015-11-17T17:37:41Z",
    }  # fmt: skip


STAGED = [coupling("hello", "production"), coupling("hello-staging", "staging"), coupling("hello-eu", "production")]


@pytest.fixture
def staged(hostd):
    hostd.on("GET /pipelines/example", (200, PIPELINE))
    hostd.on("GET /pipelines/p1/pipeline-couplings", (200, STAGED))
    hostd.on("GET /apps/hello-staging/pipeline-couplings", (200, STAGED[1]))
    hostd.on("GET /apps/hello/pipeline-couplings", (200, STAGED[0]))
    return hostd


def test_pipelines_are_listed_and_shown(tmp_path, staged):
    staged.on("GET /pipelines", (200, []), (200, [PIPELINE]))
    assert "pipelines:create example" in hostctl(tmp_path, "pipelines").err
    assert hostctl(tmp_path, "pipelines").out == "=== My Pipelines\n\nexample\n"
    assert hostctl(tmp_path, "pipelines:info", "example").out == (
        "=== example\n\nowner: kate@example.com\n\n"
        "app name       stage\n"
        "hello-staging  staging\n"
        "hello          production\n"
        "hello-eu       production\n"
    )


@pytest.mark.parametrize(
    ("app", "stage"), [("hello-staging", "staging"), ("hello-dev", "development"), ("hello", "production")]
)
def test_a_pipeline_is_made_with_its_first_app(tmp_path, hostd, app, stage):
    hostd.on("POST /pipelines", (201, PIPELINE)).on("POST /pipeline-couplings", (201, coupling(app, stage)))
    ran = hostctl(tmp_path, "pipelines:create", "example", "-a", app)
    assert ran.err == (
        f"Creating example pipeline... done\nAdding {app} to example pipeline as {stage}... done\n"
    )
    assert hostd.requests[1].json == {"app": app, "pipeline": "p1", "stage": stage}


def test_a_pipeline_whose_app_cannot_be_added_is_not_left_behind(tmp_path, hostd):
    hostd.on("POST /pipelines", (201, PIPELINE))
    hostd.on("POST /pipeline-couplings", (409, {"id": "conflict", "message": "hello is in a pipeline already."}))
    hostd.on("DELETE /pipelines/p1", (200, PIPELINE))
    ran = hostctl(tmp_path, "pipelines:create", "example", "-a", "hello")
    assert ran.status == 1 and "hello is in a pipeline already." in ran.err
    assert len(hostd.asked("DELETE /pipelines/p1")) == 1


def test_a_stage_that_there_is_not_is_refused(tmp_path, staged):
    ran = hostctl(tmp_path, "pipelines:add", "example", "-s", "nowhere", "-a", "hello")
    assert ran.status == 2 and "There are: test, review, development" in ran.err


def test_a_pipeline_is_destroyed_by_its_name_only(tmp_path, staged):
    staged.on("DELETE /pipelines/p1", (200, PIPELINE))
    assert hostctl(tmp_path, "pipelines:destroy", "example", "--confirm", "other").status == 1
    assert hostctl(tmp_path, "pipelines:destroy", "example", "--confirm", "example").status == 0
    assert len(staged.asked("DELETE /pipelines/p1")) == 1


def target(name, status, error=None):
    release = {"id": f"r-{name}"} if status == "succeeded" else None
    return {
        "app": {"id": f"id-{name}"}, "error_message": error, "id": f"t-{name}", "pipeline_promotion": {"id": "m1"},
        "release": release, "status": status,
    }  # fmt: skip


def test_a_promotion_waits_for_all_and_says_how_each_went(tmp_path, staged):
    staged.on("POST /pipeline-promotions", (201, {"id": "m1"}))
    ended = [target("hello", "succeeded"), target("hello-eu", "failed", "Somebody\nis deploying.")]
    staged.on("GET /pipeline-promotions/m1/promotion-targets", (200, ended))
    ran = hostctl(tmp_path, "pipelines:promote", "-a", "hello-staging")
    assert ran.status == 1 and ran.err.startswith("Starting promotion to production... done\n")
    assert ran.out == (
        "\n=== Promotion to some apps failed\n\n"
        "hello:     succeeded\n"
        "hello-eu:  failed: Somebody is deploying.\n"
    )
    assert staged.asked("POST /pipeline-promotions")[0].json == {
        "pipeline": {"id": "p1"},
        "source": {"app": {"id": "id-hello-staging"}},
        "targets": [{"app": {"id": "id-hello"}}, {"app": {"id": "id-hello-eu"}}],
    }


def test_one_target_shows_what_its_release_command_printed(tmp_path, staged):
    staged.on("POST /pipeline-promotions", (201, {"id": "m1"}))
    staged.on("GET /pipeline-promotions/m1/promotion-targets", (200, [target("hello", "succeeded")]))
    staged.on("GET /apps/id-hello/releases/r-hello", (200, {"output_stream_url": "http://x/"}))
    staged.on("GET /apps/id-hello/releases/r-hello/output", (200, "migrated"))
    ran = hostctl(tmp_path, "pipelines:promote", "--to", "hello", "-a", "hello-staging")
    assert ran.status == 0 and "migrated" in ran.out and "=== Promotion successful" in ran.out


def test_what_has_nowhere_to_go_is_refused(tmp_path, staged):
    ran = hostctl(tmp_path, "pipelines:promote", "-a", "hello")
    assert ran.status == 1 and "no stage behind production: name apps with --to" in ran.err
    ran = hostctl(tmp_path, "pipelines:promote", "--to", "stranger", "-a", "hello")
    assert ran.status == 1 and "stranger is no other app of the pipeline example" in ran.err


def test_stages_are_compared_by_their_commits(tmp_path, staged):
    for name, commit in (("hello-staging", "a" * 40), ("hello", "a" * 40), ("hello-eu", "b" * 40)):
        staged.on(f"GET /apps/{name}/releases/current", (200, {"slug": {"id": f"s-{name}"}}))
        staged.on(f"GET /apps/{name}/slugs/s-{name}", (200, {"commit": commit}))
    ran = hostctl(tmp_path, "pipelines:diff", "-a", "hello-staging")
    assert ran.out == (
        "hello-staging is up to date with hello (aaaaaaa)\n"
        "=== hello-staging is other code: aaaaaaa, hello-eu has bbbbbbb\n"
    )
    found = json.loads(hostctl(tmp_path, "pipelines:diff", "--json", "-a", "hello-staging").out)
    assert [each["same"] for each in found["targets"]] == [True, False]
