"""The seam between control plane and runner, as values."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from buildpacks.contract import Order, environment, header, settings
from buildpacks.release import Release
from buildpacks.report import MAX_BYTES, Report, UsedBuildpack, read
from buildpacks.source import GitSource, TarSource, UrlSource

ORDER = Order(stack_title="Debian-12")


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_header_counts_and_terminates() -> None:
    head, _, rest = header({"A": "1", "B": "x\ny"}, {"C": "é"}, ORDER).partition(b"\n")
    assert head == f"2 1 {len(settings(ORDER))}".encode()
    assert rest.startswith("A=1\0B=x\ny\0C=é\0".encode())
    assert rest.endswith(b"\0")


@pytest.mark.parametrize("name", ["../x", "A B", "", "1A", "A=B", "A\nB"])
def test_header_takes_no_name_that_could_be_a_path(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a variable"):
        header({}, {name: "x"}, ORDER)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (TarSource(), ("tar", "", "", "")),
        (TarSource(strip=True), ("tar", "", "", "yes")),
        (GitSource("https://h/x", "main"), ("git", "https://h/x", "main", "")),
        (UrlSource("https://h/x.tgz"), ("url", "https://h/x.tgz", "", "")),
    ],
)
def test_sources_as_settings(source: Any, said: tuple[str, ...]) -> None:
    values = settings(Order(stack_title="x", source=source))
    assert tuple(values[f"source{key}"] for key in ("", "_url", "_ref", "_strip")) == said


def test_addresses_are_not_in_what_is_printed_of_them() -> None:
    secret = "https://user:s3cret@host/x"
    for value in (GitSource(secret), UrlSource(secret), Order(stack_title="x", buildpacks=[secret])):
        assert "s3cret" not in repr(value)


@pytest.mark.parametrize(
    "order",
    [
        {"buildpacks": ["a\nb"]},
        {"source": GitSource("https://h/\nx")},
        {"submodules": {"a\nb": "0" * 40}},
        {"submodules": {"a": "--upload-pack=x"}},
    ],
)
def test_order_that_would_be_misread_is_refused(order: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"line break|submodule"):
        settings(Order(stack_title="x", **order))


def test_report_of_a_finished_build() -> None:
    release = encoded("default_process_types:\n  web: x\n")
    said = f"used heroku/python - - Python 3\nrelease 0 {release}\nmetadata {encoded('a: 1')}\ncommit abc\ndone\n"
    used = (UsedBuildpack("heroku/python", language="Python 3"),)
    assert read(said.encode()) == Report(used, Release({"web": "x"}), None, commit="abc", metadata="a: 1")


def test_what_several_buildpacks_report_is_one_text_of_bounded_length() -> None:
    said = [f"metadata {encoded(text)}" for text in ("a: 1\n", "", "b: 2\nc: \x1b3\n")]
    assert read("\n".join([*said, "failed compile 1"]).encode()).metadata == "a: 1\nb: 2\nc: 3"
    assert len(read("\n".join([f"metadata {encoded('x' * 60_000)}"] * 5).encode()).metadata) == 64 * 1024


def test_report_of_a_failure() -> None:
    report = read(f"used u v1 abc Ruby\nreason {encoded('No way.')}\nfailed compile 3\n".encode())
    assert (report.failed, report.status, report.reason) == ("compile", 3, "No way.")
    assert report.last == UsedBuildpack("u", "v1", "abc", "Ruby")
    assert read(b"failed detect\n").failed == "detect"


def test_report_that_was_never_finished_or_forged() -> None:
    assert read(b"").failed == ""
    assert read(b"failed compile 3\ndone\n").failed == "compile"
    forged = b"used x - - \x1b[31m" + b"x" * 2000 + b"\xff\nrelease 0 %%%\nused\ndone\nfailed compile \xc2\xb2\n"
    report = read(forged + f"reason {encoded('a' + chr(27) + '[2J' + chr(10) + 'b')}\n".encode())
    assert len(report.used[0].language) <= 300
    assert report.used[0].language.isprintable()
    assert (report.status, report.reason) == (0, "a[2J\nb")
    assert len(read(b"used x - - y\n" * 5000).used) <= 100
    assert MAX_BYTES >= 20 * 65536 * 4 // 6


def test_home_is_not_the_app_and_config_is_not_in_the_environment() -> None:
    variables = environment(stack="debian-12", source_version="abc", request_id="r")
    assert variables["HOME"] != variables["BUILD_DIR"]
    assert (variables["STACK"], variables["SOURCE_VERSION"], variables["DYNO"]) == ("debian-12", "abc", "build.1")
