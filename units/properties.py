# ruff: noqa: N818 - errors are named for what happened
"""The wire types of unit properties that pystemd does not know, and the check of their values.

pystemd marshals by a plain dict from property name to D-Bus signature. Importing this module adds to
that dict everything the sandbox needs; types as in systemd's ``dbus-execute.c``, ``dbus-service.c`` and
``dbus-cgroup.c`` at v252.
"""

from collections.abc import Mapping
from typing import Any

from pystemd.systemd1.unit_signatures import KNOWN_UNIT_SIGNATURES, signature_array

SIGNATURES: dict[str, str] = {
    # unit
    "AddRef": "b",
    "CollectMode": "s",
    # exec
    "CapabilityBoundingSet": "t",
    "CPUSchedulingPolicy": "i",
    "EnvironmentFiles": "a(sb)",
    "IOSchedulingClass": "i",
    "KeyringMode": "s",
    "LoadCredential": "a(ss)",
    "LogExtraFields": "aay",
    "LogLevelMax": "i",
    "LogNamespace": "s",
    "LogRateLimitBurst": "u",
    "LogRateLimitIntervalUSec": "t",
    "NetworkNamespacePath": "s",
    "OOMScoreAdjust": "i",
    "ProcSubset": "s",
    "ProtectClock": "b",
    "ProtectHostname": "b",
    "ProtectKernelLogs": "b",
    "ProtectProc": "s",
    "RestrictAddressFamilies": "(bas)",
    "RestrictNamespaces": "t",
    "RestrictSUIDSGID": "b",
    "StandardInputFileDescriptor": "h",
    "StandardOutputFileDescriptor": "h",
    "StandardErrorFileDescriptor": "h",
    "SyslogLevelPrefix": "b",
    "SystemCallErrorNumber": "i",
    "SystemCallFilter": "(bas)",
    "TTYColumns": "u",
    "TTYRows": "u",
    "UMask": "u",
    # timer
    "AccuracyUSec": "t",
    # service
    "ExecStartEx": "a(sasas)",
    "ExitType": "s",
    "FileDescriptorStoreMax": "u",
    "OOMPolicy": "s",
    "RuntimeRandomizedExtraUSec": "t",
    # cgroup
    "AllowedCPUs": "ay",
    "CPUWeight": "t",
    "DeviceAllow": "a(ss)",
    "IOWeight": "t",
    # kill
    "FinalKillSignal": "i",
}

EXCEPT_SYSTEM_CALLS = "SystemCallFilter~"
"""Takes calls out of what ``SystemCallFilter`` allowed before it: the same property, a second time."""
AND_SYSTEM_CALLS = "SystemCallFilter+"
"""Allows calls that ``EXCEPT_SYSTEM_CALLS`` took out before it: the same property, a third time."""

INFINITY = 2**64 - 1
"""No limit, for properties of type ``t``."""


class UnknownProperty(ValueError):
    """A unit property whose wire type is in neither table."""


def encode(properties: Mapping[str, Any]) -> list[tuple[int, Any]]:
    """The properties as pystemd's argument list for ``a(sv)``.

    Raises UnknownProperty for a name without wire type, and ValueError for a text with a NUL byte in it,
    which sd-bus would cut silently.
    """
    for name, value in properties.items():
        if name.encode() not in KNOWN_UNIT_SIGNATURES:
            raise UnknownProperty(f"unit property {name}: its D-Bus type is not known")
        if _has_nul(value):
            raise ValueError(f"unit property {name}: text with a NUL byte in it")
    encoded: list[tuple[int, Any]] = signature_array(dict(properties))
    return encoded


def _has_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, bytes):
        return b"\0" in value
    return isinstance(value, list | tuple) and any(_has_nul(item) for item in value)


KNOWN_UNIT_SIGNATURES.update({name.encode(): signature.encode() for name, signature in SIGNATURES.items()})
KNOWN_UNIT_SIGNATURES[EXCEPT_SYSTEM_CALLS.encode()] = lambda _, names: (
    b"SystemCallFilter",
    b"(bas)",
    (False, names),
)
KNOWN_UNIT_SIGNATURES[AND_SYSTEM_CALLS.encode()] = lambda _, names: (b"SystemCallFilter", b"(bas)", (True, names))
