"""The rules of networks as text, and what other people's rules do to them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from units.addresses import Addresses
from units.resolvers import Resolvers
from units.ruleset import REFUSED, REFUSED_6, Door, Obstacle, obstacles, render

ADDRESSES = Addresses(IPv4Network("10.9.0.0/16"))
DIRECT = Resolvers((IPv4Address("192.0.2.53"),))


def rules(asked: Resolvers = DIRECT, door: Door | None = None) -> list[str]:
    return [line.strip() for line in render("b5", ADDRESSES, asked, door).splitlines()]


def chain_of(lines: list[str], name: str) -> list[str]:
    """The lines of one chain."""
    begin = lines.index(f"chain {name} {{")
    return lines[begin + 1 : lines.index("}", begin)]


def test_nothing_but_the_table_of_our_own_is_named() -> None:
    tables = [line for line in rules() if " table " in line or line.startswith("table")]
    assert tables == ["add table inet b5", "delete table inet b5", "table inet b5 {"]


def test_this_machine_the_others_and_metadata_are_refused_after_names_may_be_asked_for() -> None:
    lines = rules()
    dns = lines.index("ip daddr { 192.0.2.53 } meta l4proto { tcp, udp } th dport 53 accept")
    machine = lines.index("fib daddr type != unicast counter reject with icmpx admin-prohibited")
    refused = next(number for number, line in enumerate(lines) if line.startswith("ip daddr { 10.9.0.0/16, 169.254."))
    assert dns < machine < refused
    assert all(address in lines[refused] for address in REFUSED)
    assert all(address in lines[refused + 1] for address in [str(ADDRESSES.prefix6), *REFUSED_6])


def test_spoofed_sources_are_dropped_before_anything_is_let_through() -> None:
    lines = rules()
    first = lines.index("ct direction reply ct state { established, related } accept")
    spoofed = lines.index("fib saddr . iif oif missing counter drop")
    assert lines.index('iifname != "b5-*" accept') < spoofed < first


@pytest.mark.parametrize(
    ("door", "let_in"),
    [(None, "# no door"), (Door(20000, (0, 33)), "tcp dport 20000 meta skuid { 0, 33 } accept")],
)
def test_connections_are_begun_to_the_door_by_those_who_may_and_no_others(door: Door | None, let_in: str) -> None:
    assert chain_of(rules(door=door), "leaving")[4:] == [
        'oifname != "b5-*" accept',
        "ct state { established, related } accept",
        let_in,
        "counter reject with icmpx admin-prohibited",
    ]
    assert chain_of(rules(door=door), "through")[1:] == [
        'oifname "b5-*" ct direction original counter drop',
        'oifname "b5-*" ct state != { established, related } counter drop',
    ]


def test_what_is_for_a_dyno_that_is_gone_never_leaves_the_machine() -> None:
    assert chain_of(rules(), "leaving")[1:4] == [
        'oifname "lo" accept',
        'oifname != "b5-*" ip daddr 10.9.0.0/16 counter reject with icmpx admin-prohibited',
        f'oifname != "b5-*" ip6 daddr {ADDRESSES.prefix6} counter reject with icmpx admin-prohibited',
    ]


def test_a_loopback_resolver_is_reached_by_the_gateways_port_53_only() -> None:
    lines = rules(Resolvers((), IPv4Address("127.0.0.1")))
    dns = "meta l4proto { tcp, udp } th dport 53"
    assert f"ip daddr {{ 10.9.0.1 }} {dns} accept" in lines
    assert f'iifname "b5-*" ip daddr 10.9.0.1 {dns} dnat ip to 127.0.0.1' in lines
    assert f"ip saddr 10.9.0.0/16 ip daddr 127.0.0.1 {dns} snat ip to 127.0.0.1" in lines
    assert not any("dnat" in line for line in rules())


def test_without_a_resolver_no_port_53_is_open() -> None:
    assert not any("dport 53" in line for line in rules(Resolvers()))


def chain(name: str, **more: object) -> dict[str, Any]:
    base = {"family": "ip", "table": "filter", "name": name, "type": "filter", "hook": "forward", "policy": "accept"}
    return {"chain": {**base, **more}}


def rule(of: str, *expressions: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"rule": {"family": "ip", "table": "filter", "chain": of, "expr": list(expressions), **more}}


def interface(name: str) -> dict[str, Any]:
    return {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": name}}


DOCKER = [chain("FORWARD", policy="drop"), rule("FORWARD", interface("docker0"), {"accept": None})]


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        ([], []),
        ([chain("FORWARD")], []),
        ([chain("INPUT", hook="input", policy="drop")], []),
        ([chain("FORWARD", policy="drop", family="ip6")], []),
        (DOCKER, ["FORWARD"]),
        ([*DOCKER, rule("DOCKER-USER", interface("b5-*"), {"accept": None})], []),
        ([*DOCKER, rule("DOCKER-USER", interface("b55-*"), {"accept": None})], ["FORWARD"]),
        ([*DOCKER, rule("x", interface("b5-*"), {"accept": None}, table="other")], ["FORWARD"]),
        ([chain("f"), rule("f", {"counter": {}}, {"reject": {"type": "icmpx", "expr": "admin-prohibited"}})], ["f"]),
        ([chain("f"), rule("f", interface("eth1"), {"drop": None})], []),
        ([chain("f"), rule("f", {"drop": None}), rule("f", {"accept": None})], []),
        ([chain("f", policy="drop", table="b5", family="inet")], []),
    ],
)
def test_chains_that_drop_what_is_forwarded(listed: list[dict[str, Any]], found: list[str]) -> None:
    assert [each.chain for each in obstacles({"nftables": [{"metainfo": {}}, *listed]}, "b5")] == found


def test_an_obstacle_is_told_with_what_to_do() -> None:
    message = Obstacle("ip", "filter", "FORWARD").message("b5-*")
    assert "chain FORWARD (table ip filter)" in message
    assert "Let b5-* through" in message
