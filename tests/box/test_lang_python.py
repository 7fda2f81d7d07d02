"""The Python buildpack with its Django example: the interpreter in the slug, static files, gunicorn by default."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.apps import Deployed, module_app

EXAMPLE = Path(__file__).parents[2] / "examples/hello-django"

hello = module_app("hello-django-example", EXAMPLE)


def test_locked_dependencies_static_files_and_gunicorn(hello: Deployed) -> None:
    pushed = hello.pushed
    assert "-----> Python app detected" in pushed
    assert "-----> Installing dependencies from uv.lock" in pushed
    assert re.search(r"\+ django==5\.2\.\d+", pushed)
    assert "-----> $ python manage.py collectstatic --noinput" in pushed
    assert "Default types for buildpack -> web" in pushed
    assert "ruff" not in pushed
    page = hello.get().text
    assert "<h1>Hello, Django!</h1>" in page
    style = re.search(r'href="(/static/pages/style\.[0-9a-f]+\.css)"', page)
    assert style is not None
    assert "font-size: 3rem" in hello.get(style[1]).text


def test_the_interpreter_and_its_libraries_come_with_the_slug(hello: Deployed) -> None:
    hello.scale(web=2)
    files = {file for files in hello.own_files().values() for file in files}
    assert any(re.fullmatch(r"/app/\.heroku/cpython/stack-[\d.]+/bin/python3\.\d+", file) for file in files)
    assert any(re.fullmatch(r"/app/\.heroku/cpython/stack-[\d.]+/lib/stack/libssl\.so\.3", file) for file in files)


def test_as_many_processes_as_the_dyno_has_room_for(hello: Deployed) -> None:
    command = "echo $DYNO_RAM $WEB_CONCURRENCY; python -c 'import sys; print(sys.prefix)'"
    assert hello.hostctl("run", command).split() == ["512", "2", "/app/.heroku/python"]
    assert hello.hostctl("run", "--env", "WEB_CONCURRENCY=7", "echo $WEB_CONCURRENCY").strip() == "7"


def test_a_second_push_reuses_everything_and_can_be_rolled_back(hello: Deployed) -> None:
    pushed = hello.goes_and_comes_back("pages/templates/pages/home.html", "Hello, Django!", "Hello again!")
    assert "-----> Reusing the dependencies of the last build" in pushed


def test_static_files_that_cannot_be_collected_are_explained(hello: Deployed) -> None:
    settings = (EXAMPLE / "hello/settings.py").read_text()
    broken = settings.replace("STATIC_ROOT = ", "IGNORED = ")
    said = hello.refuses({"hello/settings.py": broken})
    assert " !     The settings need STATIC_ROOT" in said
    assert "hostctl config:set DISABLE_COLLECTSTATIC=1" in said

    needy = settings.replace('os.environ.get("SECRET_KEY") or get_random_secret_key()', 'os.environ["SECRET_KEY"]')
    said = hello.refuses({"hello/settings.py": needy})
    assert " !     The settings need SECRET_KEY, which is not set: `hostctl config:set SECRET_KEY=" in said
    hello.hostctl("config:set", "SECRET_KEY=of this test")
    assert "-----> Reusing the dependencies of the last build" in hello.push({})


def test_a_version_that_is_not_to_be_had(hello: Deployed) -> None:
    said = hello.refuses({"runtime.txt": "python-2.6"})
    assert " !     runtime.txt asks for Python 2.6, which is not to be had." in said
    assert re.search(r" !     On this stack: 3\.\d+\.\d+\.", said)
    assert re.search(r"interpreters, .*: (3\.\d+\.\d+, )+", said)
