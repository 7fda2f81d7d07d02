"""Addresses of network namespaces: never two the same, and a range that overlaps nothing."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from units.addresses import Addresses, NoAddress, free_range, mentioned

SMALL = IPv4Network("10.9.8.0/24")


def test_the_gateway_is_nobodys() -> None:
    addresses = Addresses(SMALL)
    all_of_them = [addresses.address(addresses.take()) for _ in range(253)]
    assert addresses.gateway == IPv4Address("10.9.8.1")
    assert addresses.gateway not in all_of_them
    assert (all_of_them[0], all_of_them[-1]) == (IPv4Address("10.9.8.2"), IPv4Address("10.9.8.254"))


def test_when_all_are_taken_it_says_so() -> None:
    addresses = Addresses(SMALL)
    for _ in range(253):
        addresses.take()
    with pytest.raises(NoAddress, match=r"all 253 addresses of 10\.9\.8\.0/24 are in use"):
        addresses.take()
    addresses.give_back(77)
    assert addresses.take() == 77


def test_an_address_rests_before_it_is_used_again() -> None:
    addresses = Addresses(SMALL)
    first = addresses.take()
    addresses.give_back(first)
    assert [addresses.take() for _ in range(253)][-1] == first


def test_one_that_somebody_had_before_is_not_given_out() -> None:
    addresses = Addresses(SMALL)
    addresses.keep(2)
    addresses.keep(3)
    assert addresses.take() == 4


@given(st.lists(st.booleans(), max_size=600))
def test_never_two_the_same(taking: list[bool]) -> None:
    addresses, held = Addresses(SMALL), list[int]()
    for take in taking:
        if take and len(held) < 253:
            slot = addresses.take()
            assert slot not in held
            assert addresses.address(slot) in SMALL
            held.append(slot)
        elif held:
            addresses.give_back(held.pop(0))


@given(st.text(max_size=20), st.sets(st.integers(64, 254), max_size=150))
def test_a_free_range_overlaps_nothing(seed: str, seconds: set[int]) -> None:
    taken = [IPv4Network(f"10.{second}.0.0/16") for second in seconds]
    found = free_range(seed, taken)
    assert found is not None
    assert not any(found.overlaps(network) for network in taken)
    assert found.is_private


def test_no_range_is_left_in_a_full_machine() -> None:
    assert free_range("x", [IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12")]) is None
    # The default route is no use of the addresses.
    assert free_range("x", [IPv4Network("0.0.0.0/0"), IPv4Network("10.0.0.0/8")]) is not None


def test_addresses_are_found_in_what_programs_print() -> None:
    routes = "default via 192.0.2.1 dev eth0\n10.1.0.0/16 dev br0 src 10.1.0.1\nblackhole 172.30.0.0/15\n"
    assert mentioned(routes) == {
        IPv4Network(text) for text in ("192.0.2.1/32", "10.1.0.0/16", "10.1.0.1/32", "172.30.0.0/15")
    }
    rules = "ip daddr { 10.2.0.1-10.2.0.9, 10.3.4.5/20 } th dport 53; version 1.2.3.4.5, 300.1.1.1"
    assert mentioned(rules) == {IPv4Network("10.2.0.1/32"), IPv4Network("10.3.0.0/20")}
