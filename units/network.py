"""A network of its own for each build or dyno: an address, the outside, and nobody else.

A holder of a network reaches the Internet through the machine's address, and neither this machine, nor another
network here, nor the cloud's metadata (`units/ruleset.py` has the rules). Nobody begins a connection to it, but for
those who may to its one port (`Door`).
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from pathlib import Path
from typing import Protocol

from units import ipv6, namespaces, netlink, nftables, resolvers
from units.addresses import Addresses, NoAddress
from units.keeping import Keeping, KeepingError
from units.lasting import Keeper, Lasting
from units.namespaces import Cable, Ends
from units.resolvers import Resolvers
from units.ruleset import Door
from units.run import CommandError
from units.upkeep import FORWARDING, Rules, RulesError

log = logging.getLogger(__name__)

_NAME_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
_LONGEST_NAME = 200


class NetworkError(Exception):
    """A network could not be made; nothing may run instead in the machine's own."""


@dataclass(frozen=True)
class Network:
    """What a unit needs of its network: `path` for NetworkNamespacePath=, and a file for /etc/resolv.conf."""

    name: str
    path: Path
    address: str
    interface: str
    resolv_conf: Path


class Cables(Protocol):
    """What `units.namespaces` does."""

    def create(self, cable: Cable, /) -> int:
        """Make a namespace with this cable; returns its descriptor."""

    async def remove(self, interfaces: Sequence[str], /) -> None:
        """Take cables away."""

    async def interfaces(self, name: str, /) -> dict[str, str]:
        """The cables of an installation, and what each is for."""

    def works(self, interface: str, /) -> bool:
        """Whether a cable is there, and up."""

    def reopen(self, path: Path, /) -> int | None:
        """The descriptor of a namespace that somebody else holds; None if it is none."""


@dataclass(frozen=True)
class _Lease:
    slot: int
    descriptor: int
    network: Network


class Networks:
    """The networks of one installation; `name` (at most 8 characters) is also the one of its table of rules.

    Two installations on one machine differ in name and `prefix`. Holders are told apart by name (letters, digits and
    `._-`). A namespace lives as long as its lease or a process in it; one leased with an address that was reserved
    lives until it is released, also when this process ends: the next one adopts it, or sweeps it away.
    """

    def __init__(
        self,
        *,
        name: str,
        prefix: IPv4Network,
        run_dir: Path,
        door: Door | None = None,
        forwarding: Path = FORWARDING,
        table: nftables.Table | None = None,
        cables: Cables = namespaces,
        keeper: Keeper | None = None,
        resolving: Callable[[], Resolvers] = resolvers.read,
        way_out_6: Callable[[], bool] = ipv6.way_out,
    ) -> None:
        self.name = name
        self._addresses = Addresses(prefix)
        self._cables = cables
        self._lasting = Lasting(run_dir / "networks", keeper or Keeping(run_dir / "networks.sock"))
        self._way_out_6 = way_out_6
        self._table = table or nftables.Table(name)
        self._rules = Rules(
            table=self._table,
            addresses=self._addresses,
            door=door,
            resolv_conf=run_dir / "resolv.conf",
            resolving=resolving,
            forwarding=forwarding,
        )
        self._reserved: set[int] = set()
        self._leases: dict[str, _Lease] = {}
        self._going: set[asyncio.Task[None]] = set()
        self._links: netlink.Messages | None = None
        self._lost: Callable[[str], None] = lambda _: None

    @property
    def problems(self) -> tuple[str, ...]:
        """Why there are no networks, or what keeps them from the outside and is not ours to change; as sentences."""
        return self._rules.problems

    @property
    def held(self) -> int:
        """How many networks are leased."""
        return len(self._leases)

    async def start(self) -> None:
        """Put rules in place, and look after them from now on.

        What cannot be done is logged and tried again every minute; until then there are no leases.
        """
        try:
            await self._rules.ensure()
            self._links = netlink.link_messages(self.note)
        except (RulesError, OSError) as error:
            log.error("there are no networks: %s", error)
        self._rules.start()

    def subscribe(self, lost: Callable[[str], None]) -> None:
        """Have `lost` called with the name of a holder whose network somebody has taken away."""
        self._lost = lost

    async def close(self) -> None:
        """Look after nothing any more; the rules stay, and what was leased to last."""
        await self._rules.close()
        await self._lasting.close()
        if self._links is not None:
            self._links.close()
        await asyncio.gather(*self._going, return_exceptions=True)

    async def ensure(self) -> bool:
        """See to it that the rules are in place; whether they were not. Raises NetworkError when they cannot be."""
        try:
            return await self._rules.ensure()
        except RulesError as error:
            raise NetworkError(str(error)) from error

    async def look(self) -> tuple[str, ...]:
        """Find out anew what keeps networks from the outside. Raises CommandError when others' rules cannot be read."""
        return await self._rules.look()

    @asynccontextmanager
    async def leased(self, name: str) -> AsyncIterator[Network]:
        """A network for as long as the block lasts. Raises NetworkError."""
        network = await self.lease(name)
        try:
            yield network
        finally:
            await asyncio.shield(self.release(name))

    def reserve(self) -> str:
        """An address for a network to be; nobody else gets it until it was leased and released, or given back.

        Raises NetworkError when none is left.
        """
        slot = self._take()
        self._reserved.add(slot)
        return str(self._addresses.address(slot))

    def give_back(self, address: str) -> None:
        """Have an address that was reserved and not leased no more; fine for any other."""
        slot = self._slot(address)
        if slot in self._reserved:
            self._reserved.discard(slot)
            self._addresses.give_back(slot)

    async def lease(self, name: str, address: str | None = None) -> Network:
        """A new network, held under a name that nobody has now. Raises NetworkError; then nothing is held.

        With an address that was reserved it outlives this process, else it does not.
        """
        if not (0 < len(name) <= _LONGEST_NAME and set(name) <= _NAME_CHARACTERS and name[0] not in "._-"):
            raise NetworkError(f"{name!r} is no name for a network: use letters, digits and . _ -")
        if name in self._leases:
            raise NetworkError(f"{name} has a network already")
        slot = self._take() if address is None else self._slot(address)
        if slot is None or (address is not None and slot not in self._reserved):
            raise NetworkError(f"The address {address} was not reserved")
        self._reserved.discard(slot)
        making: asyncio.Future[_Lease] | None = None
        try:
            await self._rules.ensure_unless_known()
            making = asyncio.ensure_future(asyncio.to_thread(self._make, slot, name, address is not None))
            self._leases[name] = lease = await asyncio.shield(making)
        except asyncio.CancelledError:
            if making is None:
                self._addresses.give_back(slot)
            else:
                making.add_done_callback(lambda made: self._abandon(made, slot))
            raise
        except (OSError, CommandError, RulesError) as error:
            self._addresses.give_back(slot)
            why = str(error) if isinstance(error, RulesError) else f"The network of {name} could not be made: {error}"
            raise NetworkError(why) from error
        return lease.network

    async def release(self, name: str) -> None:
        """Take a network away, for its last processes too; fine when nobody has it."""
        if (going := self.discard(name)) is not None:
            await going

    def discard(self, name: str) -> asyncio.Task[None] | None:
        """The same, without waiting until it is gone."""
        lease = self._leases.pop(name, None)
        return self._end(lease) if lease is not None else None

    async def adopt(self, holders: dict[str, tuple[str, int]]) -> set[str]:
        """Take over networks that an earlier process leased to last, by name, address and a process inside (or 0).

        Whatever else there is of this installation's networks is taken away. Returns the names of those who have one;
        the others must be started anew. Raises NetworkError when it cannot be known what there is.
        """
        try:
            found = await self._cables.interfaces(self.name)
        except CommandError as error:
            raise NetworkError(f"Networks that there are could not be listed: {error}") from error
        for name, (address, pid) in holders.items():
            slot = self._slot(address)
            if slot is None or found.get(self._interface(slot)) != name:
                continue
            reopened = map(self._cables.reopen, self._lasting.found(name, pid))
            if (descriptor := next((each for each in reopened if each is not None), None)) is not None:
                self._addresses.keep(slot)
                self._leases[name] = self._lease(slot, descriptor, name, lasting=True)
        self._lasting.sweep()
        self._lasting.start()
        try:
            await self.sweep()
        except NetworkError as error:
            log.error("%s", error)
        return set(self._leases)

    def intact(self, name: str) -> bool:
        """Whether the network that was leased under this name is still there."""
        lease = self._leases.get(name)
        return lease is not None and self._cables.works(lease.network.interface)

    async def sweep(self) -> None:
        """Take away networks that nobody here holds. Raises NetworkError."""
        held = {lease.network.interface for lease in self._leases.values()}
        try:
            found = await self._cables.interfaces(self.name)
            await self._cables.remove([each for each in found if each not in held])
        except (CommandError, OSError) as error:
            raise NetworkError(f"Left-over networks could not be taken away: {error}") from error

    async def remove(self) -> None:
        """Take all networks and rules of this installation away, whoever holds them. Raises CommandError, OSError."""
        await self._cables.remove(list(await self._cables.interfaces(self.name)))
        await self._table.delete()

    def _make(self, slot: int, name: str, lasting: bool) -> _Lease:
        ends = [Ends(self._addresses.address(slot), self._addresses.gateway)]
        if self._way_out_6():
            ends.append(Ends(self._addresses.address6(slot), self._addresses.gateway6))
        to_loopback = self._rules.resolvers.loopback is not None
        descriptor = self._cables.create(Cable(self._interface(slot), name, tuple(ends), to_loopback))
        try:
            return self._lease(slot, descriptor, name, lasting=lasting)
        except BaseException:
            os.close(descriptor)
            raise

    def _lease(self, slot: int, descriptor: int, name: str, *, lasting: bool) -> _Lease:
        if lasting:
            self._lasting.add(name, descriptor)
        path = self._lasting.path(name) if lasting else namespaces.path(descriptor)
        address, interface = str(self._addresses.address(slot)), self._interface(slot)
        return _Lease(slot, descriptor, Network(name, path, address, interface, self._rules.resolv_conf))

    def _interface(self, slot: int) -> str:
        return f"{self.name}-{slot}"

    async def _take_away(self, lease: _Lease, kept: Path | None) -> None:
        try:
            await self._cables.remove([lease.network.interface])
            if kept is not None:
                await self._lasting.drop(kept)
        except (OSError, KeepingError) as error:
            log.warning("the network of %s is left until hostd starts again: %s", lease.network.name, error)
        finally:
            self._addresses.give_back(lease.slot)

    def _abandon(self, made: "asyncio.Future[_Lease]", slot: int) -> None:
        """Nobody waits any more for a network that is only now there."""
        if made.cancelled() or made.exception() is not None:
            self._addresses.give_back(slot)
        else:
            self._end(made.result())

    def _end(self, lease: _Lease) -> asyncio.Task[None]:
        kept = self._lasting.remove(lease.network.name, lease.descriptor)
        os.close(lease.descriptor)
        task = asyncio.create_task(self._take_away(lease, kept))
        self._going.add(task)
        task.add_done_callback(self._going.discard)
        return task

    def _take(self) -> int:
        try:
            return self._addresses.take()
        except NoAddress as error:
            raise NetworkError(f"There is no network left: {error}. Set a larger network_prefix") from error

    def _slot(self, address: str) -> int | None:
        try:
            return self._addresses.slot(IPv4Address(address))
        except AddressValueError:
            return None

    def note(self, change: netlink.LinkChange | None) -> None:
        """Find out who has lost a network when the kernel says that interfaces were changed, or may have been."""
        if change is None:
            for name in [name for name in self._leases if not self.intact(name)]:
                self._lost(name)
        elif change.name.startswith(f"{self.name}-") and not (change.there and change.up):
            for name, lease in list(self._leases.items()):
                if lease.network.interface == change.name:
                    self._lost(name)
