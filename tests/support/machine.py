"""A virtual machine of qemu, with a disk of its own that nobody else sees: gone with the process that made it."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from tests.support.images import DIES_WITH_US, Image
from tests.support.slots import Slot
from tests.support.waiting import wait_until

MEMORY_MB = 3072
PROCESSORS = 2
BOOT_SECONDS = 300.0
STOP_SECONDS = 300.0
ALIVE = b"Linux version"
"""The first thing that a kernel says."""
ALIVE_SECONDS = 20.0


class Machine:
    """A machine with a disk that is as the image's until something is written to it.

    Ports of this machine's lead to its ports 80, 443 and 22: those of `slot`. `folder` is for its files; what its
    console shows is kept beside the image.
    """

    def __init__(self, name: str, image: Image, slot: Slot, folder: Path) -> None:
        self.name = name
        self.slot = slot
        self.key = folder / "root_ed25519"
        self.known_hosts = folder / "known_hosts"
        self._image = image
        self._folder = folder
        self._console = image.folder.parent / f"vm-{name}.log"
        self._qemu: subprocess.Popen[bytes] | None = None
        # Without a name: the kernel takes it back with the last who has it open.
        self._disk = os.open(image.folder.parent, os.O_TMPFILE | os.O_RDWR, 0o600)
        base = ["-b", str(image.disk), "-F", "raw", f"/proc/self/fd/{self._disk}"]
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *base], check=True, pass_fds=[self._disk])
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)], check=True)
        self._console.write_bytes(b"")

    def switch_on(self) -> None:
        """Begin to boot; see `wait_for_ssh`."""
        assert self._qemu is None, "the machine runs already"
        ports = {self.slot.http: 80, self.slot.https: 443, self.slot.ssh: 22}
        forwards = "".join(f",hostfwd=tcp:127.0.0.1:{ours}-:{its}" for ours, its in ports.items())
        self._qemu = subprocess.Popen(
            [
                *DIES_WITH_US,
                *_qemu(self._image, accelerator(self._image)),
                *("-initrd", str(self._image.initrd), "-device", "virtio-rng-pci"),
                *("-chardev", f"file,id=console,path={self._console},append=on", "-serial", "chardev:console"),
                *("-drive", f"file=/proc/self/fd/{self._disk},format=qcow2,if=virtio"),
                *("-netdev", f"user,id=net{forwards}", "-device", "virtio-net-pci,netdev=net"),
                # systemd.system-credentials(7): tmpfiles makes root's authorized_keys of it.
                *("-fw_cfg", f"name=opt/io.systemd.credentials/ssh.authorized_keys.root,file={self.key}.pub"),
            ],
            stdin=subprocess.DEVNULL,
            pass_fds=[self._disk],
        )

    def wait_for_ssh(self) -> None:
        """Wait until root can log in."""

        def answers() -> bool:
            if self._qemu is None or self._qemu.poll() is not None:
                raise RuntimeError(f"qemu has ended; what it said is above.\n{self.last_of_console()}")
            # Until the machine has an address, a connection is taken and nothing said.
            return self._ssh(["true"], "ConnectTimeout=30").returncode == 0

        try:
            wait_until(answers, BOOT_SECONDS, every=0.5, what="a login")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.last_of_console()}") from error

    def command(self, argv: Sequence[str]) -> list[str]:
        """The argument list that runs a command there as root, by one connection for all."""
        control = ["ControlMaster=auto", "ControlPersist=yes", f"ControlPath={self._folder}/%C"]
        options = [*control, "StrictHostKeyChecking=accept-new", "ServerAliveInterval=30", "ServerAliveCountMax=20"]
        return [*self.ssh(self.key, *options), "root@localhost", shlex.join(argv)]

    def ssh(self, key: Path, *options: str) -> list[str]:
        """The ssh client for this machine with a key, and with nothing of this machine's own configuration."""
        always = ["LogLevel=ERROR", "IdentitiesOnly=yes", "BatchMode=yes", f"UserKnownHostsFile={self.known_hosts}"]
        words = [word for option in (*always, *options) for word in ("-o", option)]
        return ["ssh", "-F", "none", "-i", str(key), "-p", str(self.slot.ssh), *words]

    def reboot(self) -> None:
        """Have it shut itself down in good order, and boot again."""
        self._ssh(["systemctl", "--no-block", "reboot"])
        assert self._qemu is not None
        self._qemu.wait(STOP_SECONDS)
        self._qemu = None
        self.switch_on()

    def power_cut(self) -> None:
        """End it at once: what is not on the disk is lost."""
        if self._qemu is not None:
            self._qemu.kill()
            self._qemu.wait()
            self._qemu = None

    def close(self) -> None:
        """End it, and forget its disk."""
        self.power_cut()
        os.close(self._disk)

    def last_of_console(self) -> str:
        """The end of what its console has shown."""
        return f"{self._console}:\n" + self._console.read_text(errors="replace")[-3000:]

    def _ssh(self, argv: Sequence[str], *options: str) -> subprocess.CompletedProcess[bytes]:
        words = self.command(argv)
        extra = [word for option in options for word in ("-o", option)]
        return subprocess.run([words[0], *extra, *words[1:]], capture_output=True, check=False, timeout=120)


@cache
def accelerator(image: Image) -> str:
    """`kvm` where a kernel comes up with it, else `tcg`: some machines have a /dev/kvm that boots no usual kernel."""
    # Without anything to boot from, it says so and ends at once.
    trial = [*DIES_WITH_US, *_qemu(image, "kvm"), "-serial", "stdio"]
    try:
        ended = subprocess.run(
            trial, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=ALIVE_SECONDS
        )
    except subprocess.TimeoutExpired:
        return "tcg"
    return "kvm" if ALIVE in ended.stdout else "tcg"


def _qemu(image: Image, accelerate: str) -> list[str]:
    """The command line of a machine that has nothing but a kernel."""
    return [
        *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-machine", "q35", "-accel", accelerate, "-cpu", "max", "-smp", str(PROCESSORS), "-m", str(MEMORY_MB)),
        *("-kernel", str(image.kernel), "-append", "root=/dev/vda rw console=ttyS0 net.ifnames=0 panic=-1"),
    ]
