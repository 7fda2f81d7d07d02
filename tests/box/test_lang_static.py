"""The static buildpack with its example: nginx in the slug, told by static.json."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.support.apps import Deployed, module_app

EXAMPLE = Path(__file__).parents[2] / "examples/planets-static"

planets = module_app("planets-example", EXAMPLE)


def test_files_routes_redirects_and_errors(planets: Deployed) -> None:
    assert "-----> Static site app detected" in planets.pushed
    assert "Default types for buildpack -> web" in planets.pushed
    assert "<title>Planets</title>" in planets.get().text
    assert "<title>Planets</title>" in planets.get("/planets/mars").text
    assert "<title>About Planets</title>" in planets.get("/about").text
    moved = planets.get("/pluto")
    assert (moved.status, moved.headers["location"]) == (302, "/planets/neptune")
    lost = planets.get("/planets/mars/olympus")
    assert lost.status == 404
    assert "Lost in space" in lost.text


def test_caching_and_headers(planets: Deployed) -> None:
    page = planets.get()
    assert page.headers["cache-control"] == "no-cache"
    assert page.headers["x-content-type-options"] == "nosniff"
    again = planets.get(headers={"If-None-Match": page.headers["etag"]})
    assert (again.status, again.text) == (304, "")
    script = planets.get("/assets/site-1f6d0c2a.js")
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    planets_json = planets.get("/planets.json", headers={"Accept-Encoding": "gzip"})
    assert planets_json.headers["content-encoding"] == "gzip"
    assert planets_json.headers["cache-control"] == "public, max-age=3600"
    assert planets_json.headers["access-control-allow-origin"] == "*"


def test_what_belongs_to_the_platform_is_not_served(planets: Deployed) -> None:
    for path in ("/.heroku/nginx/usr/sbin/nginx", "/.profile.d", "/static.json", "/..%2fstatic.json"):
        assert planets.get(path).status in (400, 404)


def test_nginx_comes_with_the_slug(planets: Deployed) -> None:
    planets.scale(web=2)
    assert "/app/.heroku/nginx/usr/sbin/nginx" in planets.own_files()["nginx"]


def test_requests_are_in_the_log(planets: Deployed, wait_until: Callable[..., object]) -> None:
    planets.get("/planets/saturn")
    line = '"GET /planets/saturn HTTP/1.1" 200'
    wait_until(lambda: line in planets.hostctl("logs", "--source", "app"))


def test_a_second_push_reuses_nginx_and_can_be_rolled_back(planets: Deployed) -> None:
    files = {"static.json": '{"root": "site", "https_only": true, "canonical_host": "${HOST}"}'}
    planets.hostctl("config:set", "HOST=planets.example.com")
    assert "Reusing" in planets.push(files)
    moved = planets.get("/planets/mars?x=1")
    assert (moved.status, moved.headers["location"]) == (301, "https://planets.example.com/planets/mars?x=1")
    planets.hostctl("rollback")
    planets.answers(lambda: planets.get("/planets/mars").status == 200)


def test_a_site_that_static_json_cannot_mean_is_refused(planets: Deployed) -> None:
    said = planets.refuses({"static.json": '{"root": "dist"}'})
    assert 'static.json says that the root is "dist", but the app has no such folder' in said
