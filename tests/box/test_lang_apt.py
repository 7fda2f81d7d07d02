"""The apt buildpack with its example: programs of Debian packages that the machine does not have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.formation import scale
from tests.support.platform import Finished, Platform
from tests.support.runtime_files import foreign_files, mapped_files

EXAMPLE = Path(__file__).parents[2] / "examples/qrcode-apt"
APP = "qrcode-example"


@pytest.fixture(scope="module")
def qrcode(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Finished]]:
    directory = tmp_path_factory.mktemp("qrcode") / "app"
    platform.hostctl("apps:create", APP)
    try:
        yield directory, platform.push(platform.commit(EXAMPLE, directory), APP)
    finally:
        platform.hostctl("apps:destroy", "-a", APP, "--confirm", APP)


def test_programs_of_packages_run(platform: Platform, qrcode: tuple[Path, Finished]) -> None:
    assert "-----> Installing packages from the Aptfile" in qrcode[1].stderr
    picture = platform.http_get(APP, "/?text=h%C3%A9llo+you")
    assert (picture.status, picture.headers["content-type"]) == (200, "image/svg+xml")
    assert "qrencode" in picture.text


def test_they_come_with_the_slug(platform: Platform, qrcode: tuple[Path, Finished]) -> None:
    scale(platform, APP, web=2)
    assert any(file.startswith("/app/.apt/usr/bin/socat") for file in mapped_files(platform, APP)["socat"])
    assert foreign_files(platform, APP) == set()
    where = platform.hostctl("run", "-a", APP, "command -v qrencode; echo $PKG_CONFIG_PATH").stdout
    assert "/app/.apt/usr/bin/qrencode" in where
    assert "/app/.apt/usr/lib/x86_64-linux-gnu/pkgconfig" in where


def test_a_second_push_reuses_them_and_a_changed_aptfile_does_not(
    platform: Platform, qrcode: tuple[Path, Finished], wait_until: Callable[..., object]
) -> None:
    directory, _ = qrcode
    again = platform.push(platform.commit({"note": "2"}, directory), APP)
    assert "Reusing" in again.stderr
    aptfile = (EXAMPLE / "Aptfile").read_text() + "jq\n"
    more = platform.push(platform.commit({"Aptfile": aptfile, "Procfile": "web: ./serve.sh\n"}, directory), APP)
    assert "Debian packages for qrencode socat jq" in more.stderr
    assert "/app/.apt/usr/bin/jq" in platform.hostctl("run", "-a", APP, "command -v jq").stdout
    platform.hostctl("rollback", "-a", APP)
    gone = platform.hostctl("run", "-a", APP, "ls /app/.apt/usr/bin").stdout
    assert "qrencode" in gone
    assert "jq" not in gone.split()


def test_a_package_that_does_not_exist_is_named(platform: Platform, app: str, repository: Callable[..., Path]) -> None:
    files = {"Aptfile": "qrencod\n", ".buildpacks": "apt\nprocfile\n", "Procfile": "web: true\n"}
    refused = platform.push(repository(files), app, check=False)
    assert refused.returncode != 0
    wanted = "There is no package named qrencod in the stack's package sources. Did you mean qrencode"
    assert wanted in refused.stderr
