"""`hostd-install apply`: settings, users, directories, pool, units, ssh server, a platform that answers."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hostd import settings as settings_module
from hostd.cli.client import Client
from hostd.install import accounts, certificate, managed, network, pool, services, sshd, watches
from hostd.install.errors import InstallError
from hostd.install.progress import note, step
from hostd.settings import Settings
from hostd.ssh.hooks import EXECUTABLE, hooks_directory, write_hooks
from units.run import run

JOURNAL = Path("/var/log/journal")
KNOWN_HOSTS = managed.ETC / "known_hosts"


@dataclass(frozen=True)
class Wishes:
    """What the caller asked for: settings to change, the pool's size in bytes, whether the program is new."""

    changes: Mapping[str, Any]
    pool_size: int | None
    new_code: bool


def apply(wishes: Wishes) -> Settings:
    """Bring the machine to the wished state; a second run changes nothing.

    Raises InstallError, CommandError, or what the settings raise.
    """
    settings = wished_settings(managed.SETTINGS_FILE, wishes.changes)
    settings = network.with_free_addresses(settings, managed.SETTINGS_FILE, wishes.changes)
    network.require_kernel(settings)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    programs = managed.VENV / "bin"
    own_sshd = sshd.needs_own_sshd(settings)
    image = pool.pool_image(settings)
    with step("Writing settings, users and units"):
        changed = managed.write_all(managed.managed_files(settings, own_sshd=own_sshd, pool_image=image))
        changed |= managed.remove_retired()
        accounts.make_accounts(settings)
        accounts.give_back_repositories(settings)
        if any(managed.UNITS in path.parents for path in changed):
            services.reload_systemd()
        _prepare_journal(changed)
        network.allow_forwarding()
        unbounded = watches.leave_to_memory()
    with step("Preparing the pool"):
        pool_is = pool.prepare_pool(settings, image, wishes.pool_size)
    note(pool_is)
    with step("Preparing the certificate"):
        certificate_is = certificate.prepare_certificate(settings)
    note(certificate_is)
    with step("Starting the ssh server"):
        sshd.make_host_keys(settings)
        write_hooks(hooks_directory(programs), programs / EXECUTABLE)
        sshd.apply_sshd(changed, own_sshd=own_sshd)
        _write_known_hosts(settings, sshd.host_keys(settings, own_sshd=own_sshd))
    with step("Starting hostd, router and logplex"):
        services.apply_services(settings, changed, new_code=wishes.new_code)
        accounts.link_hostctl()
        version = Client(settings.run_dir).get("/hostd/version")["version"]
    note(f"hostd {version} answers")
    if not unbounded:
        note(watches.SHORT)
    if (word := network.ipv6_note()) is not None:
        note(word)
    for problem in network.problems(settings):
        note(f"Attention: {problem}")
    return settings


def wished_settings(path: Path, changes: Mapping[str, Any]) -> Settings:
    """The settings in the file, or the defaults, with the changes made; raises Invalid for a wrong one."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        values = {}
    except tomllib.TOMLDecodeError as error:
        raise InstallError(f"{path} is not a TOML file: {error}; correct it or remove it") from error
    return settings_module.from_values({**values, **changes})


def parse_changes(words: Iterable[str]) -> dict[str, Any]:
    """Settings from words such as `http_port=8080`, `domain=example.com`, `cool_off=[0, 10]`."""
    changes: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise InstallError(f"{word!r} is no setting: write NAME=VALUE")
        try:
            changes[name] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            changes[name] = text
    return changes


def _prepare_journal(changed: set[Path]) -> None:
    """Give the journal a place on disk and the namespace its limits (systemd-journald(8))."""
    if not JOURNAL.is_dir():
        JOURNAL.mkdir(parents=True)
        run(["systemd-tmpfiles", "--create", "--prefix", str(JOURNAL)], timeout=60)
    if any(path.name == "journald@hostd.conf" for path in changed):
        run(["systemctl", "try-restart", "systemd-journald@hostd.service"], timeout=60)


def _write_known_hosts(settings: Settings, keys: Iterable[str]) -> None:
    """Keep what a client should expect (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
    host = "localhost" if settings.ssh_port == 22 else f"[localhost]:{settings.ssh_port}"
    managed.ManagedFile(KNOWN_HOSTS, "".join(f"{host} {key}\n" for key in keys)).write()
