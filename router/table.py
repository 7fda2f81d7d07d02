"""Table: which host belongs to which app, and where its dynos are. A pure, immutable value."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import InitVar, dataclass, field, replace
from enum import Enum
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any

from router.gate import Gate
from router.passwords import HASH

CHALLENGE = re.compile(r"[A-Za-z0-9_-]{16,128}\.[A-Za-z0-9_-]{43}")
"""The text that proves to a certificate authority that a host is ours (RFC 8555, 8.1)."""
PLATFORM = "hostd"
PLATFORM_GIT = "hostd-git"
PLATFORMS = frozenset({PLATFORM, PLATFORM_GIT})
"""The ids in the table of what is no app but the platform itself: its requests are logged as those of no app."""
_IDENTITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
_APP_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_DYNO_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}\.[0-9]{1,9}")
_CERTIFICATE = re.compile(r"[0-9a-f]{16,64}")
_HSTS = re.compile(r"(max-age=[0-9]{1,10}(; includeSubDomains)?(; preload)?)?")
_PAGE = re.compile(r"([0-9a-f]{32}-[0-9a-f]{32})?")
_KEY = re.compile(r"([0-9a-f]{64})?")
_USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_HOST = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")


class TableError(ValueError):
    """The document is not a route table; the text says which part and why."""


class State(Enum):
    """What an app does with requests."""

    UP = "up"
    STARTING = "starting"
    CRASHED = "crashed"
    IDLE = "idle"
    NONE = "none"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True, slots=True)
class Dyno:
    """A web dyno: its name (`web.1`) and where it listens."""

    name: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class App:
    """An app: id (goes into log fields), name, its hosts in lower case, its state and its web dynos."""

    id: str
    name: str
    hosts: tuple[str, ...]
    state: State
    dynos: tuple[Dyno, ...] = ()
    certificates: Mapping[str, str] = field(default_factory=dict, hash=False)
    """The ids of the certificates that its hosts have, by host; the others have the default one."""
    https_only: bool = False
    """Whether requests over http are sent to https."""
    hsts: str = ""
    """What answers over https say in Strict-Transport-Security; "" for nothing."""
    maintenance_page: str = ""
    """What is shown in maintenance mode: the name of a file beside the table; "" for the built-in page."""
    error_page: str = ""
    """What is shown for other faults."""
    gate: Gate | None = None
    """Who may come; None is everybody."""
    masked: tuple[str, ...] = ()
    """The query parameters whose values are kept out of the log."""
    affinity: str = field(default="", repr=False)
    """A key: clients come back to the dyno that they had, by a cookie made with it; "" is without."""
    paused_until: int = 0
    """Until when (Unix time) its requests wait; 0 and the past: they do not."""
    challenges: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What a certificate authority is told that asks at a host (ACME, HTTP-01): `TOKEN.THUMBPRINT`, by host."""
    proofs: Mapping[str, str] = field(default_factory=dict, hash=False)
    """The ids of the certificates that it is shown at a host instead (TLS-ALPN-01), by host."""

    def certificate(self, host: str) -> str:
        """The id of the certificate for a name in lower case; "" for the default one."""
        return self.certificates.get(host) or self.certificates.get(f"*.{host.partition('.')[2]}", "")


class Hosts:
    """Which app has a host. It is filled once, and then belongs to a table."""

    __slots__ = ("_below", "_exact", "proving")

    def __init__(self, apps: Iterable[App] = ()) -> None:
        """Raises TableError when two apps claim one host."""
        self._exact: dict[str, App] = {}
        self._below: dict[str, App] = {}
        """Wildcards, by what comes after the asterisk and its dot."""
        self.proving = False
        """Whether any app has `proofs`."""
        for app in apps:
            self.add(app)

    def add(self, app: App) -> None:
        """These hosts are this app's. Raises TableError when another one claims one of them."""
        if app.proofs:
            self.proving = True
        for host in app.hosts:
            other = self._below.setdefault(host[2:], app) if host[:2] == "*." else self._exact.setdefault(host, app)
            if other is not app:
                raise TableError(f"host {host} belongs to both {other.name} and {app.name}")

    def find(self, host: str) -> App | None:
        """The app of a Host header: any case, with or without a port or a trailing dot; exact before wildcard."""
        name = normal_host(host)
        app = self._exact.get(name)
        if app is None and self._below:
            label, _, rest = name.partition(".")
            app = self._below.get(rest) if label else None
        return app


@dataclass(frozen=True)
class Table:
    """All routes. `sequence` orders tables: a worker refuses to go back to an older one.

    `boot` names the boot of the machine (`store.this_boot`) in which the dynos listened; "" is unknown.
    """

    sequence: int = 0
    domain: str = "localhost"
    apps: tuple[App, ...] = ()
    boot: str = ""
    known: InitVar[Hosts | None] = None
    """The hosts of these apps, from whoever has gone through them already."""
    hosts: Hosts = field(init=False, repr=False, compare=False)

    def __post_init__(self, known: Hosts | None) -> None:
        """Go through the hosts; raises TableError when two apps claim one."""
        object.__setattr__(self, "hosts", known or Hosts(self.apps))

    def lookup(self, host: str) -> App | None:
        """The app of a Host header."""
        return self.hosts.find(host)

    @classmethod
    def parse(cls, document: str | bytes) -> Table:
        """A table from its JSON text; raises TableError naming the first thing that is wrong."""
        try:
            value = json.loads(document)
        except (ValueError, RecursionError) as error:
            raise TableError(f"not JSON: {error}") from error
        entry = _expect(value, dict, "the table")
        return cls.of(entry, tuple(read_app(item) for item in _expect(entry.get("apps"), list, "apps")))

    @classmethod
    def of(cls, entry: Mapping[str, Any], apps: tuple[App, ...], known: Hosts | None = None) -> Table:
        """A table of these apps, and of what else the JSON object of a table says. Raises TableError."""
        _unique((app.id for app in apps), "app id")
        domain = _expect(entry.get("domain", "localhost"), str, "domain")
        boot = _expect(entry.get("boot", ""), str, "boot")
        return cls(_number(entry.get("sequence"), "sequence"), domain, apps, boot, known)

    def in_boot(self, boot: str) -> Table:
        """This table as it holds in `boot`: after a reboot no dyno is where it was, and every app is starting."""
        if self.boot in ("", boot):
            return self
        apps = tuple(
            replace(app, state=State.STARTING, dynos=()) if app.state is State.UP else replace(app, dynos=())
            for app in self.apps
        )
        return replace(self, apps=apps)

    def to_json(self) -> str:
        """The JSON text that `parse` reads back: one app a line, so that a person can read and diff it."""
        apps = ",\n".join(map(_line, self.apps))
        known = {"sequence": self.sequence, "domain": self.domain, "boot": self.boot}
        head = f'{json.dumps(known, separators=(",", ":"))[:-1]},"apps":['
        return f"{head}\n{apps}\n]}}\n" if apps else f"{head}]}}\n"


@lru_cache(4096)
def normal_host(host: str) -> str:
    """A Host header's name alone: lower case, without port and trailing dot. `[::1]:80` gives `[::1]`."""
    name = host.lower()
    if name.startswith("["):
        return name[: name.find("]") + 1]
    name = name.partition(":")[0]
    return name[:-1] if name.endswith(".") else name


def read_app(value: Any) -> App:
    """An app from its JSON object; raises TableError."""
    entry = _expect(value, dict, "an app")
    name = _matching(entry.get("name"), _APP_NAME, "app name")
    where = f"app {name}"
    hosts = tuple(_host(item, where) for item in _expect(entry.get("hosts"), list, f"hosts of {where}"))
    dynos = tuple(_dyno(item, where) for item in _expect(entry.get("dynos", []), list, f"dynos of {where}"))
    _unique((f"{dyno.address}:{dyno.port}" for dyno in dynos), f"dyno address in {where}")
    try:
        state = State(entry.get("state"))
    except ValueError:
        known = ", ".join(item.value for item in State)
        raise TableError(f"state of {where} is {entry.get('state')!r}; it is one of {known}") from None
    return App(
        id=_matching(entry.get("id"), _IDENTITY, f"id of {where}"),
        name=name,
        hosts=hosts,
        state=state,
        dynos=dynos,
        certificates=_certificates(entry.get("certificates", {}), f"certificates of {where}", where),
        https_only=_expect(entry.get("https_only", False), bool, f"https_only of {where}"),
        hsts=_matching(entry.get("hsts", ""), _HSTS, f"hsts of {where}"),
        maintenance_page=_matching(entry.get("maintenance_page", ""), _PAGE, f"maintenance_page of {where}"),
        error_page=_matching(entry.get("error_page", ""), _PAGE, f"error_page of {where}"),
        gate=_gate(entry["gate"], where) if "gate" in entry else None,
        masked=tuple(
            _expect(name, str, f"a masked parameter of {where}")
            for name in _expect(entry.get("masked", []), list, f"masked of {where}")
        ),
        affinity=_matching(entry.get("affinity", ""), _KEY, f"affinity of {where}"),
        paused_until=_number(entry.get("paused_until", 0), f"paused_until of {where}"),
        challenges={
            _host(host, where): _matching(told, CHALLENGE, f"challenge of {where}")
            for host, told in _expect(entry.get("challenges", {}), dict, f"challenges of {where}").items()
        },
        proofs=_certificates(entry.get("proofs", {}), f"proofs of {where}", where),
    )


def _dyno(value: Any, where: str) -> Dyno:
    entry = _expect(value, dict, f"a dyno of {where}")
    name = _matching(entry.get("name"), _DYNO_NAME, f"dyno name in {where}")
    address = _expect(entry.get("address"), str, f"address of {name} of {where}")
    try:
        ip_address(address)
    except ValueError:
        raise TableError(f"address of {name} of {where} is {address!r}, not an IP address") from None
    port = _number(entry.get("port"), f"port of {name} of {where}")
    if not 1 <= port <= 65535:
        raise TableError(f"port of {name} of {where} is {port}; ports go from 1 to 65535")
    return Dyno(name, address, port)


def _certificates(value: Any, what: str, where: str) -> Mapping[str, str]:
    """The ids of certificates, by host."""
    entry = _expect(value, dict, what)
    return {_host(host, where): _matching(known, _CERTIFICATE, what) for host, known in entry.items()}


def _gate(value: Any, where: str) -> Gate:
    entry = _expect(value, dict, f"gate of {where}")
    users = {
        _matching(name, _USER, f"a user at the gate of {where}"): _hash(kept, where)
        for name, kept in _expect(entry.get("users", {}), dict, f"users at the gate of {where}").items()
    }
    networks = _expect(entry.get("networks", []), list, f"networks at the gate of {where}")
    try:
        gate = Gate(users, tuple(ip_network(_expect(item, str, f"a network of {where}")) for item in networks))
    except ValueError as error:
        raise TableError(f"networks at the gate of {where}: {error}") from None
    if not gate.users and not gate.networks:
        raise TableError(f"gate of {where}: it would let everybody in")
    return gate


def _hash(value: Any, where: str) -> str:
    """A hash of a password, of which no error says a letter."""
    if not isinstance(value, str) or not HASH.fullmatch(value):
        raise TableError(f"a password at the gate of {where} is not kept as it should be")
    return value


def _host(value: Any, where: str) -> str:
    host = normal_host(_expect(value, str, f"a host of {where}"))
    return _matching(host, _HOST, f"host of {where}")


@lru_cache(8192)
def _line(app: App) -> str:
    return json.dumps(_app_document(app), separators=(",", ":"))


def _app_document(app: App) -> dict[str, Any]:
    dynos = [{"name": dyno.name, "address": dyno.address, "port": dyno.port} for dyno in app.dynos]
    optional = {
        "certificates": dict(app.certificates),
        "https_only": app.https_only,
        "hsts": app.hsts,
        "maintenance_page": app.maintenance_page,
        "error_page": app.error_page,
        "gate": _gate_document(app.gate),
        "masked": list(app.masked),
        "affinity": app.affinity,
        "paused_until": app.paused_until,
        "challenges": dict(app.challenges),
        "proofs": dict(app.proofs),
    }
    return {
        "id": app.id,
        "name": app.name,
        "hosts": list(app.hosts),
        "state": app.state.value,
        "dynos": dynos,
        **{name: value for name, value in optional.items() if value},
    }


def _gate_document(gate: Gate | None) -> dict[str, Any]:
    return {"users": dict(gate.users), "networks": [str(network) for network in gate.networks]} if gate else {}


def _expect(value: Any, kind: type, what: str) -> Any:
    if not isinstance(value, kind):
        raise TableError(f"{what}: expected {kind.__name__}, found {type(value).__name__}")
    return value


def _number(value: Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TableError(f"{what}: expected a whole number, found {value!r}")
    return value


def _matching(value: Any, pattern: re.Pattern[str], what: str) -> str:
    text = str(_expect(value, str, what))
    if not pattern.fullmatch(text):
        raise TableError(f"{what}: {text[:80]!r} is not valid")
    return text


def _unique(values: Iterable[str], what: str) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise TableError(f"{what} {value} appears twice")
        seen.add(value)
