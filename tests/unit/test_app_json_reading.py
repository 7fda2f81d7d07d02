"""app.json as values: what is taken, what is refused and how, what is passed over."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hostd.app_json import MAX_BYTES, Manifest, Script, Variable, Wrong, parse
from hostd.app_json.first_deploy import formation, generated, success_address, wishes
from hostd.ledger.formation import Process


def read(**fields: Any) -> Manifest:
    return parse(json.dumps(fields).encode())


def refused(**fields: Any) -> tuple[str, ...]:
    with pytest.raises(Wrong) as caught:
        read(**fields)
    assert all(line.startswith("app.json: ") for line in str(caught.value).splitlines())
    return caught.value.problems


def test_what_heroku_documents_is_read() -> None:
    found = read(
        name="Small Sharp Tool",
        description="It does one thing.",
        keywords=["productivity", "HTML5"],
        website="https://example.com/",
        repository="https://example.com/tool",
        logo="https://example.com/logo.svg",
        success_url="/welcome",
        scripts={"postdeploy": "rake bootstrap"},
        env={
            "SECRET_TOKEN": {"description": "Signs cookies.", "generator": "secret"},
            "WEB_CONCURRENCY": {"description": "How many.", "value": "5"},
            "PLAIN": "text",
            "NEEDED": {"description": "Ask Kate."},
            "PERHAPS": {"required": False},
        },
        formation={"web": {"quantity": 2, "size": "Standard-1X"}, "worker": {"quantity": 0}},
        buildpacks=[{"url": "heroku/python"}],
        stack="debian-12",
    )
    assert found == Manifest(
        name="Small Sharp Tool",
        description="It does one thing.",
        env=(
            Variable("SECRET_TOKEN", generated=True),
            Variable("WEB_CONCURRENCY", "5"),
            Variable("PLAIN", "text"),
            Variable("NEEDED"),
            Variable("PERHAPS", required=False),
        ),
        formation=(Process("web", 2, "standard-1x"), Process("worker", 0)),
        buildpacks=("heroku/python",),
        stack="debian-12",
        postdeploy=Script("rake bootstrap"),
        success_url="/welcome",
    )


def test_a_script_may_want_a_size() -> None:
    assert read(scripts={"postdeploy": {"command": "./seed", "size": "2X"}}).postdeploy == Script(
        "./seed", "standard-2x"
    )


@pytest.mark.parametrize(
    ("fields", "field", "right"),
    [
        ({"name": 5}, "name", 'write "5"'),
        ({"keywords": "web"}, "keywords", "list of texts"),
        ({"env": []}, "env", '{"NAME": "value"'),
        ({"env": {"A": 5}}, "env.A", "must be a text"),
        ({"env": {"A B": "x"}}, "env.A B", "letters, digits and underscores"),
        ({"env": {"A": {"value": 5}}}, "env.A.value", 'write "5"'),
        ({"env": {"A": {"generator": "uuid"}}}, "env.A.generator", '"secret"'),
        ({"env": {"A": {"required": "no"}}}, "env.A.required", "true or false"),
        ({"formation": {"web": 2}}, "formation.web", '{"quantity": 1'),
        ({"formation": {"web": {"quantity": "2"}}}, "formation.web.quantity", "whole number"),
        ({"formation": {"web": {"quantity": 101}}}, "formation.web", "0 to 100"),
        ({"formation": {"web": {"size": "huge"}}}, "formation.web", "standard-1x"),
        ({"formation": {"we b": {}}}, "formation.we b", "process type"),
        ({"buildpacks": "heroku/python"}, "buildpacks", '[{"url"'),
        ({"buildpacks": [{}]}, "buildpacks[0]", '"url"'),
        ({"stack": 12}, "stack", 'write "12"'),
        ({"scripts": "x"}, "scripts", '{"postdeploy"'),
        ({"scripts": {"postdeploy": ["x"]}}, "scripts.postdeploy", "must be a command"),
        ({"scripts": {"postdeploy": {"command": "x", "size": "huge"}}}, "scripts.postdeploy.size", "standard-1x"),
        ({"success_url": "javascript:alert(1)"}, "success_url", "path of the app"),
        ({"addons": "pg"}, "addons", '["heroku-postgresql"]'),
        ({"environments": 1}, "environments", "object"),
        ({"image": 1}, "image", "text"),
        ({"healthchecks": []}, "healthchecks", '{"web"'),
        ({"healthchecks": {"web": "/up"}}, "healthchecks.web", '"startup"'),
        ({"healthchecks": {"web": [{"type": "ready"}]}}, "healthchecks.web[0].type", "readiness"),
        ({"healthchecks": {"web": [{"path": "up"}]}}, "healthchecks.web[0].path", "/health"),
        ({"healthchecks": {"web": [{"path": "/up", "attempts": "3"}]}}, "healthchecks.web[0].attempts", "number"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_right(fields: dict[str, Any], field: str, right: str) -> None:
    (problem,) = refused(**fields)
    assert problem.startswith(f"{field} ") and right in problem


def test_everything_that_is_wrong_is_said_at_once() -> None:
    assert len(refused(name=1, env={"A": 1, "B": None}, stack=[])) == 4


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "line 1, column 1"),
        (b'{"name": }', "line 1, column 10"),
        (b"\xff\xfe", "UTF-8"),
        (b"[]", "must be an object"),
        (b"[" * 60_000, "nested too deep"),
        (b" " * (MAX_BYTES + 1), "larger than 64 KB"),
    ],
)
def test_what_is_no_manifest_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(Wrong, match=said):
        parse(content)


def test_a_mark_of_the_byte_order_is_no_fault() -> None:
    assert parse("\ufeff{}".encode()) == Manifest()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"formations": {}}, 'Did you mean "formation"?'),
        ({"env": {"PORT": "80"}}, "the platform sets it"),
        ({"env": {"A": {"value": "x", "defualt": 1}}}, 'env.A has no field "defualt"'),
        ({"formation": {"release": {"quantity": 1}}}, "once per release"),
        ({"addons": ["heroku-postgresql:mini", {"plan": "papertrail"}]}, "heroku-postgresql:mini, papertrail"),
        ({"image": "heroku/ruby"}, "built by buildpacks"),
        ({"environments": {"test": {}}}, "no review apps"),
        ({"scripts": {"pr-predestroy": "x"}}, "is not run"),
        ({"healthchecks": {"worker": []}}, "only web dynos"),
        ({"healthchecks": {"web": [{"type": "liveness", "path": "/up"}]}}, "and not later"),
        ({"healthchecks": {"web": [{"path": "/up"}, {"path": "/in"}]}}, "web[1] is not asked"),
        ({"healthchecks": {"web": [{"command": ["x"]}]}}, "runs no commands"),
        ({"healthchecks": {"web": [{"path": "/up", "timeout": 3, "attempts": 2}]}}, "attempts, timeout is not used"),
    ],
)
def test_what_means_nothing_here_is_told(fields: dict[str, Any], said: str) -> None:
    (warning,) = read(**fields).warnings
    assert said in warning


def test_names_that_a_terminal_would_obey_are_not_shown_as_they_are() -> None:
    (warning,) = read(**{"\x1b[31m" + "x" * 100: 1}).warnings
    assert "\x1b" not in warning and len(warning) < 150


def wanted(manifest: Manifest, **more: Any) -> Any:
    known: dict[str, Any] = {"app": "hello", "config": {}, "stack": "host", "default_stack": "host"}
    return wishes(manifest, **{**known, "stacks": ["host", "debian-13"], "generate": lambda: "made", **more})


def test_what_is_not_set_is_set_and_the_rest_stays() -> None:
    manifest = read(env={"A": "1", "B": "2", "S": {"generator": "secret"}, "T": {"generator": "secret"}})
    found = wanted(manifest, config={"B": "mine", "T": "own", "X": "x"})
    assert found.config == {"A": "1", "B": "mine", "S": "made", "T": "own", "X": "x"}
    assert (found.added, found.made) == (("A", "S"), ("S",))


def test_a_secret_is_64_digits_and_never_the_same() -> None:
    assert len(generated()) == 64 and int(generated(), 16) != int(generated(), 16)


def test_what_must_have_a_value_is_named_with_the_command() -> None:
    manifest = read(env={"A": {}, "B": {"required": True}, "C": {"required": False}, "D": ""})
    with pytest.raises(Wrong, match=r"env: A, B need values.*hostctl config:set A=\.\.\. B=\.\.\. -a hello"):
        wanted(manifest)
    with pytest.raises(Wrong, match=r"env: A needs a value: set up with --env A=\.\.\."):
        wanted(manifest, overrides={"B": ""})
    assert wanted(manifest, config={"A": "", "B": ""}).config == {"A": "", "B": "", "D": ""}


def test_overrides_come_before_the_manifest_and_may_be_more() -> None:
    found = wanted(read(env={"A": "1", "S": {"generator": "secret"}}), overrides={"S": "mine", "MORE": "2"})
    assert found.config == {"A": "1", "S": "mine", "MORE": "2"} and found.made == ()


@pytest.mark.parametrize("env", [{"A": "x" * 20_000}, {"A": "\ud800"}])
def test_a_config_that_cannot_be_is_refused_without_its_values(env: dict[str, str]) -> None:
    with pytest.raises(Wrong) as caught:
        wanted(read(env=env))
    assert "xxx" not in str(caught.value)


@pytest.mark.parametrize(
    ("stack", "chosen", "built_on", "said"),
    [
        ("debian-13", "host", "debian-13", ""),
        ("debian-13", "debian-12", "debian-12", "was chosen"),
        ("heroku-24", "host", "host", "there is no stack 'heroku-24' here"),
        ("", "host", "host", ""),
    ],
)
def test_a_stack_counts_if_nobody_chose_another_and_it_is_there(
    stack: str, chosen: str, built_on: str, said: str
) -> None:
    found = wanted(read(stack=stack), stack=chosen)
    assert found.stack == built_on and said in "".join(found.notes) and len(found.notes) == bool(said)


def test_a_formation_is_that_of_types_that_there_are_and_nobody_has_scaled() -> None:
    manifest = read(formation={"web": {"quantity": 2}, "worker": {"quantity": 1}, "clock": {"quantity": 1}})
    found = formation(manifest, ["web", "worker"], {"worker"})
    assert found == ([Process("web", 2)], ["clock"])


@pytest.mark.parametrize(
    ("said", "leads_to"),
    [
        ("/welcome", "https://hello.example.com/welcome"),
        ("https://docs.example.org/", "https://docs.example.org/"),
        ("", None),
    ],
)
def test_where_to_go_once_the_app_is_up(said: str, leads_to: str | None) -> None:
    assert success_address(read(success_url=said), "https://hello.example.com/") == leads_to
