"""Leases of networks, over fakes of the kernel's side."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Collection, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from pathlib import Path

import pytest

from units.keeping import KeepingError
from units.namespaces import Cable, Ends
from units.netlink import LinkChange
from units.network import NetworkError, Networks
from units.nftables import Table
from units.resolvers import Resolvers
from units.run import CommandFailed


class FakeTable(Table):
    """Remembers rules, as the kernel does."""

    def __init__(self) -> None:
        super().__init__("b5")
        self.rules: str | None = None
        self.applied = 0
        self.refusal: str | None = None

    async def apply(self, rules: str) -> None:
        self.rules, self.applied = rules, self.applied + 1

    async def expected(self, rules: str) -> bytes:
        if self.refusal:
            raise CommandFailed(["nft", "-f", "-"], 1, self.refusal.encode())
        return rules.encode()

    async def listing(self) -> bytes | None:
        return None if self.rules is None else self.rules.encode()

    async def delete(self) -> None:
        self.rules = None


class FakeCables:
    """Descriptors of nothing, and the names of cables."""

    def __init__(self) -> None:
        self.there: dict[str, str] = {}
        self.made: list[Cable] = []
        self.reopened: set[str] = set()
        self.trouble: OSError | None = None
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def works(self, interface: str) -> bool:
        return interface in self.there

    def reopen(self, path: Path) -> int | None:
        return os.open("/dev/null", os.O_RDONLY) if path.name in self.reopened else None

    def create(self, cable: Cable) -> int:
        assert self.may_go_on.wait(5)
        if self.trouble:
            raise self.trouble
        self.made.append(cable)
        self.there[cable.interface] = cable.purpose
        return os.open("/dev/null", os.O_RDONLY)

    async def remove(self, interfaces: Sequence[str]) -> None:
        for name in interfaces:
            self.there.pop(name, None)

    async def interfaces(self, name: str) -> dict[str, str]:
        return dict(self.there)


class FakeKeeper:
    """Counts what it keeps."""

    def __init__(self) -> None:
        self.kept: set[str] = set()
        self.asked = 0
        self.gone = False
        self.end = asyncio.Event()

    def keep(self, descriptor: int) -> Path:
        os.fstat(descriptor)
        if self.gone:
            raise KeepingError("nobody answers")
        self.asked += 1
        self.kept.add(str(self.asked))
        return Path(f"/proc/4711/fd/{self.asked}")

    def drop(self, path: Path) -> None:
        self.kept.discard(path.name)

    def only(self, paths: Collection[Path]) -> None:
        self.kept &= {path.name for path in paths}

    async def ended(self) -> None:
        await self.end.wait()
        self.end.clear()


class Rig:
    """Networks of a small range."""

    def __init__(self, folder: Path) -> None:
        self.table, self.cables, self.keeper, self.folder = FakeTable(), FakeCables(), FakeKeeper(), folder
        self.has_ipv6 = False
        self.asked = Resolvers((IPv4Address("192.0.2.53"),))
        self.networks = Networks(
            name="b5",
            prefix=IPv4Network("10.9.8.0/24"),
            run_dir=folder,
            table=self.table,
            cables=self.cables,
            keeper=self.keeper,
            way_out_6=lambda: self.has_ipv6,
            resolving=lambda: self.asked,
        )


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


async def test_a_lease_is_an_address_a_way_in_and_resolvers(rig: Rig) -> None:
    async with rig.networks.leased("hostd-build-1") as network:
        assert (network.address, network.interface) == ("10.9.8.2", "b5-2")
        assert rig.cables.there == {"b5-2": "hostd-build-1"}
        assert rig.cables.made[0].ends == (Ends(IPv4Address("10.9.8.2"), IPv4Address("10.9.8.1")),)
        assert network.path.samefile("/dev/null")
        assert network.resolv_conf.read_text().endswith("nameserver 192.0.2.53\n")
        assert rig.networks.held == 1
    assert (rig.cables.there, rig.networks.held) == ({}, 0)
    assert not network.path.exists()


async def test_many_at_once_are_all_different(rig: Rig) -> None:
    networks = await asyncio.gather(*(rig.networks.lease(f"d{number}") for number in range(253)))
    assert len({network.address for network in networks}) == 253
    assert all(len(network.interface) <= 15 for network in networks)
    with pytest.raises(NetworkError, match=r"There is no network left: all 253 .* larger network_prefix"):
        await rig.networks.lease("one-more")
    for network in networks:
        await rig.networks.release(network.name)
    assert rig.cables.there == {}
    assert rig.table.applied == 1


async def test_rules_that_are_gone_are_back_before_the_next_lease(rig: Rig) -> None:
    await rig.networks.release((await rig.networks.lease("a")).name)
    before, rig.table.rules = rig.table.rules, "something else"
    await rig.networks.lease("b")
    assert (rig.table.rules, rig.table.applied) == (before, 2)


async def test_rules_that_are_gone_as_soon_as_they_were_there_are_noticed(rig: Rig) -> None:
    await rig.networks.ensure()
    before, rig.table.rules = rig.table.rules, None
    assert await rig.networks.ensure()
    assert rig.table.rules == before
    assert not await rig.networks.ensure()


async def test_other_resolvers_are_other_rules_and_another_file(rig: Rig) -> None:
    await rig.networks.ensure()
    rig.asked = Resolvers((), IPv4Address("127.0.0.1"))
    network = await rig.networks.lease("a")
    assert rig.table.rules is not None
    assert "dnat ip to 127.0.0.1" in rig.table.rules
    assert network.resolv_conf.read_text().endswith("nameserver 10.9.8.1\n")
    assert rig.cables.made[0].to_loopback


async def test_without_rules_there_is_no_lease(rig: Rig) -> None:
    rig.table.refusal = "Could not process rule: Operation not supported"
    with pytest.raises(NetworkError, match=r"cannot be put in place: .*Operation not supported"):
        await rig.networks.lease("a")
    assert rig.cables.made == []
    assert len(rig.networks.problems) == 1
    rig.table.refusal = None
    await rig.networks.lease("a")
    assert rig.networks.problems == ()


async def test_what_cannot_be_made_holds_nothing(rig: Rig) -> None:
    rig.cables.trouble = OSError(28, "No space left on device")
    with pytest.raises(NetworkError, match=r"The network of a could not be made: .*No space"):
        await rig.networks.lease("a")
    rig.cables.trouble = None
    await rig.networks.lease("a")
    assert rig.networks.held == 1


async def test_one_that_nobody_waits_for_any_more_is_let_go_of(rig: Rig) -> None:
    rig.cables.may_go_on.clear()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    task = asyncio.create_task(rig.networks.lease("a"))
    while not (rig.folder / "resolv.conf").exists():
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    rig.cables.may_go_on.set()
    while len(os.listdir("/proc/self/fd")) > before:  # noqa: PTH208
        await asyncio.sleep(0)
    assert rig.networks.held == 0


@pytest.mark.parametrize("name", ["", "-force", "a b", "a\nlink delete dev eth0", "ä", "x" * 201])
async def test_a_name_is_a_word(rig: Rig, name: str) -> None:
    with pytest.raises(NetworkError, match="is no name for a network"):
        await rig.networks.lease(name)


async def test_nobody_gets_two(rig: Rig) -> None:
    await rig.networks.lease("a")
    with pytest.raises(NetworkError, match="a has a network already"):
        await rig.networks.lease("a")


async def test_with_ipv6_there_is_a_second_pair_of_addresses(rig: Rig) -> None:
    rig.has_ipv6 = True
    await rig.networks.lease("a")
    ipv6 = rig.cables.made[0].ends[1]
    assert isinstance(ipv6.inside, IPv6Address)
    assert (ipv6.inside.is_private, int(ipv6.inside) - int(ipv6.gateway)) == (True, 1)


async def test_one_that_lasts_is_found_by_its_name_until_it_is_released(rig: Rig) -> None:
    address = rig.networks.reserve()
    network = await rig.networks.lease("hostd-hello-web.1-v3", address)
    assert (network.address, network.path) == (address, rig.folder / "networks/hostd-hello-web.1-v3")
    assert network.path.readlink() == Path("/proc/4711/fd/1")
    assert rig.keeper.kept == {"1"}
    await rig.networks.release(network.name)
    assert (rig.keeper.kept, rig.cables.there, list((rig.folder / "networks").iterdir())) == (set(), {}, [])


async def test_without_a_keeper_it_lasts_as_long_as_this_process_and_is_kept_later(rig: Rig) -> None:
    await rig.networks.adopt({})
    rig.keeper.gone = True
    network = await rig.networks.lease("a", rig.networks.reserve())
    assert network.path.samefile("/dev/null")
    rig.keeper.gone = False
    rig.keeper.end.set()
    while not rig.keeper.kept:
        await asyncio.sleep(0)
    assert str(network.path.readlink()).startswith("/proc/4711/fd/")
    await rig.networks.close()


async def test_a_reserved_address_is_nobody_elses_until_it_is_given_back(rig: Rig) -> None:
    address = rig.networks.reserve()
    others = [rig.networks.reserve() for _ in range(252)]
    assert address not in others
    rig.networks.give_back(address)
    assert rig.networks.reserve() == address
    await rig.networks.lease("a", address)
    rig.networks.give_back(address)
    with pytest.raises(NetworkError, match="no network left"):
        rig.networks.reserve()
    with pytest.raises(NetworkError, match=r"10\.9\.8\.1 was not reserved"):
        await rig.networks.lease("b", "10.9.8.1")


async def test_networks_of_those_who_run_are_taken_over_and_the_rest_goes(rig: Rig) -> None:
    web, worker, moved = "hostd-a-web.1-v3", "hostd-a-worker.1-v3", "hostd-a-web.2-v3"
    rig.cables.there = {"b5-2": web, "b5-3": "hostd-build-9", "b5-4": moved, "b5-5": worker}
    rig.cables.reopened = {web, moved}
    (rig.folder / "networks").mkdir()
    (rig.folder / "networks/of-nobody").symlink_to("/proc/1/fd/1")
    holders = {web: ("10.9.8.2", 11), moved: ("127.0.0.1", 12), worker: ("10.9.8.5", 0), "gone": ("10.9.8.9", 13)}
    assert await rig.networks.adopt(holders) == {web}
    assert rig.cables.there == {"b5-2": web}
    assert [path.name for path in (rig.folder / "networks").iterdir()] == [web]
    assert (rig.networks.intact(web), rig.networks.intact(worker)) == (True, False)
    assert (await rig.networks.lease("next")).interface == "b5-3"
    await rig.networks.close()


@pytest.mark.parametrize("change", [LinkChange("b5-2", False, False), LinkChange("b5-2", True, False), None])
async def test_whoever_loses_a_network_is_named(rig: Rig, change: LinkChange | None) -> None:
    lost: list[str] = []
    rig.networks.subscribe(lost.append)
    for name in ("a", "b"):
        await rig.networks.lease(name)
    if change is None:
        del rig.cables.there["b5-2"]
    for told in (LinkChange("b5-2", True, True), LinkChange("eth0", False, False), change):
        rig.networks.note(told)
    assert lost == ["a"]
