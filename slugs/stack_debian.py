"""Debian releases as stacks: what goes into one, what mmdebstrap is told, and what came out of it. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

from slugs.errors import NoSuchStack
from slugs.stack_root import Stack
from units.sandbox import Bind

CODENAMES = {"debian-12": "bookworm", "debian-13": "trixie"}
"""The stacks that can be made, and what Debian calls them."""

# fmt: off
PACKAGES = (
    # What the buildpack contract promises (docs/buildpacks.md), beyond Debian's essential packages.
    "git", "openssh-client", "curl", "wget", "ca-certificates", "openssl", "gnupg",
    "bzip2", "xz-utils", "zstd", "unzip", "zip", "rsync", "patch", "file", "less", "procps", "jq",
    "python3", "python3-dev", "python3-venv", "gcc", "g++", "make", "pkg-config", "autoconf", "automake", "bison",
    "libtool", "gettext-base", "locales", "lsb-release", "netbase", "tzdata",
    # What gems, wheels and npm modules are compiled against, as in Heroku's build image.
    "libbz2-dev", "libcurl4-openssl-dev", "libevent-dev", "libffi-dev", "libgmp-dev", "liblzma-dev",
    "libmariadb-dev", "libncurses-dev", "libpq-dev", "libreadline-dev", "libsqlite3-dev", "libssl-dev",
    "libxml2-dev", "libxslt1-dev", "libyaml-dev", "uuid-dev", "zlib1g-dev",
)
_DPKG_OPTIONS = (
    # Nobody reads these in a dyno, and they are a fifth of the files.
    "path-exclude=/usr/share/man/*", "path-exclude=/usr/share/info/*", "path-exclude=/usr/share/locale/*",
    "path-include=/usr/share/locale/locale.alias", "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    # The finished tree is written to disk as a whole.
    "force-unsafe-io",
)
# What apt is told on the server and a stack must be told too: how mirrors are reached, and whether dates count.
_INHERITED = re.compile(
    r"Acquire::(?:(?:https?|ftp)(?:::[\w.-]+)?::(?:Proxy(?:::[\w.-]+)?|Proxy-Auto-Detect|CaInfo|Timeout)"
    r"|Check-Valid-Until|Check-Date|ForceIPv[46])",
    re.IGNORECASE,
)
# fmt: on
_APT_DEFAULTS = (
    *('Acquire::Languages "none";', 'Acquire::GzipIndexes "true";'),
    *('Acquire::Retries "1";', 'Acquire::http::Timeout "20";'),
)
_MIRROR = "http://deb.debian.org/debian"
_SECURITY_MIRROR = "http://security.debian.org/debian-security"
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_OURS = Path(__file__).with_name("stack")

DIRECTORIES = ("app", "cache", "env", ".hostd")
FILES = ("etc/passwd", "etc/group", "etc/hosts", "etc/hostname", "etc/resolv.conf")
"""What builds and dynos have something bound over."""
COPIED = {f"etc/{name}": _OURS / name for name in ("nsswitch.conf", "bash.bashrc")}
CUSTOMIZE = _OURS / "customize"


def codename(name: str) -> str:
    """What Debian calls the release of that stack. Raises NoSuchStack for one that cannot be made."""
    if name not in CODENAMES:
        raise NoSuchStack(f"hostd cannot make a stack {name[:40]!r}. It can make: {', '.join(CODENAMES)}")
    return CODENAMES[name]


def next_version(today: date, existing: Iterable[str]) -> str:
    """The version of a stack made today, such as 20261121.2 when there was a first one already."""
    day = today.strftime("%Y%m%d")
    numbers = [int(number) for known, _, number in (version.partition(".") for version in existing) if known == day]
    return f"{day}.{max(numbers, default=0) + 1}"


def sources(targets: str, own: str, wanted: str) -> list[str]:
    """The lines of sources.list for the release `wanted`, from the mirrors that the server itself uses.

    `targets` are lines `URI SUITE COMPONENT` of the server's own sources, `own` is the codename of the server, empty
    if it is no Debian; then those that all may use are taken.
    """
    known: dict[str, str] = {}
    for line in targets.splitlines():
        uri, suite, component = [*line.split(), "", "", ""][:3]
        if component == "main":
            known.setdefault(suite, uri.rstrip("/"))
    mirror, security = known.get(own, _MIRROR), known.get(f"{own}-security", _SECURITY_MIRROR)
    updates = known.get(f"{own}-updates", mirror)
    pairs = ((mirror, wanted), (updates, f"{wanted}-updates"), (security, f"{wanted}-security"))
    return [f"deb [signed-by={_KEYRING}] {uri} {suite} main" for uri, suite in pairs]


def apt_options(dump: str) -> str:
    """apt's configuration inside the stack, from what `apt-config dump` says on the server."""
    lines = [line for line in dump.splitlines() if _INHERITED.fullmatch(line.partition(" ")[0])]
    return "".join(f"{line}\n" for line in (*_APT_DEFAULTS, *lines))


def arguments(name: str, *, target: Path, sources_list: Path, apt_conf: Path) -> list[str]:
    """The command line of mmdebstrap that fills the empty folder `target`. Mirrors and proxies come by files."""
    return [
        "/usr/bin/mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        "--format=directory",
        f"--include={','.join(PACKAGES)}",
        f"--aptopt={apt_conf}",
        *(f"--dpkgopt={option}" for option in _DPKG_OPTIONS),
        f"--customize-hook={CUSTOMIZE}",
        # Builds begin with them, instead of fetching them for each app.
        "--skip=cleanup/apt/lists",
        codename(name),
        str(target),
        str(sources_list),
    ]


def command(argv: Sequence[str]) -> list[str]:
    """The command line with an environment of its own: nothing of the daemon's reaches maintainer scripts."""
    variables = ("PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "TMPDIR=/tmp", "HOME=/root")
    return ["/usr/bin/env", "-i", *variables, *argv]


def own_codename(os_release: str) -> str:
    """The codename in the text of a Debian's /etc/os-release, such as bookworm; empty for other distributions."""
    values = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    return values.get("VERSION_CODENAME", "").strip("\"'") if values.get("ID", "").strip("\"'") == "debian" else ""


def installed(status: str) -> dict[str, str]:
    """Package and version of all that is installed, from the text of /var/lib/dpkg/status."""
    return dict(sorted(_installed(status)))


def digest(packages: Mapping[str, str]) -> str:
    """The same for the same packages in the same versions."""
    return hashlib.sha256("".join(f"{name} {version}\n" for name, version in packages.items()).encode()).hexdigest()


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """What is different, a line for each package: `openssl 3.0.15-1 -> 3.0.16-1`."""
    lines = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old != new:
            lines.append(f"{name} {old or '(new)'} -> {new or '(removed)'}")
    return lines


def reason(said: Sequence[str]) -> str:
    """Why mmdebstrap failed, from the last lines that it wrote."""
    text = "\n".join(said)
    if "No space left on device" in text:
        return "The slug store was full. Make room, or enlarge the pool"
    for line in said:
        if match := _FETCH.search(line):
            where, why = match["url"], match["why"].strip()
            return (
                f"The mirror did not give what was asked for: {where}: {why or 'no reason given'}. "
                "hostd takes its mirrors and proxies from this server's own apt (/etc/apt): try `apt-get update` here"
            )
    errors = [line.removeprefix("E: ") for line in said if line.startswith("E: ")]
    return f"mmdebstrap failed: {errors[0] if errors else (said[-1] if said else 'it said nothing')}"


def stack(name: str, version: str, root: Path, host_stack: Stack, host: Path) -> Stack:
    """The stack whose files lie in `root`; what hostd itself gives to builds and dynos comes from the host stack's
    skeleton, so that it is of this hostd however old the stack is."""
    own = (".hostd", "etc/hosts", "etc/hostname")
    return Stack(
        name=name,
        root=root,
        binds=[
            *(Bind(host_stack.root / path, Path("/") / path) for path in own),
            Bind(host / "etc/resolv.conf", Path("/etc/resolv.conf")),
        ],
        build_binds=[],
        release=name,
        title=name.capitalize(),
        version=version,
    )


# Lines of apt: `E: Failed to fetch URL  REASON`, and for an index `W: Failed to fetch URL  REASON`.
_FETCH = re.compile(r"Failed to fetch (?P<url>\S+)(?P<why>.*)")


def _installed(status: str) -> Iterator[tuple[str, str]]:
    for paragraph in status.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if re.match(r"[A-Z][\w-]*: ", line))
        if fields.get("Status", "").endswith(" installed"):
            yield fields["Package"], fields["Version"]
