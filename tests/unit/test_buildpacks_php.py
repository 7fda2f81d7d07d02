"""Which PHP an app gets, with which extensions and servers, and what it runs by default."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from buildpacks import contract
from buildpacks.bundled.php.steps.constraints import satisfies
from buildpacks.bundled.php.steps.platform import Platform, PlatformError, choose_servers, plan

PACK = contract.FOLDER / "php"
BOOKWORM = {
    f"php8.2-{name}": "8.2.36-1~deb12u1"
    for name in ("cli", "fpm", "curl", "gd", "mbstring", "mysql", "pgsql", "sqlite3", "xml", "zip")
}
BOTH = {**BOOKWORM, "php8.4-fpm": "8.4.11-1", "php8.4-curl": "8.4.11-1"}


def planned(project: dict[str, Any] | None, lock: dict[str, Any] | None = None, available: Any = BOOKWORM) -> Platform:
    return plan(project and json.dumps(project), lock and json.dumps(lock), available)


@pytest.mark.parametrize(
    ("constraint", "version", "met"),
    [
        ("^8.1", (8, 2, 36), True),
        ("^8.3", (8, 2, 36), False),
        ("^7.4 || ^8.0", (8, 2, 36), True),
        ("^7.4|^8.0", (8, 2, 36), True),
        ("~8.2", (8, 4, 1), True),
        ("~8.2.0", (8, 4, 1), False),
        (">=8.1 <8.3", (8, 2, 36), True),
        (">= 8.1, < 8.2", (8, 2, 36), False),
        ("8.2.*", (8, 2, 36), True),
        ("8.*", (7, 4, 0), False),
        ("7.4 - 8.2", (8, 2, 36), True),
        ("7.4 - 8.1", (8, 2, 36), False),
        ("*", (8, 2, 36), True),
        ("8.2.36", (8, 2, 36), True),
        ("8.2", (8, 2, 36), False),
        ("!=8.2.36", (8, 2, 36), False),
        ("^8.1@stable", (8, 2, 36), True),
        ("^0.3", (0, 4, 0), False),
    ],
)
def test_composer_s_constraints(constraint: str, version: tuple[int, ...], met: bool) -> None:
    assert satisfies(version, constraint) is met


@pytest.mark.parametrize("constraint", ["", "newest", "^", "8.2 ||"])
def test_what_is_no_constraint(constraint: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        satisfies((8, 2, 36), constraint)


def test_an_app_without_composer_gets_the_newest_with_the_usual_extensions() -> None:
    found = planned(None, available=BOTH)
    assert (found.series, found.version) == ("8.4", "8.4.11")
    assert found.packages == ("php8.4-curl",)
    assert not found.installs


def test_extensions_of_the_app_and_of_its_packages_are_taken_by_their_packages() -> None:
    lock = {"packages": [{"name": "a/b", "require": {"ext-pdo_mysql": "*", "ext-intl": "*", "php": ">=7.2"}}]}
    project = {"require": {"php": "^8.1", "ext-GD": "*", "ext-json": "*", "ext-Zend OPcache": "*", "x/y": "1"}}
    available = {**BOOKWORM, "php8.2-intl": "8.2.36-1", "php8.2-opcache": "8.2.36-1"}
    found = planned(project, lock, available)
    assert {"php8.2-gd", "php8.2-mysql", "php8.2-intl", "php8.2-opcache"} <= set(found.packages)
    assert len(found.packages) == len(set(found.packages))


def test_an_extension_that_a_package_provides_is_not_asked_for() -> None:
    lock = {"packages": [{"name": "symfony/polyfill-x", "provide": {"ext-x": "*"}}]}
    planned({"require": {"ext-x": "*"}}, lock)


def test_an_older_php_is_taken_when_only_that_fits() -> None:
    assert planned({"require": {"php": "~8.2.0"}}, available=BOTH).series == "8.2"


@pytest.mark.parametrize(
    ("project", "says"),
    [
        ({"require": {"php": "^7.4"}}, r"asks for PHP \^7\.4, which cannot be had\. .* can be had: 8\.4\.11, 8\.2\.36"),
        ({"require": {"php": "newest"}}, r'PHP "newest", which is not a constraint'),
        ({"require": {"ext-swoole": "*"}}, r"ext-swoole cannot be had for PHP 8\.4\. .* can be had: curl$"),
        ([1], "composer.json cannot be read"),
    ],
)
def test_what_cannot_be_had_is_refused_with_the_list(project: Any, says: str) -> None:
    with pytest.raises(PlatformError, match=says):
        planned(project, available=BOTH)


def test_folders_and_scripts_of_composer() -> None:
    project = {"config": {"vendor-dir": "lib/vendor"}, "scripts": {"compile": "make"}, "require": []}
    found = planned(project)
    assert (found.vendor, found.binaries, found.scripts) == ("lib/vendor", "lib/vendor/bin", ("compile",))


@pytest.mark.parametrize(
    ("procfile", "htaccess", "servers"),
    [
        ("", False, ("nginx",)),
        ("", True, ("apache2",)),
        ("web: vendor/bin/heroku-php-nginx public/", True, ("nginx",)),
        ("web: heroku-php-apache2\nadmin: heroku-php-nginx admin/", False, ("apache2", "nginx")),
    ],
)
def test_servers(procfile: str, htaccess: bool, servers: tuple[str, ...]) -> None:
    assert choose_servers(procfile, htaccess) == servers


@pytest.mark.parametrize(
    ("files", "web"),
    [
        (["index.php"], "heroku-php-nginx"),
        (["public/index.php"], "heroku-php-nginx public/"),
        (["index.php", "public/index.php", ".heroku/php/usr/sbin/apache2"], "heroku-php-apache2"),
    ],
)
def test_default_process(tmp_path: Path, files: list[str], web: str) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch(mode=0o755)
    done = subprocess.run([PACK / "bin/release", tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout == f"---\ndefault_process_types:\n  web: {web}\n"
