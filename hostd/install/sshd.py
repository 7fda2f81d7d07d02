"""The ssh server: one of our own, or a part in the system's when that already has the chosen port."""

from pathlib import Path

from hostd.install.managed import OWN_SSHD_UNIT, SSHD_CONFIG, SSHD_MATCH, UNITS
from hostd.settings import Settings
from units.run import CommandError, run

SYSTEM_SSHD = ("ssh.service", "ssh.socket", "sshd.service")
KEY_TYPES = ("ed25519", "rsa")


def needs_own_sshd(settings: Settings) -> bool:
    """Whether no ssh server of the system listens on the chosen port."""
    if not any(_active(unit) for unit in SYSTEM_SSHD):
        return True
    try:
        lines = run(["/usr/sbin/sshd", "-T"], timeout=30).text.splitlines()
    except CommandError:
        return True
    return f"port {settings.ssh_port}" not in lines


def make_host_keys(settings: Settings) -> None:
    """Make the host keys that are missing; they move with the master directory, and clients keep trusting."""
    for kind in KEY_TYPES:
        key = settings.ssh_dir / f"ssh_host_{kind}_key"
        if not key.exists():
            comment = f"hostd {kind}"
            run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", comment, "-f", str(key)], timeout=120)


def host_keys(settings: Settings, *, own_sshd: bool) -> list[str]:
    """The public host keys (`type base64`) that a client will see."""
    folder = settings.ssh_dir if own_sshd else Path("/etc/ssh")
    texts = [path.read_text(encoding="ascii") for path in sorted(folder.glob("ssh_host_*_key.pub"))]
    return [" ".join(text.split()[:2]) for text in texts]


def apply_sshd(changed: set[Path], *, own_sshd: bool) -> None:
    """Start our own server, or make the system's read its part; and take back the other of the two."""
    if own_sshd:
        if SSHD_MATCH.exists():
            SSHD_MATCH.unlink()
            _reload_system_sshd()
        run(["systemctl", "enable", "--quiet", OWN_SSHD_UNIT], timeout=60)
        verb = "restart" if changed & {SSHD_CONFIG, UNITS / OWN_SSHD_UNIT} else "start"
        run(["systemctl", verb, OWN_SSHD_UNIT], timeout=60)
        return
    if (UNITS / OWN_SSHD_UNIT).exists():
        run(["systemctl", "disable", "--quiet", "--now", OWN_SSHD_UNIT], timeout=60)
        (UNITS / OWN_SSHD_UNIT).unlink()
        SSHD_CONFIG.unlink(missing_ok=True)
    if SSHD_MATCH in changed:
        _reload_system_sshd()


def remove_sshd() -> None:
    """Take our part out of the system's ssh server."""
    if SSHD_MATCH.exists():
        SSHD_MATCH.unlink()
        _reload_system_sshd()


def _reload_system_sshd() -> None:
    run(["/usr/sbin/sshd", "-t"], timeout=30)
    run(["systemctl", "try-reload-or-restart", "ssh.service"], timeout=60)


def _active(unit: str) -> bool:
    return run(["systemctl", "is-active", "--quiet", unit], timeout=30, check=False).returncode == 0
