"""Whom builds and dynos ask for names."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

from units.resolvers import Resolvers, decide, read

GATEWAY = IPv4Address("10.9.8.1")
STUB = "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch lan\n"


def ip(*texts: str) -> tuple[IPv4Address, ...]:
    return tuple(map(IPv4Address, texts))


def test_servers_elsewhere_are_asked_directly() -> None:
    asked = decide("# by dhcp\nnameserver 192.0.2.53\nnameserver 192.0.2.54 \nsearch example.com lan\n", None)
    assert asked == Resolvers(ip("192.0.2.53", "192.0.2.54"), None, ("search example.com lan",))
    assert asked.conf(GATEWAY).splitlines()[1:] == [
        "search example.com lan",
        "nameserver 192.0.2.53",
        "nameserver 192.0.2.54",
    ]


def test_behind_resolveds_stub_are_its_servers() -> None:
    upstream = "nameserver 127.0.0.1\nnameserver 192.0.2.1\nnameserver 2001:db8::1\nsearch home\n"
    assert decide(STUB, upstream) == Resolvers(ip("192.0.2.1"), None, ("search home",))


def test_a_resolver_of_the_machine_is_asked_by_the_gateway() -> None:
    for own, upstream, loopback in (
        ("nameserver 127.0.0.1\n", None, "127.0.0.1"),
        ("nameserver 127.0.0.1\n", "nameserver 192.0.2.1\n", "127.0.0.1"),  # resolved's file, which nobody uses
        ("nameserver 127.0.0.53\n", None, "127.0.0.53"),
        ("nameserver 127.0.0.1\nnameserver 192.0.2.1\n", None, "127.0.0.1"),
        ("", None, "127.0.0.1"),
    ):
        asked = decide(own, upstream)
        assert (asked.servers, asked.loopback) == ((), IPv4Address(loopback))
        assert asked.conf(GATEWAY).splitlines()[-1] == "nameserver 10.9.8.1"


def test_ipv6_servers_are_left_out() -> None:
    asked = decide("nameserver 2001:db8::1\nnameserver fe80::1%eth0\nnameserver 192.0.2.1\n", None)
    assert asked.servers == ip("192.0.2.1")
    none = decide("nameserver 2001:db8::1\n", None)
    assert (none.servers, none.loopback) == ((), None)
    assert "nameserver" not in none.conf(GATEWAY)


def test_at_most_three_as_the_library_reads_no_more() -> None:
    own = "".join(f"nameserver 192.0.2.{last}\n" for last in range(1, 6))
    assert decide(own, None).servers == ip("192.0.2.1", "192.0.2.2", "192.0.2.3")


def test_odd_lines_do_no_harm() -> None:
    asked = decide("nameserver\nnameserver x\n;nameserver 192.0.2.9\n\n  \nnameserver\t192.0.2.1 # first\n", None)
    assert asked.servers == ip("192.0.2.1")


def test_files_may_be_missing(tmp_path: Path) -> None:
    assert read(tmp_path / "none", tmp_path / "none").loopback == IPv4Address("127.0.0.1")
    (tmp_path / "own").write_text("nameserver 192.0.2.1\n")
    assert read(tmp_path / "own", tmp_path / "none").servers == ip("192.0.2.1")
