"""The static buildpack with its example: nginx in the slug, told by static.json."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.formation import scale
from tests.support.platform import Finished, Platform
from tests.support.runtime_files import foreign_files, mapped_files

EXAMPLE = Path(__file__).parents[2] / "examples/planets-static"
APP = "planets-example"


@pytest.fixture(scope="module")
def planets(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Finished]]:
    directory = tmp_path_factory.mktemp("planets") / "app"
    platform.hostctl("apps:create", APP)
    try:
        yield directory, platform.push(platform.commit(EXAMPLE, directory), APP)
    finally:
        platform.hostctl("apps:destroy", "-a", APP, "--confirm", APP)


def test_files_routes_redirects_and_errors(platform: Platform, planets: tuple[Path, Finished]) -> None:
    assert "-----> Static site app detected" in planets[1].stderr
    assert "Default types for buildpack -> web" in planets[1].stderr
    assert "<title>Planets</title>" in platform.http_get(APP).text
    assert "<title>Planets</title>" in platform.http_get(APP, "/planets/mars").text
    assert "<title>About Planets</title>" in platform.http_get(APP, "/about").text
    moved = platform.http_get(APP, "/pluto")
    assert (moved.status, moved.headers["location"]) == (302, "/planets/neptune")
    lost = platform.http_get(APP, "/planets/mars/olympus")
    assert lost.status == 404
    assert "Lost in space" in lost.text


def test_caching_and_headers(platform: Platform, planets: tuple[Path, Finished]) -> None:
    page = platform.http_get(APP)
    assert page.headers["cache-control"] == "no-cache"
    assert page.headers["x-content-type-options"] == "nosniff"
    again = platform.http_get(APP, headers={"If-None-Match": page.headers["etag"]})
    assert (again.status, again.text) == (304, "")
    script = platform.http_get(APP, "/assets/site-1f6d0c2a.js")
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    planets_json = platform.http_get(APP, "/planets.json", headers={"Accept-Encoding": "gzip"})
    assert planets_json.headers["content-encoding"] == "gzip"
    assert planets_json.headers["cache-control"] == "public, max-age=3600"
    assert planets_json.headers["access-control-allow-origin"] == "*"


def test_what_belongs_to_the_platform_is_not_served(platform: Platform, planets: tuple[Path, Finished]) -> None:
    for path in ("/.heroku/nginx/usr/sbin/nginx", "/.profile.d", "/static.json", "/..%2fstatic.json"):
        assert platform.http_get(APP, path).status in (400, 404)


def test_nginx_comes_with_the_slug(platform: Platform, planets: tuple[Path, Finished]) -> None:
    scale(platform, APP, web=2)
    assert "/app/.heroku/nginx/usr/sbin/nginx" in mapped_files(platform, APP)["nginx"]
    assert foreign_files(platform, APP) == set()


def test_requests_are_in_the_log(
    platform: Platform, planets: tuple[Path, Finished], wait_until: Callable[..., object]
) -> None:
    platform.http_get(APP, "/planets/saturn")
    line = '"GET /planets/saturn HTTP/1.1" 200'
    wait_until(lambda: line in platform.hostctl("logs", "-a", APP, "--source", "app").stdout)


def test_a_second_push_reuses_nginx_and_can_be_rolled_back(
    platform: Platform, planets: tuple[Path, Finished], wait_until: Callable[..., object]
) -> None:
    directory, _ = planets
    files = {"static.json": '{"root": "site", "https_only": true, "canonical_host": "${HOST}"}'}
    platform.hostctl("config:set", "-a", APP, "HOST=planets.example.com")
    pushed = platform.push(platform.commit(files, directory), APP)
    assert "Reusing" in pushed.stderr
    moved = platform.http_get(APP, "/planets/mars?x=1")
    assert (moved.status, moved.headers["location"]) == (301, "https://planets.example.com/planets/mars?x=1")
    platform.hostctl("rollback", "-a", APP)
    wait_until(lambda: platform.http_get(APP, "/planets/mars").status == 200, 30)


def test_a_site_that_static_json_cannot_mean_is_refused(
    app: str, repository: Callable[..., Path], platform: Platform
) -> None:
    files = {"static.json": '{"root": "dist"}', "index.html": "x"}
    refused = platform.push(repository(files), app, check=False)
    assert refused.returncode != 0
    assert 'static.json says that the root is "dist", but the app has no such folder' in refused.stderr
