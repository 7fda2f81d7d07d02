"""A process in the sandbox of a unit that runs already: the transient unit that enters it, as a value.

systemd has no property for that: JoinsNamespaceOf= shares /tmp, IPC and network, but makes a mount and a user
namespace anew. So a program of ours (`units/enter.py`) joins the namespaces and the control groups, and everything
else, above all the seccomp filters, comes from the same properties as the sandbox's own (`units.sandbox.hardened`).
"""

import sys
from pathlib import Path
from typing import Any

from units import enter
from units.properties import AND_SYSTEM_CALLS
from units.sandbox import Limits, hardened

PROGRAM = Path(enter.__file__).resolve()

KEPT = frozenset({
    "UMask", "CollectMode", "Restart", "RemainAfterExit", "Type", "KillMode", "IgnoreSIGPIPE", "TimeoutStartUSec",
    "TimeoutStopUSec", "RuntimeMaxUSec", "LimitCORE", "LimitCORESoft", "LimitNOFILE", "LimitNOFILESoft", "Description",
    "LimitSIGPENDING", "LimitSIGPENDINGSoft", "LimitMSGQUEUE", "LimitMSGQUEUESoft", "ExecStart",
    "WorkingDirectory", "EnvironmentFiles", "UnsetEnvironment", "Slice", "OOMScoreAdjust", "NoNewPrivileges",
    "KeyringMode", "RestrictRealtime", "RestrictSUIDSGID", "RestrictAddressFamilies", "LockPersonality",
    "SystemCallArchitectures", "SystemCallFilter", "SystemCallFilter~", "SystemCallFilter+", "SystemCallErrorNumber",
    "StandardInputFileDescriptor", "StandardOutputFileDescriptor", "StandardErrorFileDescriptor",
})  # fmt: skip
"""Properties of a process that the unit which enters has as the sandbox has them."""
JOINED = frozenset({
    # the mount namespace
    "RootDirectory", "MountAPIVFS", "BindReadOnlyPaths", "BindPaths", "PrivateTmp", "PrivateDevices", "PrivateIPC",
    "TemporaryFileSystem", "InaccessiblePaths", "ProtectProc", "ProcSubset", "ProtectControlGroups",
    "ProtectKernelTunables", "ProtectSystem", "ReadWritePaths", "ProtectHome",
    # the other namespaces
    "PrivateUsers", "NetworkNamespacePath", "ProtectHostname",
    # the control group
    "CPUAccounting", "MemoryAccounting", "TasksAccounting", "CPUWeight", "MemoryMax", "MemoryHigh", "MemorySwapMax",
    "TasksMax", "CPUQuotaPerSecUSec", "OOMPolicy", "IOAccounting",
    # paths in the mount namespace, and system calls that SystemCallFilter= does not allow anyhow
    "ProtectClock", "ProtectKernelLogs", "ProtectKernelModules",
})  # fmt: skip
"""Properties whose effect comes with the namespaces and control groups of the sandbox."""
DONE_LAST = frozenset({"User", "Group", "CapabilityBoundingSet", "RestrictNamespaces", "RemoveIPC"})
"""Properties that entering must come before: `units/enter.py` does what they do. RemoveIPC= is the sandbox's to do."""

_CAPABILITIES = ("KILL", "CHOWN", "SETGID", "SETUID", "SYS_CHROOT", "SYS_PTRACE", "SYS_ADMIN")
_NUMBERS = {"CHOWN": 0, "KILL": 5, "SETGID": 6, "SETUID": 7, "SYS_CHROOT": 18, "SYS_PTRACE": 19, "SYS_ADMIN": 21}


def entering(
    *,
    order: Path,
    uid: int,
    slice_name: str,
    description: str,
    stdio: tuple[int, int, int],
    stop_timeout: float,
    runtime_max: float | None = None,
    python: str = sys.executable,
) -> dict[str, Any]:
    """The unit that carries out an order (`enter.Order`, in a file for root only) and becomes its program.

    Its main process leaves its control group for that of the sandbox; what the program has started is killed when
    the unit stops. Once ended it stays loaded, as those of `hardened` do. Times are in seconds.
    """
    # -I -S: nothing but the standard library, whatever the environment says.
    program = [python, "-I", "-S", "-B", str(PROGRAM), str(order)]
    sandbox = hardened(
        root=Path("/"),
        uid=uid,
        gid=uid,
        binds=[],
        limits=Limits(memory_max=0, cpu_weight=100, tasks_max=1),
        slice_name=slice_name,
        description=description,
        command=program,
        environment_file=None,
        working_directory="/",
        stop_timeout=stop_timeout,
        runtime_max=runtime_max,
        stdio=stdio,
    )
    properties = {name: value for name, value in sandbox.items() if name in KEPT}
    properties[AND_SYSTEM_CALLS] = [*properties[AND_SYSTEM_CALLS], *enter.NEEDED]
    properties["CapabilityBoundingSet"] = sum(1 << _NUMBERS[name] for name in _CAPABILITIES)
    properties["ExecStopPost"] = [(python, [*program, "leave"], False)]
    return properties
