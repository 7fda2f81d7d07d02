"""The PHP buildpack: the example behind nginx, an app with .htaccess behind Apache, versions and extensions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.formation import scale
from tests.support.platform import Finished, Platform
from tests.support.runtime_files import foreign_files, mapped_files

EXAMPLE = Path(__file__).parents[2] / "examples/calendar-php"
APP = "calendar-example"


@pytest.fixture(scope="module")
def calendar(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Finished]]:
    directory = tmp_path_factory.mktemp("calendar") / "app"
    platform.hostctl("apps:create", APP)
    try:
        yield directory, platform.push(platform.commit(EXAMPLE, directory), APP)
    finally:
        platform.hostctl("apps:destroy", "-a", APP, "--confirm", APP)


def test_a_composer_app_runs_behind_nginx(platform: Platform, calendar: tuple[Path, Finished]) -> None:
    for text in ("-----> PHP app detected", "-----> Using PHP 8.", "Generating optimized autoload files"):
        assert text in calendar[1].stderr
    month = json.loads(platform.http_get(APP, "/2026/11.json").text)
    assert month["title"] == "November 2026"
    assert month["weeks"][0] == [None] * 6 + [1]
    assert month["dyno"] == "web.1"
    assert "<h1>" in platform.http_get(APP, "/2026/12").text
    style = platform.http_get(APP, "/calendar.css")
    assert (style.status, style.headers["content-type"]) == (200, "text/css")


def test_php_s_log_is_the_app_s(
    platform: Platform, calendar: tuple[Path, Finished], wait_until: Callable[..., object]
) -> None:
    assert platform.http_get(APP, "/2026/13").status == 404
    wait_until(lambda: "There is no page /2026/13" in platform.hostctl("logs", "-a", APP, "--source", "app").stdout)


def test_php_and_nginx_come_with_the_slug(platform: Platform, calendar: tuple[Path, Finished]) -> None:
    scale(platform, APP, web=2)
    mapped = mapped_files(platform, APP)
    assert "/app/.heroku/php/usr/sbin/nginx" in mapped["nginx"]
    assert any(file.endswith("/mbstring.so") for file in mapped["php-fpm8.2"])
    assert foreign_files(platform, APP) == set()


def test_processes_of_php_are_as_many_as_the_memory_allows(platform: Platform, calendar: tuple[Path, Finished]) -> None:
    told = platform.hostctl("run", "-a", APP, "echo $DYNO_RAM; php -r 'echo ini_get(\"memory_limit\");'").stdout
    memory, limit = told.splitlines()[-2:]
    scale(platform, APP, web=1)
    script = (
        "for p in /proc/[0-9]*; do grep -q hostd-calendar-example- $p/cgroup && cat $p/comm; done | grep -c php-fpm"
    )
    running = int(platform.run(["bash", "-c", script]).stdout)
    assert running == int(memory) // int(limit.removesuffix("M")) + 1


def test_a_second_push_reuses_php_and_can_be_rolled_back(
    platform: Platform, calendar: tuple[Path, Finished], wait_until: Callable[..., object]
) -> None:
    directory, _ = calendar
    changed = (EXAMPLE / "src/Page.php").read_text().replace("<footer>PHP", "<footer>This is PHP")
    pushed = platform.push(platform.commit({"src/Page.php": changed}, directory), APP)
    assert "Reusing" in pushed.stderr
    assert "Fetching" not in pushed.stderr
    assert "This is PHP" in platform.http_get(APP, "/2026/12").text
    platform.hostctl("rollback", "-a", APP)
    wait_until(lambda: "<footer>PHP" in platform.http_get(APP, "/2026/12").text, 30)


def test_an_htaccess_brings_apache(platform: Platform, app: str, repository: Callable[..., Path]) -> None:
    files = {
        "public/.htaccess": "RewriteEngine On\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule ^ index.php [L]\n",
        "public/index.php": '<?php echo $_SERVER["REQUEST_URI"], " ", $_SERVER["PHP_AUTH_USER"] ?? "nobody";',
        "secret.php": "<?php echo 1;",
    }
    pushed = platform.push(repository(files), app)
    assert "with apache2" in pushed.stderr
    answer = platform.http_get(app, "/some/where?x=1", headers={"Authorization": "Basic bWU6eA=="})
    assert answer.text == "/some/where?x=1 me"
    assert platform.http_get(app, "/.htaccess").status == 403
    assert "/app/.heroku/php/usr/sbin/apache2" in mapped_files(platform, app)["apache2"]
    assert foreign_files(platform, app) == set()


@pytest.mark.parametrize(
    ("required", "says"),
    [
        (
            {"php": "^7.4"},
            "composer.json asks for PHP ^7.4, which cannot be had. Of this stack's Debian can be had: 8.",
        ),
        ({"ext-swoole": "*"}, "The extension ext-swoole cannot be had for PHP 8."),
    ],
)
def test_what_cannot_be_had_is_refused_with_the_list(
    platform: Platform, app: str, repository: Callable[..., Path], required: dict[str, str], says: str
) -> None:
    files = {"composer.json": json.dumps({"require": required}), "index.php": ""}
    refused = platform.push(repository(files), app, check=False)
    assert refused.returncode != 0
    assert says in refused.stderr
