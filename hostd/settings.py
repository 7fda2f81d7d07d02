# ruff: noqa: RUF009 - _setting() only builds dataclasses.field()
"""The settings of one installation, read from /etc/hostd/hostd.toml, and the paths that follow from them.

Each setting is one field of `Settings`, with its default and its explanation; docs/settings.md is printed from
them by `hostd.settings_page`. The file holds no secret and everybody may read it.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hostd.errors import Invalid, Unavailable
from hostd.settings_rules import check

DEFAULT_PATH = Path("/etc/hostd/hostd.toml")

KINDS = {
    "str": "text",
    "int": "number",
    "bool": "true or false",
    "Path": "absolute path",
    "tuple[int, ...]": "list of numbers",
}
"""The types of settings as people call them."""

_RETIRED = frozenset({"dyno_address", "dyno_ports"})
"""Settings of earlier versions that mean nothing any more: an upgrade finds a file with them, and leaves them out."""


def _setting(default: Any, help: str) -> Any:
    return dataclasses.field(default=default, metadata={"help": help})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one installation. Times are in seconds."""

    domain: str = _setting("localhost", "Apps live at `http://<app>.<domain>/`.")
    http_port: int = _setting(80, "Port of the router for HTTP.")
    https_port: int = _setting(443, "Port of the router for HTTPS.")
    ssh_port: int = _setting(2222, "Port of the ssh server for `git push` and remote `hostctl`.")
    api_port: int = _setting(
        7070, "Port of the API (`127.0.0.1`) and of git (`127.0.0.2`) for who has a token, on loopback; 0 for none."
    )
    rendezvous_port: int = _setting(
        7071, "Port at which clients of the API meet the dyno of their `run`, over TLS; 0 for none."
    )
    data_dir: Path = _setting(Path("/var/lib/hostd"), "Where everything that must be kept lies.")
    run_dir: Path = _setting(Path("/run/hostd"), "Sockets and other things that a reboot may remove.")
    dyno_port: int = _setting(20000, "Port on which web dynos listen, their `$PORT`; each has an address of its own.")
    network_name: str = _setting(
        "hostd",
        "Name of the firewall's table and beginning of the names of interfaces; unlike another installation's here.",
    )
    network_prefix: str = _setting(
        "10.83.0.0/16",
        "Private IPv4 addresses that nothing else uses, for dynos and builds; the installer finds free ones.",
    )
    uid_base: int = _setting(200000, "First user id for apps; each app has one, and none is used twice.")
    router_workers: int = _setting(min(2, os.cpu_count() or 1), "Router processes.")
    router_compiled: bool = _setting(
        True, "Whether the installer makes machine code of the router's hot path, which doubles its speed."
    )
    boot_timeout: int = _setting(60, "Seconds a web process has to accept connections on `$PORT`.")
    run_timeout: int = _setting(
        86400, "Seconds a one-off dyno or a command inside a dyno may run, unless it is given a time of its own."
    )
    build_timeout: int = _setting(900, "Seconds a build may take, unless its app or its deploy has a time of its own.")
    build_memory_mb: int = _setting(2048, "Megabytes (MiB) of memory a build may have; one that needs more is killed.")
    builds_at_once: int = _setting(3, "Builds that may run at the same time; others wait for their turn.")
    build_disk_mb: int = _setting(10240, "Megabytes (MiB) a build may have on disk, its app's cache included.")
    slug_limit_mb: int = _setting(500, "Megabytes (MiB) of the largest slug; a build that makes a larger one fails.")
    kept_slugs: int = _setting(20, "Newest releases of an app that can be rolled back to; older slugs are deleted.")
    jobs_per_app: int = _setting(50, "Scheduled jobs that an app may have.")
    cool_off: tuple[int, ...] = _setting(
        (0, 10, 30, 60, 120, 300, 600, 1200),
        "Seconds until a crashed dyno starts again: after its first crash, its second, ...; the last repeats.",
    )
    dyno_disk_mb: int = _setting(
        10240, "Megabytes (MiB) a dyno may have on disk, its slug included; one that writes more is stopped."
    )
    log_size_mb: int = _setting(
        256, "Megabytes (MiB) that an app's log may take on disk, unless it has a size of its own (`logs:set`)."
    )
    log_rate: int = _setting(
        5000, "Lines a second that a dyno may log, on average over ten seconds; more are dropped. 0: any number."
    )
    memory_overcommit: int = _setting(
        8, "How many times its memory this machine may promise to dynos: few use the quota of their size."
    )
    metrics_mb: int = _setting(
        1024, "Megabytes (MiB) of disk that metrics may take; before they take more the oldest are forgotten."
    )
    cycle_after: int = _setting(86400, "Seconds after which a dyno is replaced by a fresh one; 0 for never.")
    cycle_spread: int = _setting(12960, "Up to so many seconds more, by chance: not all dynos are replaced at once.")
    drain_networks: str = _setting(
        "",
        "Networks inside that log drains may lead to, with commas: `10.1.2.0/24, ::1/128`; without, the Internet only.",
    )
    drain_patience: int = _setting(
        60, "Seconds that a log drain may be behind before its oldest messages are dropped, all but the newest 1,024."
    )
    drain_dir: Path = _setting(Path("/var/log/hostd"), "Where the files of `file:///` drains lie; it is hostd's alone.")
    acme_directory: str = _setting(
        "https://acme-v02.api.letsencrypt.org/directory",
        "Certificate authority of `certs:auto`: the address of its ACME directory.",
    )
    acme_terms_accepted: bool = _setting(
        False, "Whether you accept the terms of that authority; until then `certs:auto` gets no certificates."
    )
    acme_contact: str = _setting("", "Mail address that the authority may write to; it may be empty.")
    acme_dns_hook: str = _setting(
        "", "Program that makes DNS records, for certificates of wildcards; without one they get none."
    )
    acme_dns_hook_user: str = _setting("nobody", "User as whom that program runs.")
    alerts_per_app: int = _setting(50, "Alerts that an app may have, and that the platform may.")
    alert_programs: Path = _setting(
        Path("/etc/hostd/alerts.d"), "Directory of the programs that alerts can run (`exec:NAME`); root's alone."
    )
    alert_networks: str = _setting(
        "",
        "Networks inside that alerts may be sent to, with commas: `10.1.2.0/24, ::1/128`; without, the Internet only.",
    )
    webhook_networks: str = _setting(
        "",
        "Networks inside that webhooks may lead to, with commas: `10.1.2.0/24, ::1/128`; without, the Internet only.",
    )
    source_networks: str = _setting(
        "",
        "Networks inside that `apps:setup` may download from, with commas: `10.1.2.0/24, ::1/128`; without, the "
        "Internet only.",
    )
    mail_server: str = _setting(
        "", "Mail server that takes mails of alerts, as `HOST:PORT`; without one this server's own `sendmail` does."
    )
    mail_security: str = _setting("starttls", "How that server is spoken to: `starttls`, `tls` or `none`.")
    mail_login_file: str = _setting(
        "", "File of root's with the user and the password for that server, in two lines; it may be empty."
    )
    mail_from: str = _setting("", "Address that mails are from; without one it is `hostd@` and the domain.")

    def __post_init__(self) -> None:
        check(self)

    @property
    def master_dir(self) -> Path:
        """What makes this machine the master: ledger, key, repositories, ssh host keys, certificates."""
        return self.data_dir / "master"

    @property
    def repos_dir(self) -> Path:
        """The apps' bare git repositories."""
        return self.master_dir / "repos"

    def repository(self, app_id: str) -> Path:
        """The bare git repository of an app."""
        return self.repos_dir / f"{app_id}.git"

    @property
    def ssh_dir(self) -> Path:
        """Host keys and configuration of the ssh server."""
        return self.master_dir / "ssh"

    @property
    def tls_dir(self) -> Path:
        """The certificate for the platform's own domain, and its key."""
        return self.master_dir / "tls"

    @property
    def router_tls_dir(self) -> Path:
        """What the router shows on https, readable for it and root alone."""
        return self.data_dir / "tls"

    @property
    def rendezvous_dir(self) -> Path:
        """What the rendezvous shows its clients, readable for it and root alone."""
        return self.data_dir / "rendezvous"

    @property
    def pool_dir(self) -> Path:
        """The btrfs pool: stacks, slugs, dynos, builds, caches, scratch."""
        return self.data_dir / "pool"

    @property
    def metrics_file(self) -> Path:
        """The metrics of the last month, a SQLite file."""
        return self.data_dir / "metrics" / "metrics.db"

    @property
    def uploads_dir(self) -> Path:
        """Sources that were uploaded and may still be built."""
        return self.data_dir / "uploads"

    @property
    def pool_image(self) -> Path:
        """The file that holds the pool, where the pool is not on a btrfs that is there by itself."""
        return self.data_dir / "pool.img"

    @property
    def lock_file(self) -> Path:
        """Locked by the hostd that runs: two would undo each other's work."""
        return self.master_dir / "hostd.lock"

    @property
    def routes_file(self) -> Path:
        """The route table as last published, from which a router worker starts."""
        return self.data_dir / "routes" / "routes.json"

    @property
    def pages_dir(self) -> Path:
        """The pages of apps' own that the router shows, beside its table."""
        return self.routes_file.with_name("pages")

    @property
    def alerts_dir(self) -> Path:
        """What alerts remember of figures that nobody else keeps."""
        return self.data_dir / "alerts"

    @property
    def git_home(self) -> Path:
        """Home of the user git."""
        return self.data_dir / "git-home"

    @property
    def api_socket(self) -> Path:
        """The HTTP API; its listening socket is held by systemd."""
        return self.run_dir / "hostd.sock"

    @property
    def attach_socket(self) -> Path:
        """Where `hostctl run` hands over its terminal."""
        return self.run_dir / "attach.sock"

    @property
    def logplex_socket(self) -> Path:
        """The logplex's streams."""
        return self.run_dir / "logplex.sock"

    @property
    def env_dir(self) -> Path:
        """Environment files of dynos, for root only."""
        return self.run_dir / "env"

    def env_file(self, unit: str) -> Path:
        """The environment file of one dyno, by the name of its unit without `.service`."""
        return self.env_dir / f"{unit}.env"

    @property
    def sessions_dir(self) -> Path:
        """What a restarted hostd must know of one-off dynos and visits, for root only."""
        return self.run_dir / "sessions"

    @property
    def router_dir(self) -> Path:
        """Control sockets of the router workers."""
        return self.run_dir / "router"

    def router_socket(self, worker: int) -> Path:
        """The control socket of one router worker, counted from 1."""
        return self.router_dir / f"{worker}.sock"

    def built_in_host(self, app_name: str) -> str:
        """The name under which an app answers without being told."""
        return f"{app_name}.{self.domain}"

    @property
    def api_host(self) -> str:
        """The name under which the router serves the API."""
        return f"api.{self.domain}"

    @property
    def git_host(self) -> str:
        """The name under which the router serves git."""
        return f"git.{self.domain}"

    @property
    def git_address(self) -> str:
        """The loopback address of git over https: a neighbour of the API's, so that one port is enough for both."""
        return "127.0.0.2"

    def ssh_url(self, app_name: str) -> str:
        """An app's repository over ssh."""
        port = "" if self.ssh_port == 22 else f":{self.ssh_port}"
        return f"ssh://git@{self.domain}{port}/{app_name}.git"

    def git_url(self, app_name: str) -> str:
        """An app's repository over https; over ssh where nothing is offered for tokens."""
        if not self.api_port:
            return self.ssh_url(app_name)
        port = "" if self.https_port == 443 else f":{self.https_port}"
        return f"https://{self.git_host}{port}/{app_name}.git"

    def web_url(self, app_name: str) -> str:
        """Where an app answers: its built-in name on the router's HTTP port."""
        port = "" if self.http_port == 80 else f":{self.http_port}"
        return f"http://{self.built_in_host(app_name)}{port}/"

    def to_toml(self) -> str:
        """The file that `load` reads back into these settings, each setting under its explanation."""
        lines = [
            "# Settings of hostd, read when its services start. docs/settings.md explains them.",
            "",
        ]
        for field in dataclasses.fields(self):
            lines += [f"# {field.metadata['help']}", f"{field.name} = {toml(getattr(self, field.name))}", ""]
        return "\n".join(lines)


def load(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings: from `path`, else the file that HOSTD_CONFIG names, else /etc/hostd/hostd.toml.

    Without a file at the last place everything has its default. HOSTD_RUN_DIR overrides run_dir.
    Raises Invalid for a file with a mistake, naming file and setting, and Unavailable when it cannot be read.
    """
    import tomllib  # only programs that read the file pay for it

    named = path or (Path(environ["HOSTD_CONFIG"]) if environ.get("HOSTD_CONFIG") else None)
    source = named or DEFAULT_PATH
    try:
        values: dict[str, Any] = tomllib.loads(source.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if named:
            raise Unavailable(f"There is no settings file {source}.") from None
        values = {}
    except OSError as error:
        raise Unavailable(f"Cannot read the settings in {source}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"{source} is not a TOML file: {error}.") from error
    if run_dir := environ.get("HOSTD_RUN_DIR"):
        values["run_dir"] = run_dir
    try:
        return from_values(values)
    except Invalid as error:
        raise Invalid(f"{source}: {error.message}") from error


def from_values(values: Mapping[str, Any]) -> Settings:
    """Settings from the values of a TOML table; raises Invalid for an unknown name or a wrong type."""
    known = {field.name: field for field in dataclasses.fields(Settings)}
    given: dict[str, Any] = {}
    for name, value in values.items():
        if name in _RETIRED:
            continue
        if name not in known:
            raise Invalid(f"there is no setting {name}.{_nearest(name, known)}")
        given[name] = _convert(name, str(known[name].type), value)
    return Settings(**given)


def toml(value: Any) -> str:
    """A value of a setting as the file has it."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    if isinstance(value, int):
        return str(value).lower()
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _nearest(name: str, known: Mapping[str, object]) -> str:
    import difflib

    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" Did you mean {near[0]}?" if near else f" The settings are: {', '.join(known)}."


def _convert(name: str, kind: str, value: Any) -> Any:
    if kind == "str" and isinstance(value, str):
        return value
    if kind == "Path" and isinstance(value, str):
        return Path(value)
    if (kind == "int" and _is_number(value)) or (kind == "bool" and isinstance(value, bool)):
        return value
    if kind.startswith("tuple") and isinstance(value, list | tuple) and all(map(_is_number, value)):
        return tuple(value)
    raise Invalid(f"{name} must be of type: {KINDS[kind]}.")


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
