"""The sandbox of an untrusted process, as the properties of a transient unit: a pure function.

The whole of it costs some 70 ms of processor time beyond a bare unit (systemd 252, 2 cores, in a box), nearly all in
the child, not in PID 1: it reads the list of mounts again for each path that is made read-only. 16 ms are
ProtectKernelTunables (docs/security.md has the others, and what was tried).
ProtectKernelTunables stays although a process without capabilities cannot write those files: the user namespace maps
root to the host's root, so whoever became root inside could set kernel.core_pattern, and that must take two mistakes,
not one. Once it runs, RestrictSUIDSGID costs 0.8 us at each open, mkdir and chmod, which then ask every filter, and
nothing costs other calls (docs/security.md).

Left out on purpose: MemoryDenyWriteExecute (breaks every just-in-time compiler), ProcSubset=pid (hides
/proc/meminfo and /proc/cpuinfo: node then counts 0 processors), refusing AF_NETLINK (getifaddrs needs it).
"""

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from units.journal_pace import LOG_RATE_SECONDS
from units.properties import AND_SYSTEM_CALLS, EXCEPT_SYSTEM_CALLS

_OPEN_FILES = 10_000
"""File descriptors of one process, as on Heroku."""
_NO_CORE = 1
"""As 0, and also keeps the kernel from starting the machine's handler of crashes (kernel.core_pattern with `|`, as
systemd-coredump and apport have it), for which it does not ask the limit: that one would note the environment."""
_PENDING_SIGNALS = 1024
"""Timers of POSIX and queued signals of one sandbox (setrlimit(2), RLIMIT_SIGPENDING)."""
_CLONE_NEWUTS = 0x0400_0000
"""The namespace of a host name (clone(2))."""
_SHARED_FILES = 65_536
"""Files in /dev/shm: each, empty or not, is memory of the kernel's."""


@dataclass(frozen=True)
class Bind:
    """A file or directory of the host made visible inside, read-only unless ``writable``."""

    source: Path
    target: Path
    writable: bool = False


@dataclass(frozen=True)
class Limits:
    """What a unit may use: bytes, a share of the processor against its siblings (1..10000), cores, tasks.

    ``memory_high`` is where the kernel starts to reclaim (cgroup v2 only), ``cpu_quota`` a ceiling in cores.
    ``count_io`` lets the kernel count what is read from disks and written to them.
    """

    memory_max: int
    cpu_weight: int
    tasks_max: int
    memory_high: int | None = None
    cpu_quota: float | None = None
    count_io: bool = False


def hardened(
    *,
    root: Path,
    uid: int,
    gid: int,
    binds: Sequence[Bind],
    limits: Limits,
    slice_name: str,
    description: str,
    command: Sequence[str],
    environment_file: Path | None,
    working_directory: str = "/app",
    log_namespace: str | None = None,
    log_fields: Mapping[str, str] = {},
    syslog_identifier: str | None = None,
    log_rate: int = 0,
    stop_timeout: float = 30.0,
    runtime_max: float | None = None,
    restart_after: float | None = None,
    stdio: tuple[int, int, int] | None = None,
    network: Path | None = None,
    umask: int = 0o077,
) -> dict[str, Any]:
    """The unit that runs ``command`` (an absolute path inside ``root``, and its arguments) shut in.

    ``root`` becomes ``/``, read-only to the process, with ``binds`` on top; ``uid`` needs a name on the host
    (``users.ensure_user``) but none inside. ``stdio`` are file descriptors for input, output and errors (a
    terminal becomes the controlling one); without it input is empty and output goes to the journal. ``network`` is
    the network namespace to run in (``Network.path``), else it is the machine's own. ``log_rate`` lines a second
    and unit go to the journal on average (0: any number), and journald counts those that it drops. Once ended, the
    unit stays loaded with its result until somebody lets go of it (``Systemd.unref``); with ``restart_after``, systemd
    starts it again if nobody does. Times are in seconds.
    """
    return {
        "Description": description,
        **_service(
            command=command,
            environment_file=environment_file,
            working_directory=working_directory,
            stop_timeout=stop_timeout,
            runtime_max=runtime_max,
            restart_after=restart_after,
            umask=umask,
        ),
        **_identity(uid, gid),
        **_filesystem(root, binds, own_network=network is not None),
        **_kernel(),
        **({} if network is None else {"NetworkNamespacePath": str(network)}),
        **_resources(limits, slice_name),
        **(_logging(log_namespace, log_fields, syslog_identifier, log_rate) if stdio is None else _stdio(stdio)),
    }


def _service(
    *,
    command: Sequence[str],
    environment_file: Path | None,
    working_directory: str,
    stop_timeout: float,
    runtime_max: float | None,
    restart_after: float | None,
    umask: int,
) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "Type": "exec",
        "ExecStart": [(command[0], [_unexpanded(argument) for argument in command], False)],
        "WorkingDirectory": working_directory,
        # systemd 254 and later name a file of the control group there, which nobody inside may open to write.
        "UnsetEnvironment": ["MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE"],
        "EnvironmentFiles": [] if environment_file is None else [(str(environment_file), False)],
        "UMask": umask,
        "CollectMode": "inactive",
        "KillMode": "control-group",
        "TimeoutStartUSec": _microseconds(30),
        "TimeoutStopUSec": _microseconds(stop_timeout),
        "IgnoreSIGPIPE": False,
        "LimitCORE": _NO_CORE,
        "LimitCORESoft": _NO_CORE,
        "LimitNOFILE": _OPEN_FILES,
        "LimitNOFILESoft": _OPEN_FILES,
        # What is taken in a user namespace is counted as its maker's too: that is root, who has so many for all.
        "LimitSIGPENDING": _PENDING_SIGNALS,
        "LimitSIGPENDINGSoft": _PENDING_SIGNALS,
        "LimitMSGQUEUE": 0,
        "LimitMSGQUEUESoft": 0,
    }
    if restart_after is None:
        properties |= {"Restart": "no", "RemainAfterExit": True}
    else:
        properties |= {
            "Restart": "always",
            "RestartUSec": _microseconds(restart_after),
            # However often: whoever wants to give up lets go of the unit.
            "StartLimitIntervalUSec": 0,
        }
    if runtime_max is not None:
        properties["RuntimeMaxUSec"] = _microseconds(runtime_max)
    return properties


def _identity(uid: int, gid: int) -> dict[str, Any]:
    return {
        "User": str(uid),
        "Group": str(gid),
        "PrivateUsers": True,
        "CapabilityBoundingSet": 0,
        "NoNewPrivileges": True,
        "KeyringMode": "private",
        "RemoveIPC": True,
    }


def _filesystem(root: Path, binds: Sequence[Bind], *, own_network: bool) -> dict[str, Any]:
    # /sys is the machine's in any case, and would show its interfaces with their traffic.
    hidden = [("/sys/class/net", "ro,mode=0555")] if own_network else []
    bound = {
        "BindReadOnlyPaths": [_bind(bind) for bind in binds if not bind.writable],
        "BindPaths": [_bind(bind) for bind in binds if bind.writable],
    }
    return {
        "RootDirectory": str(root),
        "MountAPIVFS": True,
        # To systemd both are one list, which an empty one of either kind clears.
        **{name: paths for name, paths in bound.items() if paths},
        "PrivateTmp": True,
        "PrivateDevices": True,
        "PrivateIPC": True,
        # PrivateDevices alone would show every sandbox the same /dev/shm, the host's.
        "TemporaryFileSystem": [("/dev/shm", f"mode=1777,nosuid,nodev,nr_inodes={_SHARED_FILES}"), *hidden],
        **({"InaccessiblePaths": ["/sys/devices/virtual/net"]} if own_network else {}),
        "ProtectProc": "invisible",
        "ProcSubset": "all",
        "ProtectControlGroups": True,
        "ProtectKernelTunables": True,
        "ProtectSystem": "strict",
        "ReadWritePaths": [str(bind.target) for bind in binds if bind.writable],
        "ProtectHome": "yes",
    }


def _kernel() -> dict[str, Any]:
    return {
        "ProtectClock": True,
        "ProtectHostname": True,
        "ProtectKernelLogs": True,
        "ProtectKernelModules": True,
        # None at all would be written to the unit's file as an empty text, which the next daemon-reload of systemd 252
        # reads as "all". Of these nobody without capabilities can make one.
        "RestrictNamespaces": _CLONE_NEWUTS,
        "RestrictRealtime": True,
        "RestrictSUIDSGID": True,
        "RestrictAddressFamilies": (True, ["AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"]),
        "LockPersonality": True,
        "SystemCallArchitectures": ["native"],
        "SystemCallFilter": (True, ["@system-service"]),
        # io_uring, keys and userfaultfd have been ways into the kernel, and programs do without them, as they must in
        # containers; contexts of the older asynchronous I/O are few for the whole machine (fs.aio-max-nr).
        EXCEPT_SYSTEM_CALLS: ["@privileged", "@resources", "@aio", "@keyring", "userfaultfd"],
        # GNU make starts every command with its own ids set to what they are: refused that, it starts none. To other
        # ids nobody without capabilities can change.
        AND_SYSTEM_CALLS: ["setresuid", "setresgid"],
        # Refused, not killed: many programs try to chown or to pin themselves to a processor, and go on without.
        "SystemCallErrorNumber": errno.EPERM,
    }


def _resources(limits: Limits, slice_name: str) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "Slice": slice_name,
        "CPUAccounting": True,
        "MemoryAccounting": True,
        "TasksAccounting": True,
        "CPUWeight": limits.cpu_weight,
        "MemoryMax": limits.memory_max,
        "MemorySwapMax": 0,
        "TasksMax": limits.tasks_max,
        "OOMPolicy": "kill",
        # When the whole machine runs out of memory, untrusted processes go before the platform's.
        "OOMScoreAdjust": 500,
    }
    if limits.memory_high is not None:
        properties["MemoryHigh"] = limits.memory_high
    if limits.cpu_quota is not None:
        properties["CPUQuotaPerSecUSec"] = _microseconds(limits.cpu_quota)
    if limits.count_io:
        properties["IOAccounting"] = True
    return properties


def _logging(namespace: str | None, fields: Mapping[str, str], identifier: str | None, rate: int) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "StandardInput": "null",
        "StandardOutput": "journal",
        "StandardError": "journal",
        "SyslogLevelPrefix": False,
    }
    if namespace is not None:
        properties["LogNamespace"] = namespace
        # LogNamespace= orders after its socket only: at a shutdown its journald would end before the last lines came.
        properties["After"] = [f"systemd-journald@{namespace}.service"]
    if fields:
        properties["LogExtraFields"] = [f"{name}={value}".encode() for name, value in fields.items()]
    if identifier is not None:
        properties["SyslogIdentifier"] = identifier
    if rate:
        properties["LogRateLimitIntervalUSec"] = _microseconds(LOG_RATE_SECONDS)
        properties["LogRateLimitBurst"] = rate * LOG_RATE_SECONDS
    return properties


def _stdio(descriptors: tuple[int, int, int]) -> dict[str, Any]:
    names = ("StandardInputFileDescriptor", "StandardOutputFileDescriptor", "StandardErrorFileDescriptor")
    return dict(zip(names, descriptors, strict=True))


def _unexpanded(argument: str) -> str:
    """Escaped against systemd's own expansion of ``$NAME``.

    ExecStartEx has a flag against it, but systemd 252 writes that property into the unit's file under a name
    that it does not read back at the next daemon-reload, and then calls the running unit broken.
    """
    return argument.replace("$", "$$")


def _bind(bind: Bind) -> tuple[str, str, bool, int]:
    """Source, target, whether a missing source is ignored, MS_REC or 0."""
    return str(bind.source), str(bind.target), False, 0


def _microseconds(seconds: float) -> int:
    return round(seconds * 1e6)
