"""The Python buildpack with its Django example: the interpreter in the slug, static files, gunicorn by default."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.formation import scale
from tests.support.platform import Finished, Platform
from tests.support.runtime_files import foreign_files, mapped_files

EXAMPLE = Path(__file__).parents[2] / "examples/hello-django"
APP = "hello-django-example"


@pytest.fixture(scope="module")
def hello(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Finished]]:
    directory = tmp_path_factory.mktemp("hello-django") / "app"
    platform.hostctl("apps:create", APP)
    try:
        yield directory, platform.push(platform.commit(EXAMPLE, directory), APP)
    finally:
        platform.hostctl("apps:destroy", "-a", APP, "--confirm", APP)


def test_locked_dependencies_static_files_and_gunicorn(platform: Platform, hello: tuple[Path, Finished]) -> None:
    pushed = hello[1].stderr
    assert "-----> Python app detected" in pushed
    assert "-----> Installing dependencies from uv.lock" in pushed
    assert re.search(r"\+ django==5\.2\.\d+", pushed)
    assert "-----> $ python manage.py collectstatic --noinput" in pushed
    assert "Default types for buildpack -> web" in pushed
    assert "ruff" not in pushed
    page = platform.http_get(APP).text
    assert "<h1>Hello, Django!</h1>" in page
    style = re.search(r'href="(/static/pages/style\.[0-9a-f]+\.css)"', page)
    assert style is not None
    assert "font-size: 3rem" in platform.http_get(APP, style[1]).text


def test_the_interpreter_and_its_libraries_come_with_the_slug(platform: Platform, hello: tuple[Path, Finished]) -> None:
    scale(platform, APP, web=2)
    files = {file for files in mapped_files(platform, APP).values() for file in files}
    assert any(re.fullmatch(r"/app/\.heroku/cpython/stack-[\d.]+/bin/python3\.\d+", file) for file in files)
    assert any(re.fullmatch(r"/app/\.heroku/cpython/stack-[\d.]+/lib/stack/libssl\.so\.3", file) for file in files)
    assert foreign_files(platform, APP) == set()


def test_as_many_processes_as_the_dyno_has_room_for(platform: Platform, hello: tuple[Path, Finished]) -> None:
    command = "echo $DYNO_RAM $WEB_CONCURRENCY; python -c 'import sys; print(sys.prefix)'"
    assert platform.hostctl("run", "-a", APP, command).stdout.split() == ["512", "2", "/app/.heroku/python"]
    limited = platform.hostctl("run", "-a", APP, "--env", "WEB_CONCURRENCY=7", "echo $WEB_CONCURRENCY")
    assert limited.stdout.strip() == "7"


def test_a_second_push_reuses_everything_and_can_be_rolled_back(
    platform: Platform, hello: tuple[Path, Finished], wait_until: Callable[..., object]
) -> None:
    directory, _ = hello
    name = "pages/templates/pages/home.html"
    page = (EXAMPLE / name).read_text().replace("Hello, Django!", "Hello again!")
    pushed = platform.push(platform.commit({name: page}, directory), APP)
    assert "-----> Reusing the dependencies of the last build" in pushed.stderr
    assert "<h1>Hello again!</h1>" in platform.http_get(APP).text
    platform.hostctl("rollback", "-a", APP)
    wait_until(lambda: "<h1>Hello, Django!</h1>" in platform.http_get(APP).text, 30)


def test_static_files_that_cannot_be_collected_are_explained(platform: Platform, hello: tuple[Path, Finished]) -> None:
    directory, _ = hello
    settings = (EXAMPLE / "hello/settings.py").read_text()
    broken = settings.replace("STATIC_ROOT = ", "IGNORED = ")
    refused = platform.push(platform.commit({"hello/settings.py": broken}, directory), APP, check=False)
    assert refused.returncode != 0
    assert " !     The settings need STATIC_ROOT" in refused.stderr
    assert "hostctl config:set DISABLE_COLLECTSTATIC=1" in refused.stderr
    assert platform.http_get(APP).status == 200

    needy = settings.replace('os.environ.get("SECRET_KEY") or get_random_secret_key()', 'os.environ["SECRET_KEY"]')
    refused = platform.push(platform.commit({"hello/settings.py": needy}, directory), APP, check=False)
    assert " !     The settings need SECRET_KEY, which is not set: `hostctl config:set SECRET_KEY=" in refused.stderr
    platform.hostctl("config:set", "-a", APP, "SECRET_KEY=of this test")
    mended = platform.push(directory, APP)
    assert "-----> Reusing the dependencies of the last build" in mended.stderr


def test_a_version_that_is_not_to_be_had(platform: Platform, hello: tuple[Path, Finished]) -> None:
    directory, _ = hello
    refused = platform.push(platform.commit({"runtime.txt": "python-2.6"}, directory), APP, check=False)
    assert refused.returncode != 0
    assert " !     runtime.txt asks for Python 2.6, which is not to be had." in refused.stderr
    assert re.search(r" !     On this stack: 3\.\d+\.\d+\.", refused.stderr)
    assert re.search(r"interpreters, .*: (3\.\d+\.\d+, )+", refused.stderr)
