"""The networks of dynos and builds: what the kernel must have, addresses that are free, packets that are forwarded."""

import asyncio
import dataclasses
import tomllib
from collections.abc import Mapping
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from hostd.install.errors import InstallError
from hostd.install.progress import note
from hostd.settings import Settings
from units import ipv6
from units.addresses import Addresses, free_range, mentioned
from units.network import Networks
from units.resolvers import RESOLV_CONF, read
from units.ruleset import Door, render
from units.run import CommandError, run
from units.upkeep import FORWARDING

_SECONDS = 30.0


def require_kernel(settings: Settings) -> None:
    """Try the rules and a cable in a network namespace that is gone afterwards.

    Raises InstallError when this kernel lacks something: without it apps would reach all that the machine does.
    """
    addresses = Addresses(IPv4Network(settings.network_prefix))
    rules = render(settings.network_name, addresses, read(), Door(settings.dyno_port, (0,)))
    try:
        run(["unshare", "--net", "nft", "-f", "-"], input=rules.encode(), timeout=_SECONDS)
        run(["unshare", "--net", "ip", "link", "add", "name", "a", "type", "veth"], timeout=_SECONDS)
    except CommandError as error:
        raise InstallError(
            "this kernel cannot shut apps and builds off from the machine, and hostd does not run them otherwise. "
            f"{error}\nIt needs network namespaces, veth, and nf_tables with inet tables, fib, NAT, reject, connlimit"
        ) from error


def with_free_addresses(settings: Settings, file: Path, changes: Mapping[str, Any]) -> Settings:
    """The settings with addresses that this machine does not use, unless the file or the caller named some."""
    if "network_prefix" in changes or (file.exists() and "network_prefix" in tomllib.loads(file.read_text())):
        return settings
    found = free_range(settings.network_name, _used())
    if found is None:
        raise InstallError(
            "this machine speaks of all private addresses that dynos could have. Choose a range that it does not use, "
            f'write it into {file} as a line `network_prefix = "RANGE"`, and run this again'
        )
    return dataclasses.replace(settings, network_prefix=str(found))


def allow_forwarding() -> None:
    """Have the kernel forward packets, now; a file for sysctl.d(5) does after a boot. Raises InstallError."""
    if FORWARDING.read_text().strip() != "0":
        return
    try:
        FORWARDING.write_text("1\n")
    except OSError as error:
        raise InstallError(f"cannot switch net.ipv4.ip_forward on, which dynos' networks need: {error}") from error


def problems(settings: Settings) -> tuple[str, ...]:
    """What keeps dynos and builds from the Internet and is not the installer's to change."""
    return asyncio.run(_networks(settings).look())


def ipv6_note() -> str | None:
    """A word to the operator of a server whose IPv6 dynos do not have: to switch it on is theirs, as it has a price."""
    if not ipv6.unused():
        return None
    return "Dynos have no IPv6, as this server forwards none; docs/operations.md says what to do if they shall"


def remove_networks(settings: Settings) -> None:
    """Take the rules and all networks away."""
    try:
        asyncio.run(_networks(settings).remove())
    except (CommandError, OSError) as error:
        note(f"the rules and networks named {settings.network_name} stay: {error}")


def _networks(settings: Settings) -> Networks:
    prefix = IPv4Network(settings.network_prefix)
    return Networks(name=settings.network_name, prefix=prefix, run_dir=settings.run_dir)


def _used() -> set[IPv4Network]:
    """What routes, addresses, name servers and firewall rules speak of; other installations of hostd among them."""
    listed = [
        run(argv, timeout=_SECONDS).text
        for argv in (
            ["ip", "-4", "route", "show", "table", "all"],
            ["ip", "-4", "address"],
            ["nft", "-t", "list", "ruleset"],
        )
    ]
    resolvers = RESOLV_CONF.read_text() if RESOLV_CONF.exists() else ""
    return mentioned("\n".join([*listed, resolvers]))
