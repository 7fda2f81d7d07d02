"""What static.json means: the settings that are read, and the configuration of nginx that they become."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from buildpacks import contract
from buildpacks.bundled.static.serve.nginx import configuration, pattern_expression
from buildpacks.bundled.static.serve.settings import Redirect, Settings, SettingsError, read_settings

PACK = contract.FOLDER / "static"


def read(content: dict[str, Any] | None, *paths: str) -> Settings:
    return read_settings(None if content is None else json.dumps(content), set(paths).__contains__)


def test_without_static_json_the_folder_with_a_page_is_served() -> None:
    assert read(None).root == "."
    assert read(None, "public/index.html", "public/404.html").root == "public"
    assert read({}, "public/index.html", "public/404.html").not_found_page == "/404.html"


def test_everything_that_heroku_s_buildpack_reads_is_read() -> None:
    content = {
        "root": "dist/",
        "clean_urls": True,
        "https_only": True,
        "canonical_host": "www.example.com",
        "encoding": "US-ASCII",
        "error_page": "errors/error.html",
        "logging": {"access": False, "error": "warn"},
        "routes": {"/assets/*": "/assets/", "/**": "index.html"},
        "redirects": {"/old": {"url": "${NEW}/new", "status": 302}, "/gone": {"url": "/"}},
        "proxies": {"/api/": {"origin": "https://${API}.example.com/v1/"}},
        "headers": {"/": {"Cache-Control": "no-store"}},
    }
    settings = read(content, "dist", "dist/errors/error.html")
    assert settings.root == "dist"
    assert settings.error_page == "/errors/error.html"
    assert (settings.access_log, settings.error_log) == (False, "warn")
    assert settings.routes == {"/assets/*": "/assets/", "/**": "/index.html"}
    assert settings.redirects == {"/old": Redirect("${NEW}/new", 302), "/gone": Redirect("/")}
    assert settings.unknown == ()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"root": "dist"}, 'says that the root is "dist", but the app has no such folder'),
        ({"root": "../../etc"}, '"root" in static.json must be a folder of the app'),
        ({"clean_urls": "yes"}, '"clean_urls" in static.json must be true or false'),
        ({"routes": {"about": "a.html"}}, '"about" in "routes" of static.json must be a path that begins with /'),
        ({"routes": {"/a": "a.html; root /etc"}}, '"routes" in static.json cannot be "a.html; root /etc"'),
        ({"redirects": {"/a": {"url": "/b", "status": 200}}}, 'redirect of "/a" in static.json needs a status'),
        ({"redirects": {"/a": {"url": '/b"; x'}}}, "an address that cannot be one"),
        ({"proxies": {"/a": {"origin": "ftp://x"}}}, "must begin with http:// or https://"),
        ({"headers": {"/": {"X y": "z"}}}, '"X y" for "/" in static.json is not a header'),
        ({"headers": {"/": {"X": "a\nb"}}}, '"X" for "/" in static.json is not a header'),
        ({"canonical_host": "a b"}, '"canonical_host" in static.json cannot be "a b"'),
        ({"error_page": "e.html"}, "names the error page /e.html"),
        ({"logging": {"error": "loud"}}, '"logging.error" in static.json must be one of debug'),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(content: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(says)):
        read(content)


@pytest.mark.parametrize("text", ["{", "[]", '"x"'])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^static\.json "):
        read_settings(text, lambda _: False)


def test_unknown_names_are_kept_for_a_warning() -> None:
    assert read({"gzipp": True, "root": "."}, ".").unknown == ("gzipp",)


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"),
    [
        ("/*.html", "/baz.html", "/bar/baz.html"),
        ("/route/**", "/route/foo/bar", "/routes/foo"),
        ("/a.b", "/a.b", "/axb"),
        ("/", "/", "/a"),
    ],
)
def test_stars_within_and_across_segments(pattern: str, fits: str, does_not: str) -> None:
    assert re.search(pattern_expression(pattern), fits)
    assert not re.search(pattern_expression(pattern), does_not)


def test_the_last_headers_that_fit_win_with_all_they_have() -> None:
    text = configuration(read({"headers": {"/**": {"X-Foo": "bar", "X-Bar": 'b"$z'}, "/foo": {"x-foo": "foo"}}}))
    assert '    "~^/foo$" "foo";\n    "~^/.*$" "bar";\n' in text
    assert '    "~^/foo$" "";\n    "~^/.*$" "b\\"${dollar}z";\n' in text
    assert "add_header X-Foo $header_0 always;" in text


def test_config_vars_are_left_for_the_start() -> None:
    text = configuration(read({"canonical_host": "${HOST}", "redirects": {"/a": {"url": "${SITE}/a"}}}))
    assert 'if ($host != "%%HOST%%") { return 301 $scheme_asked://%%HOST%%$request_uri; }' in text
    assert '"~^/a$" "%%SITE%%/a";' in text


def test_files_of_the_platform_are_hidden_when_the_app_s_folder_is_the_root() -> None:
    assert "location = /Procfile { return 404; }" in configuration(read({}))
    assert "Procfile" not in configuration(read({"root": "dist"}, "dist"))


@pytest.mark.parametrize(
    ("files", "status"),
    [
        ({"static.json": "{}", "Procfile": "web: bin/boot"}, 0),
        ({"index.html": ""}, 0),
        ({"public/index.html": ""}, 0),
        ({"index.html": "", "Procfile": "web: ./serve\n"}, 1),
        ({"index.html": "", "Procfile": "worker: ./work\n"}, 0),
        ({"readme.html": ""}, 1),
    ],
)
def test_detection(tmp_path: Path, files: dict[str, str], status: int) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert subprocess.run([PACK / "bin/detect", tmp_path], capture_output=True, check=False).returncode == status
