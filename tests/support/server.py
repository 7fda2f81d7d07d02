"""A server of one's own, as far as it can tell: a new virtual machine, on which the project is then installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.machine import Machine
from tests.support.platform import USER, Finished, Platform, User
from tests.support.waiting import patient
from units.run import run

PROJECT = Path(__file__).parents[2]
CHECKOUT = "/root/hostd"
AUTHORITIES = Path("/usr/local/share/ca-certificates")
"""Whom this machine trusts beside those that all trust (update-ca-certificates(8))."""
PIP = ("index-url", "extra-index-url", "proxy", "trusted-host", "default-timeout")
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
INSTALL_SECONDS = 600


@dataclass(frozen=True)
class Server(Platform):
    """An installation on a machine of its own; until `install` has run, only `run` is of use."""

    machine: Machine  # type: ignore[assignment]

    def hostctl_command(self, *words: str) -> list[str]:
        """The argument list of a hostctl command on the server, as root."""
        return self.machine.command(["hostctl", *words])

    def ssh_command(self, key: Path | None = None) -> list[str]:
        """The ssh client, who has met the server before."""
        return self.machine.ssh(key or self.user.key, "StrictHostKeyChecking=yes")

    def install(self, *options: str, check: bool = True) -> Finished:
        """Run install.sh in the checkout there; what it says is in `stderr`, the example app's words in `stdout`."""
        variables = [f"{name}={os.environ[name]}" for name in PROXIES if name in os.environ]
        argv = ["env", f"--chdir={CHECKOUT}", *variables, "./install.sh", *options]
        return self.run(argv, check=check, timeout=INSTALL_SECONDS)

    def add_user(self) -> None:
        """Make the user, an admin, whose key ours is."""
        key = Path(f"{self.user.key}.pub").read_text()
        self.hostctl("users:add", USER, "--admin", "--key", "-", input=key)

    def come_back(self) -> None:
        """Wait until the server is there after it was switched on, with all that it starts by itself."""
        self.machine.wait_for_ssh()
        self.run(["systemctl", "is-system-running", "--wait"], check=False, timeout=600)


def new_server(machine: Machine, folder: Path) -> Server:
    """The machine, switched on, with the project's last commit in a checkout, and a way to where packages come from."""
    key = folder / "id_ed25519"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", USER, "-f", str(key)], timeout=60)
    server = Server(machine, machine.slot.http, machine.slot.ssh, "root@localhost", User(USER, key))
    machine.switch_on()
    server.come_back()
    _trust(server)
    configured = run([sys.executable, "-m", "pip", "config", "list"], timeout=60).text
    server.run(["tee", "/etc/pip.conf"], input="\n".join(["[global]", *pip_settings(configured), ""]))
    _clone(server, folder / "project.bundle")
    return server


def pip_settings(listed: str) -> list[str]:
    """How this machine reaches Python's packages, from `pip config list`; what lies on its own disk is not told."""
    found = re.findall(r"^(?:global|install|:env:)\.([\w-]+)='(.*)'$", listed, re.MULTILINE)
    told = {name: " ".join(word for word in value.split() if not word.startswith("file:")) for name, value in found}
    return [f"{name} = {value}" for name, value in told.items() if name in PIP and value]


def _trust(server: Server) -> None:
    certificates = sorted(AUTHORITIES.glob("**/*.crt"))
    for number, certificate in enumerate(certificates):
        server.run(["tee", str(AUTHORITIES / f"tests-{number}.crt")], input=certificate.read_text())
    if certificates:
        server.run(["update-ca-certificates"])


def _clone(server: Server, bundle: Path) -> None:
    """By a bundle, git's own way to take a repository where there is no network (git-bundle(1))."""
    there = f"/root/{bundle.name}"
    run(["git", "-C", str(PROJECT), "bundle", "create", "--quiet", str(bundle), "HEAD"], timeout=60)
    with bundle.open("rb") as content:
        argv = server.machine.command(["dd", "status=none", f"of={there}"])
        subprocess.run(argv, stdin=content, check=True, timeout=patient(60))
    server.run(["git", "clone", "--quiet", there, CHECKOUT])

