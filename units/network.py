"""A network of its own for each build or dyno: an address, the outside, and nobody else.

A holder of a network reaches the Internet through the machine's address, and neither this machine, nor another
network here, nor the cloud's metadata (`units/ruleset.py` has the rules). Nobody begins a connection to it.
"""

import asyncio
import logging
import os
import re
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Protocol

from units import namespaces, nftables, resolvers
from units.addresses import Addresses, NoAddress
from units.namespaces import Cable
from units.resolvers import Resolvers
from units.ruleset import obstacles, pattern, render
from units.run import CommandError

log = logging.getLogger(__name__)

FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
CHECK_SECONDS = 60.0
PAUSE_SECONDS = 0.1
"""Between two looks at the rules, on a machine where somebody changes rules all the time."""
LONGEST_PAUSE_SECONDS = 5.0

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


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


@dataclass(frozen=True)
class _Lease:
    slot: int
    descriptor: int
    network: Network


class Networks:
    """The networks of one installation; `name` (at most 8 characters) is also the one of its table of rules.

    Two installations on one machine differ in name and `prefix`. Holders are told apart by name. A namespace lives
    as long as its lease or a process in it.
    """

    def __init__(
        self,
        *,
        name: str,
        prefix: IPv4Network,
        run_dir: Path,
        forwarding: Path = FORWARDING,
        table: nftables.Table | None = None,
        cables: Cables = namespaces,
        resolving: Callable[[], Resolvers] = resolvers.read,
    ) -> None:
        self.name = name
        self._addresses = Addresses(prefix)
        self._table = table or nftables.Table(name)
        self._cables = cables
        self._resolving = resolving
        self._resolv_conf = run_dir / "resolv.conf"
        self._forwarding = forwarding
        self._leases: dict[str, _Lease] = {}
        self._lock = asyncio.Lock()
        self._rules: tuple[str, bytes] | None = None
        self._failure: str | None = None
        self._obstacles: tuple[str, ...] = ()
        self._changes: nftables.Changes | None = None
        self._changed = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None

    @property
    def problems(self) -> tuple[str, ...]:
        """Why there are no networks, or what keeps them from the outside and is not ours to change; as sentences."""
        return (self._failure, *self._obstacles) if self._failure else self._obstacles

    @property
    def held(self) -> int:
        """How many networks are leased."""
        return len(self._leases)

    async def start(self, keep: Collection[str] = ()) -> None:
        """Put rules in place, take away what an earlier process left, and look after the rules from now on.

        What cannot be done is logged and tried again every minute; until then there are no leases.
        """
        try:
            self._changes = nftables.Changes(self._changed.set)
            await self.ensure()
            await self.sweep(keep)
        except (NetworkError, OSError) as error:
            log.error("builds have no networks: %s", error)
        self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Watch no more and let go of all leases; the rules stay."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        if self._changes is not None:
            self._changes.close()
        for name in list(self._leases):
            await self.release(name)

    async def ensure(self) -> bool:
        """See to it that the rules are in place and right for the machine's present resolvers; whether they were not.

        Raises NetworkError when they cannot be.
        """
        try:
            async with self._lock:
                changed = await self._ensure(self._resolving())
        except (CommandError, OSError) as error:
            self._failure = f"The rules that shut networks in cannot be put in place: {error}"
            raise NetworkError(self._failure) from error
        self._failure = None
        return changed

    async def look(self) -> tuple[str, ...]:
        """Find out anew what keeps networks from the outside. Raises CommandError when others' rules cannot be read."""
        found = [each.message(pattern(self.name)) for each in obstacles(await nftables.ruleset(), self.name)]
        if self._forwarding.read_text().strip() == "0":
            found.append(
                "The kernel forwards no packets (net.ipv4.ip_forward is 0): builds cannot reach the Internet. "
                "Find out who switched it off (grep -r ip_forward /etc/sysctl.*), then: sysctl -w net.ipv4.ip_forward=1"
            )
        if "nameserver" not in self._resolving().conf(self._addresses.gateway):
            found.append("No name server in /etc/resolv.conf has an IPv4 address: builds cannot look names up. Add one")
        for problem in found:
            if problem not in self._obstacles:
                log.warning("%s", problem)
        self._obstacles = tuple(found)
        return self._obstacles

    @asynccontextmanager
    async def leased(self, name: str) -> AsyncIterator[Network]:
        """A network for as long as the block lasts. Raises NetworkError."""
        network = await self.lease(name)
        try:
            yield network
        finally:
            await asyncio.shield(self.release(name))

    async def lease(self, name: str) -> Network:
        """A new network, held under a name that nobody has now (letters, digits and `._-`). Raises NetworkError."""
        if not _NAME.fullmatch(name):
            raise NetworkError(f"{name!r} is no name for a network: use letters, digits and . _ -")
        if name in self._leases:
            raise NetworkError(f"{name} has a network already")
        await self.ensure()
        try:
            slot = self._addresses.take()
        except NoAddress as error:
            raise NetworkError(f"There is no network for {name}: {error}. Set a larger network_prefix") from error
        cable = self._cable(slot, name)
        making = asyncio.ensure_future(asyncio.to_thread(self._cables.create, cable))
        try:
            descriptor = await asyncio.shield(making)
        except asyncio.CancelledError:
            making.add_done_callback(lambda made: self._abandon(made, slot))
            raise
        except (OSError, CommandError) as error:
            self._addresses.give_back(slot)
            raise NetworkError(f"The network of {name} could not be made: {error}") from error
        path = namespaces.path(descriptor)
        network = Network(name, path, str(cable.address), cable.interface, self._resolv_conf)
        self._leases[name] = _Lease(slot, descriptor, network)
        return network

    async def release(self, name: str) -> None:
        """Take a network away, for its last processes too; fine when nobody has it."""
        lease = self._leases.pop(name, None)
        if lease is None:
            return
        os.close(lease.descriptor)
        try:
            await self._cables.remove([lease.network.interface])
        finally:
            self._addresses.give_back(lease.slot)

    async def sweep(self, keep: Collection[str] = ()) -> None:
        """Take away networks that nobody here holds, but for those held under names in `keep`. Raises NetworkError."""
        held = {lease.network.interface for lease in self._leases.values()}
        try:
            found = await self._cables.interfaces(self.name)
            await self._cables.remove([each for each, name in found.items() if each not in held and name not in keep])
        except CommandError as error:
            raise NetworkError(f"Left-over networks could not be taken away: {error}") from error
        for interface, name in found.items():
            if name in keep:
                self._addresses.keep(int(interface.rpartition("-")[2]))

    async def remove(self) -> None:
        """Take all networks and rules of this installation away, whoever holds them. Raises CommandError."""
        await self._cables.remove(list(await self._cables.interfaces(self.name)))
        await self._table.delete()

    def _cable(self, slot: int, name: str) -> Cable:
        return Cable(
            interface=f"{self.name}-{slot}",
            purpose=name,
            address=self._addresses.address(slot),
            gateway=self._addresses.gateway,
            to_loopback=self._resolving().loopback is not None,
        )

    def _abandon(self, made: "asyncio.Future[int]", slot: int) -> None:
        """Nobody waits any more for a network that is only now there."""
        self._addresses.give_back(slot)
        if not made.cancelled() and made.exception() is None:
            os.close(made.result())

    async def _ensure(self, asked: Resolvers) -> bool:
        rules = render(self.name, self._addresses.prefix, self._addresses.gateway, asked)
        known = self._rules is not None and self._rules[0] == rules
        if self._rules is None or not known:
            self._rules = (rules, await self._table.expected(rules))
        changed = await self._table.listing() != self._rules[1]
        if changed:
            if known:
                log.warning("somebody changed the rules of table inet %s: they are restored", self.name)
            await self._table.apply(rules)
        self._write_resolv_conf(asked)
        return changed

    def _write_resolv_conf(self, asked: Resolvers) -> None:
        text = asked.conf(self._addresses.gateway)
        if not self._resolv_conf.exists() or self._resolv_conf.read_text() != text:
            draft = self._resolv_conf.with_suffix(".new")
            draft.write_text(text)
            draft.chmod(0o644)
            draft.replace(self._resolv_conf)

    async def _watch(self) -> None:
        """Look after the rules whenever somebody changes rules, and after everything every minute."""
        loop = asyncio.get_running_loop()
        while True:
            await self._look_after(everything=True)
            minute, pause = loop.time() + CHECK_SECONDS, PAUSE_SECONDS
            while await self._changed_by(minute):
                restored = await self._look_after(everything=False)
                # Somebody who changes them again and again, perhaps another hostd of this name, is not outrun.
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS) if restored else PAUSE_SECONDS
                await asyncio.sleep(pause)

    async def _changed_by(self, deadline: float) -> bool:
        try:
            async with asyncio.timeout_at(deadline):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        return True

    async def _look_after(self, *, everything: bool) -> bool:
        try:
            restored = await self.ensure()
            if everything:
                await self.look()
        except (NetworkError, CommandError) as error:
            log.error("the rules of networks could not be looked after; it is tried again: %s", error)
            return True
        return restored
