"""The files that the installer writes outside the virtual environment and the data, as values."""

import contextlib
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hostd.install.errors import InstallError
from hostd.settings import Settings

VENV = Path("/opt/hostd/venv")
ETC = Path("/etc/hostd")
ETC_SYSTEMD = Path("/etc/systemd")
UNITS = ETC_SYSTEMD / "system"
SETTINGS_FILE = ETC / "hostd.toml"
SSHD_CONFIG = ETC / "sshd_config"
SSHD_MATCH = Path("/etc/ssh/sshd_config.d/hostd.conf")
APP_SLICES = UNITS / "hostd-apps-.slice.d" / "hostd-apps-.slice.conf"
"""A drop-in for all slices whose name begins with `hostd-apps-` (systemd.unit(5))."""
JOURNAL_RESTART = UNITS / "systemd-journald@.service.d" / "journald-restart.conf"
RETIRED = (UNITS / "systemd-journald@hostd.service.d" / "journald-restart.conf",)
"""Files that earlier versions wrote and no version needs."""
TEMPLATES = Path(__file__).with_name("files")

DOOR = "hostd-door.socket"
"""The API's port on the loopback interface, if it has one."""
RENDEZVOUS = "hostd-rendezvous.socket"
"""The port at which clients of the API meet dynos, if there is one."""
GIT_SOCKET, GIT_SERVICE = "hostd-git.socket", "hostd-git.service"
"""Git over https, beside the API's port."""
UNIT_NAMES = (
    "hostd.slice",
    "hostd-platform.slice",
    "hostd-apps.slice",
    "hostd-builds.slice",
    "hostd.socket",
    "hostd-attach.socket",
    DOOR,
    RENDEZVOUS,
    "hostd-rendezvous.service",
    GIT_SOCKET,
    GIT_SERVICE,
    "hostd.service",
    "hostd-networks.socket",
    "hostd-networks.service",
    "hostd-router@.socket",
    "hostd-router-tls@.socket",
    "hostd-router@.service",
    "hostd-logplex.socket",
    "hostd-logplex-drains.socket",
    "hostd-logplex.service",
    "hostd-schedule@.service",
    "hostd-journals.target",
    "hostd-journal@.target",
    "run-hostd-terminals.mount",
)
PLAIN = frozenset(f"{string.ascii_letters}{string.digits}:_.")
OWN_SSHD_UNIT = "hostd-sshd.service"


@dataclass(frozen=True)
class ManagedFile:
    """A file that the installer owns: its place and its whole text."""

    path: Path
    text: str
    mode: int = 0o644

    def write(self) -> bool:
        """Write the file if it differs; returns whether it did."""
        wanted = self.text.encode()
        if self.path.is_file() and not self.path.is_symlink() and self.path.read_bytes() == wanted:
            self.path.chmod(self.mode)
            return False
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_name(f".{self.path.name}.new")
        draft.write_bytes(wanted)
        draft.chmod(self.mode)
        draft.rename(self.path)
        return True


def managed_files(settings: Settings, *, own_sshd: bool, pool_image: Path | None) -> list[ManagedFile]:
    """Every file for these settings, units included.

    `own_sshd`: an ssh server of our own, else a part in the system's. `pool_image`: the image of a pool that
    is mounted at boot, or None when the pool needs no mount.
    """
    names = [*UNIT_NAMES, OWN_SSHD_UNIT] if own_sshd else list(UNIT_NAMES)
    if not settings.api_port:
        names = [name for name in names if name not in (DOOR, GIT_SOCKET, GIT_SERVICE)]
    if not settings.rendezvous_port:
        names.remove(RENDEZVOUS)
    files = [ManagedFile(UNITS / name, _render(name, settings)) for name in names]
    files += [
        ManagedFile(APP_SLICES, _render(APP_SLICES.name, settings)),
        ManagedFile(SETTINGS_FILE, settings.to_toml()),
        ManagedFile(ETC_SYSTEMD / "journald@hostd.conf", _render("journald@hostd.conf", settings)),
        ManagedFile(JOURNAL_RESTART, _render(JOURNAL_RESTART.name, settings)),
        ManagedFile(Path("/etc/sysusers.d/hostd.conf"), _render("sysusers.conf", settings)),
        ManagedFile(Path("/etc/tmpfiles.d/hostd.conf"), _render("tmpfiles.conf", settings)),
        ManagedFile(Path("/etc/sysctl.d/60-hostd.conf"), _render("sysctl.conf", settings)),
    ]
    if own_sshd:
        files.append(ManagedFile(SSHD_CONFIG, _render("sshd_config", settings)))
    else:
        files.append(ManagedFile(SSHD_MATCH, _render("sshd_match.conf", settings)))
    if pool_image is not None:
        files.append(ManagedFile(UNITS / mount_unit(settings.pool_dir), _render("pool.mount", settings)))
    return files


def write_all(files: Iterable[ManagedFile]) -> set[Path]:
    """Write the files; returns the places of those that changed."""
    return {file.path for file in files if file.write()}


def remove_retired(files: Iterable[Path] = RETIRED) -> set[Path]:
    """Remove what earlier versions wrote, with a directory of ours that is empty then; returns what was there."""
    there = {path for path in files if path.exists()}
    for path in there:
        path.unlink()
        with contextlib.suppress(OSError):
            path.parent.rmdir()
    return there


def mount_unit(path: Path) -> str:
    """The name of the mount unit of a path (systemd.unit(5), string escaping for paths)."""
    escaped = [
        "".join(chr(byte) if chr(byte) in PLAIN else f"\\x{byte:02x}" for byte in part.encode())
        for part in path.parts[1:]
    ]
    name = "-".join(escaped)
    return f"\\x2e{name[1:]}.mount" if name.startswith(".") else f"{name}.mount"


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace each @NAME@ by its value."""
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def _render(name: str, settings: Settings) -> str:
    try:
        text = (TEMPLATES / name).read_text(encoding="utf-8")
    except OSError as error:
        raise InstallError(f"the installation is incomplete: {TEMPLATES / name} is missing") from error
    values = {
        "VENV": str(VENV),
        "DATA_DIR": str(settings.data_dir),
        "DRAIN_DIR": str(settings.drain_dir),
        "HTTP_PORT": str(settings.http_port),
        "HTTPS_PORT": str(settings.https_port),
        "SSH_PORT": str(settings.ssh_port),
        "API_PORT": str(settings.api_port),
        "RENDEZVOUS_PORT": str(settings.rendezvous_port),
        "FORWARDS": " ".join(f"127.0.0.1:{port}" for port in (settings.api_port, settings.rendezvous_port) if port)
        or "none",
        "GIT_ADDRESS": settings.git_address,
    }
    return fill(text, values)
