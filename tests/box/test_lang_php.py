"""The PHP buildpack: the example behind nginx, an app with .htaccess behind Apache, versions and extensions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.apps import Deployed, module_app
from tests.support.platform import Platform
from tests.support.runtime_files import own_files

EXAMPLE = Path(__file__).parents[2] / "examples/calendar-php"

calendar = module_app("calendar-example", EXAMPLE)


def test_a_composer_app_runs_behind_nginx(calendar: Deployed) -> None:
    for text in ("-----> PHP app detected", "-----> Using PHP 8.", "Generating optimized autoload files"):
        assert text in calendar.pushed
    month = json.loads(calendar.get("/2026/11.json").text)
    assert month["title"] == "November 2026"
    assert month["weeks"][0] == [None] * 6 + [1]
    assert month["dyno"] == "web.1"
    assert "<h1>" in calendar.get("/2026/12").text
    style = calendar.get("/calendar.css")
    assert (style.status, style.headers["content-type"]) == (200, "text/css")


def test_php_s_log_is_the_app_s(calendar: Deployed, wait_until: Callable[..., object]) -> None:
    assert calendar.get("/2026/13").status == 404
    wait_until(lambda: "There is no page /2026/13" in calendar.hostctl("logs", "--source", "app"))


def test_php_and_nginx_come_with_the_slug(calendar: Deployed) -> None:
    calendar.scale(web=2)
    mapped = calendar.own_files()
    assert "/app/.heroku/php/usr/sbin/nginx" in mapped["nginx"]
    assert any(file.endswith("/mbstring.so") for file in mapped["php-fpm8.2"])


def test_processes_of_php_are_as_many_as_the_memory_allows(calendar: Deployed) -> None:
    told = calendar.hostctl("run", "echo $DYNO_RAM; php -r 'echo ini_get(\"memory_limit\");'")
    memory, limit = told.splitlines()[-2:]
    calendar.scale(web=1)
    script = (
        "for p in /proc/[0-9]*; do grep -q hostd-calendar-example- $p/cgroup && cat $p/comm; done | grep -c php-fpm"
    )
    running = int(calendar.platform.run(["bash", "-c", script]).stdout)
    assert running == int(memory) // int(limit.removesuffix("M")) + 1


def test_a_second_push_reuses_php_and_can_be_rolled_back(calendar: Deployed) -> None:
    pushed = calendar.goes_and_comes_back("src/Page.php", "<footer>PHP", "<footer>This is PHP", "/2026/12")
    assert "Reusing" in pushed
    assert "Fetching" not in pushed


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
    assert "/app/.heroku/php/usr/sbin/apache2" in own_files(platform, app)["apache2"]


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
    calendar: Deployed, tmp_path: Path, required: dict[str, str], says: str
) -> None:
    assert says in calendar.refuses({"composer.json": json.dumps({"require": required}), "index.php": ""}, tmp_path)
