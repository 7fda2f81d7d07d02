"""The apt buildpack with its example: programs of Debian packages that the machine does not have."""

from __future__ import annotations

from pathlib import Path

from tests.support.apps import Deployed, module_app

EXAMPLE = Path(__file__).parents[2] / "examples/qrcode-apt"

qrcode = module_app("qrcode-example", EXAMPLE)


def test_programs_of_packages_run(qrcode: Deployed) -> None:
    assert "-----> Installing packages from the Aptfile" in qrcode.pushed
    assert "-----> Procfile app detected" in qrcode.pushed
    picture = qrcode.get("/?text=h%C3%A9llo+you")
    assert (picture.status, picture.headers["content-type"]) == (200, "image/svg+xml")
    assert "qrencode" in picture.text


def test_they_come_with_the_slug(qrcode: Deployed) -> None:
    qrcode.scale(web=2)
    assert any(file.startswith("/app/.apt/usr/bin/socat") for file in qrcode.own_files()["socat"])
    where = qrcode.hostctl("run", "command -v qrencode; echo $PKG_CONFIG_PATH")
    assert "/app/.apt/usr/bin/qrencode" in where
    assert "/app/.apt/usr/lib/x86_64-linux-gnu/pkgconfig" in where


def test_a_second_push_reuses_them_and_a_changed_aptfile_does_not(qrcode: Deployed) -> None:
    assert "Reusing" in qrcode.push({"note": "2"})
    aptfile = (EXAMPLE / "Aptfile").read_text() + "jq\n"
    assert "Debian packages for qrencode socat jq" in qrcode.push({"Aptfile": aptfile, "Procfile": "web: ./serve.sh\n"})
    assert "/app/.apt/usr/bin/jq" in qrcode.hostctl("run", "command -v jq")
    qrcode.hostctl("rollback")
    gone = qrcode.hostctl("run", "ls /app/.apt/usr/bin")
    assert "qrencode" in gone
    assert "jq" not in gone.split()


def test_a_package_that_does_not_exist_is_named(qrcode: Deployed) -> None:
    said = qrcode.refuses({"Aptfile": "qrencod\n"})
    assert "There is no package named qrencod in the stack's package sources. Did you mean qrencode" in said
