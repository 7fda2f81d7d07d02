"""Starting, restarting and removing the platform's services; a service that does not come up shows why."""

from collections.abc import Iterable
from pathlib import Path

from hostd.install.certificate import CERTIFICATE
from hostd.install.errors import InstallError
from hostd.install.managed import DOOR, GIT_SERVICE, GIT_SOCKET, RENDEZVOUS, SETTINGS_FILE, UNITS
from hostd.settings import Settings
from units.run import run

START_SECONDS = 150
SHOWN_LINES = 20
PLATFORM_SOCKETS = (
    "hostd.socket",
    "hostd-attach.socket",
    "hostd-networks.socket",
    "hostd-logplex.socket",
    "hostd-logplex-drains.socket",
)
JOURNAL_UNITS = (
    "systemd-journald@hostd.service",
    "systemd-journald@hostd.socket",
    "systemd-journald-varlink@hostd.socket",
    "systemd-journald@hostd-*.service",
    "systemd-journald@hostd-*.socket",
    "systemd-journald-varlink@hostd-*.socket",
)


def instances(settings: Settings) -> list[str]:
    """The names of the router's workers, without suffix."""
    return [f"hostd-router@{number}" for number in range(1, settings.router_workers + 1)]


def apply_services(settings: Settings, changed: set[Path], *, new_code: bool) -> None:
    """Bring every socket and service up, restarting only what changed.

    Router workers restart one after the other: their sockets belong to systemd, so no connection is refused.
    Raises InstallError with the unit's status and last log lines when one does not come up.
    """
    _retire_workers(settings)
    for name in (DOOR, GIT_SOCKET, GIT_SERVICE):
        _retire(name, settings.api_port)
    _retire(RENDEZVOUS, settings.rendezvous_port)
    names = {path.name for path in changed if path.parent == UNITS}
    workers = instances(settings)
    ports = {DOOR: settings.api_port, GIT_SOCKET: settings.api_port, RENDEZVOUS: settings.rendezvous_port}
    doors = [name for name, port in ports.items() if port]
    sockets = [*PLATFORM_SOCKETS, *doors, *(f"{each}.socket" for each in workers)]
    sockets += [f"{each}.socket".replace("router@", "router-tls@") for each in workers]
    # Without networks kept, systemd can restart no dyno: that is the shortest time before hostd hands them over anew.
    services = ["hostd-logplex.service", "hostd-networks.service", "hostd.service"]
    services += [*([GIT_SERVICE] if settings.api_port else []), *(f"{each}.service" for each in workers)]
    run(["systemctl", "enable", "--quiet", *sockets, *services], timeout=60)
    for socket in sockets:
        fresh = not _active(socket) and _active(_service_of(socket))
        if fresh or (_template(socket) in names and _active(socket)):
            # A socket unit only binds, at first or anew, while its service does not run.
            run(["systemctl", "stop", _service_of(socket), socket], timeout=START_SECONDS)
    _do("start", sockets)
    certificate = settings.data_dir / "tls" / CERTIFICATE
    for service in services:
        files = [SETTINGS_FILE, *([certificate] if service.startswith("hostd-router") else [])]
        stale = new_code or _template(service) in names or any(_started_before(service, file) for file in files)
        _do("restart" if stale and _active(service) else "start", [service])


def stop_everything() -> None:
    """Stop the platform, its dynos and builds, and disable it."""
    for units in (
        ["hostd.service", "hostd.socket", "hostd-attach.socket"],
        ["hostd-*.service", "hostd-*.socket", "hostd-*.timer", "hostd-*.target"],
        # The second are what systemd makes for units with instances, and keeps.
        ["hostd.slice", "system-hostd*.slice", "run-hostd-terminals.mount"],
    ):
        run(["systemctl", "stop", *units], timeout=180, check=False)
    enabled = sorted({path.name for path in UNITS.glob("*.wants/hostd*")})
    if enabled:
        run(["systemctl", "disable", "--quiet", *enabled], timeout=60, check=False)
    run(["systemctl", "stop", *JOURNAL_UNITS], timeout=180, check=False)


def reload_systemd() -> None:
    """Make systemd read changed unit files. Only here: a platform that runs never reloads PID 1."""
    run(["systemctl", "daemon-reload"], timeout=120)


def _retire_workers(settings: Settings) -> None:
    """Stop workers beyond the wanted number."""
    wanted = {f"{each}.service" for each in instances(settings)}
    enabled = {path.name for path in UNITS.glob("*.wants/hostd-router@*.service")}
    for service in sorted(enabled - wanted):
        sockets = [f"{Path(service).stem}.socket", f"{Path(service).stem}.socket".replace("router@", "router-tls@")]
        run(["systemctl", "disable", "--quiet", "--now", service, *sockets], timeout=120)


def _retire(door: str, port: int) -> None:
    """Close a port of the platform's, or end its service, if there was one and is to be none."""
    unit = UNITS / door
    if not port and unit.exists():
        run(["systemctl", "disable", "--quiet", "--now", door], timeout=60)
        unit.unlink()


def _do(verb: str, units: Iterable[str]) -> None:
    for unit in units:
        done = run(["systemctl", verb, unit], timeout=START_SECONDS, check=False)
        if done.returncode != 0:
            raise InstallError(f"{unit} did not start.\n{_explain(unit)}")


def _explain(unit: str) -> str:
    status = run(["systemctl", "status", "--no-pager", "--full", "--lines=0", unit], timeout=30, check=False)
    asked = ["journalctl", "--no-pager", f"--lines={SHOWN_LINES}", f"--unit={unit}"]
    lines = run(asked, timeout=30, check=False)
    return f"{status.text}\n{lines.text}".strip()


def _started_before(service: str, file: Path) -> bool:
    """Whether a service runs since before the file was last changed, by us or by hand."""
    asked = ["systemctl", "show", "--property=ActiveEnterTimestamp", "--value", "--timestamp=unix", service]
    since = run(asked, timeout=30).text.strip().removeprefix("@")
    return since.isdecimal() and int(since) <= int(file.stat().st_mtime)


def _service_of(socket: str) -> str:
    if socket in ("hostd-attach.socket", DOOR):
        return "hostd.service"
    if socket == "hostd-logplex-drains.socket":
        return "hostd-logplex.service"
    return f"{Path(socket).stem}.service".replace("router-tls@", "router@")


def _template(unit: str) -> str:
    """The unit file of a unit: hostd-router@1.socket comes from hostd-router@.socket."""
    name, at, rest = unit.partition("@")
    return f"{name}@.{rest.rpartition('.')[2]}" if at else unit


def _active(unit: str) -> bool:
    return run(["systemctl", "is-active", "--quiet", unit], timeout=30, check=False).returncode == 0
