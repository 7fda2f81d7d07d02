"""The rules that shut network namespaces in, as text for nft(8), and what others' rules do to them: pure.

One table of our own, the same whatever namespaces there are: rules go by the name of the machine's side of a
namespace, and an address is believed only on the interface to which it is routed. Nobody else's table is touched.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from units.addresses import Addresses
from units.resolvers import Resolvers

# fmt: off
REFUSED = (
    "169.254.0.0/16",      # link-local: metadata of AWS, Google, Azure, OpenStack, Oracle, DigitalOcean, Hetzner
    "168.63.129.16",       # Azure's platform
    "100.100.100.200",     # Alibaba Cloud's metadata
    "192.0.0.192",         # Oracle Cloud's older metadata
)
"""Addresses by which a machine, rather than an app, speaks to the cloud that it runs in."""

REFUSED_6 = (
    "fe80::/10",           # link-local
    "fd00:ec2::254",       # metadata of AWS
    "fd20:ce::254",        # Google's
    "fd00:c1::a9fe:a9fe",  # Oracle Cloud's
    "fd00:42::42",         # Scaleway's
)
"""The same with IPv6."""
# fmt: on

MAX_CONNECTIONS = 8192
"""Open connections of one namespace: the kernel's table of them (nf_conntrack_max) is one for the whole machine."""


@dataclass(frozen=True)
class Door:
    """The one TCP port of each namespace to which connections may be begun, and the users of the machine who may."""

    port: int
    users: tuple[int, ...]


@dataclass(frozen=True)
class Obstacle:
    """A chain of somebody else's that drops what namespaces send; `policy` or its last rule does it."""

    family: str
    table: str
    chain: str

    def message(self, pattern: str) -> str:
        """What it means, and what to do."""
        return (
            f"The firewall's chain {self.chain} (table {self.family} {self.table}) drops what is forwarded and does "
            f"not know hostd's networks: apps and builds cannot reach the Internet. Let {pattern} through, both ways; "
            "docs/operations.md says how with Docker, ufw and nftables"
        )


def pattern(name: str) -> str:
    """What the interfaces on the machine's side of an installation's namespaces are called."""
    return f"{name}-*"


def render(name: str, addresses: Addresses, resolvers: Resolvers, door: Door | None = None) -> str:
    """The whole table `inet <name>`, replacing one of that name in one step.

    Destinations are judged before anybody translates them (priority mangle is before dstnat), or a published port of
    a container of this machine would pass for the outside. Answers to what was let through always pass; what was begun
    is judged packet by packet, so that a connection made while the rules were away ends when they are back.

    What is sent to an address that no dyno has any more stays here: by the default route it would go to somebody else,
    who may answer it.
    """
    ours = f'"{pattern(name)}"'
    no = "counter reject with icmpx admin-prohibited"
    gateway = addresses.gateway
    ask = [gateway] if resolvers.loopback else list(resolvers.servers)
    dns = "meta l4proto { tcp, udp } th dport 53"
    return f"""\
add table inet {name}
delete table inet {name}
table inet {name} {{
    comment "networks of hostd: restored when somebody changes it"

    set busy {{
        type ipv4_addr
        size 65535
        flags dynamic
    }}

    set busy6 {{
        type ipv6_addr
        size 65535
        flags dynamic
    }}

    chain arriving {{
        type filter hook prerouting priority mangle; policy accept;
        iifname != {ours} accept
        fib saddr . iif oif missing counter drop
        ct direction reply ct state {{ established, related }} accept
        ct state invalid counter drop
        {_resolving(ask, dns)}
        fib daddr type != unicast {no}
        ip daddr {{ {", ".join([str(addresses.prefix), *REFUSED])} }} {no}
        ip6 daddr {{ {", ".join([str(addresses.prefix6), *REFUSED_6])} }} {no}
        ct state new add @busy {{ ip saddr ct count over {MAX_CONNECTIONS} }} {no}
        ct state new add @busy6 {{ ip6 saddr ct count over {MAX_CONNECTIONS} }} {no}
    }}

    chain through {{
        type filter hook forward priority filter; policy accept;
        oifname {ours} ct direction original counter drop
        oifname {ours} ct state != {{ established, related }} counter drop
    }}

    chain leaving {{
        type filter hook output priority filter; policy accept;
        oifname "lo" accept
        oifname != {ours} ip daddr {addresses.prefix} {no}
        oifname != {ours} ip6 daddr {addresses.prefix6} {no}
        oifname != {ours} accept
        ct state {{ established, related }} accept
        {_door(door)}
        {no}
    }}

    chain translated {{
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr {addresses.prefix} oifname != {ours} masquerade
        ip6 saddr {addresses.prefix6} oifname != {ours} masquerade
    }}
{_loopback_resolver(ours, addresses.prefix, gateway, resolvers.loopback, dns)}}}
"""


def obstacles(ruleset: Mapping[str, Any], name: str) -> list[Obstacle]:
    """Chains of others that drop what is forwarded unless it is named, and in whose table our interfaces are not.

    `ruleset` is what `nft -j list ruleset` prints. Whatever one chain accepts, another may still drop.
    """
    items = list(ruleset.get("nftables", ()))
    rules = [item["rule"] for item in items if "rule" in item]
    found = []
    for chain in (item["chain"] for item in items if "chain" in item):
        if chain.get("hook") != "forward" or chain["family"] not in ("ip", "inet") or chain["table"] == name:
            continue
        mine = [rule for rule in rules if (rule["family"], rule["table"]) == (chain["family"], chain["table"])]
        last = [rule for rule in mine if rule["chain"] == chain["name"]][-1:]
        closed = chain.get("policy") == "drop" or any(_drops_all(rule) for rule in last)
        if closed and not any(_names(rule.get("expr", ()), name) for rule in mine):
            found.append(Obstacle(chain["family"], chain["table"], chain["name"]))
    return found


def _door(door: Door | None) -> str:
    """All is tracked, although a busy router has many connections: firewalls drop answers to what they do not know."""
    if door is None:
        return "# no door"
    return f"tcp dport {door.port} meta skuid {{ {', '.join(map(str, door.users))} }} accept"


def _resolving(servers: Iterable[IPv4Address], dns: str) -> str:
    """A resolver may well be this machine, or a cloud's metadata address."""
    listed = ", ".join(map(str, servers))
    return f"ip daddr {{ {listed} }} {dns} accept" if listed else "# no resolver with an IPv4 address"


def _loopback_resolver(
    ours: str, prefix: IPv4Network, gateway: IPv4Address, loopback: IPv4Address | None, dns: str
) -> str:
    """Port 53 of the gateway is the machine's own resolver, which is asked as if by the machine itself."""
    if loopback is None:
        return ""
    return f"""
    chain asking {{
        type nat hook prerouting priority dstnat; policy accept;
        iifname {ours} ip daddr {gateway} {dns} dnat ip to {loopback}
    }}

    chain asked {{
        type nat hook input priority 100; policy accept;
        ip saddr {prefix} ip daddr {loopback} {dns} snat ip to 127.0.0.1
    }}
"""


def _drops_all(rule: Mapping[str, Any]) -> bool:
    kinds = {kind for expression in rule.get("expr", ()) for kind in expression}
    return bool(kinds & {"drop", "reject"}) and kinds <= {"drop", "reject", "counter", "log"}


def _names(value: object, name: str) -> bool:
    """Whether our interfaces stand in an expression: as `name-*`, or as the single name of one."""
    if isinstance(value, str):
        return value.startswith(f"{name}-")
    if isinstance(value, Mapping):
        return any(_names(part, name) for part in value.values())
    return isinstance(value, list | tuple) and any(_names(part, name) for part in value)
