"""The rules of network namespaces, kept in place: put there, looked at, restored when somebody changes them."""

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path

from units import nftables
from units.addresses import Addresses
from units.resolvers import Resolvers
from units.ruleset import Door, obstacles, pattern, render
from units.run import CommandError

log = logging.getLogger(__name__)

FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
CHECK_SECONDS = 60.0
PAUSE_SECONDS = 0.1
"""Between two looks at the rules, on a machine where somebody changes rules all the time."""
LONGEST_PAUSE_SECONDS = 5.0


class RulesError(Exception):
    """The rules cannot be put in place; no network may be without them."""


class Rules:
    """The table of rules of one installation, and the resolv.conf that goes with it."""

    def __init__(
        self,
        *,
        table: nftables.Table,
        addresses: Addresses,
        door: Door | None,
        resolv_conf: Path,
        resolving: Callable[[], Resolvers],
        forwarding: Path = FORWARDING,
    ) -> None:
        self.resolv_conf = resolv_conf
        self.problems: tuple[str, ...] = ()
        """Why there are no rules, or what keeps networks from the outside and is not ours to change; as sentences."""
        self._table = table
        self._addresses = addresses
        self._door = door
        self._resolving = resolving
        self._forwarding = forwarding
        self._lock = asyncio.Lock()
        self._known: tuple[Resolvers, str, bytes] | None = None
        self._failure: str | None = None
        self._obstacles: tuple[str, ...] = ()
        self._changes: nftables.Changes | None = None
        self._touched = True
        self._changed = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look after the rules from now on. Raises OSError."""
        self._changes = nftables.Changes(self._note)
        self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Look after them no more; they stay."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        if self._changes is not None:
            self._changes.close()

    @property
    def resolvers(self) -> Resolvers:
        """Whom networks ask for names now."""
        return self._resolving()

    async def ensure(self) -> bool:
        """See to it that the rules are in place and right for the machine's present resolvers; whether they were not.

        Raises RulesError when they cannot be.
        """
        try:
            async with self._lock:
                changed = await self._ensure(self._resolving())
        except (CommandError, OSError) as error:
            self._tell(f"The rules that shut networks in cannot be put in place: {error}", self._obstacles)
            raise RulesError(self._failure) from error
        self._tell(None, self._obstacles)
        return changed

    async def ensure_unless_known(self) -> None:
        """The same; takes no time when nobody has changed any rule or resolver since the last look."""
        if self._changes is not None:
            self._changes.read()
        if self._changes is None or self._touched or self._known is None or self._known[0] != self._resolving():
            await self.ensure()

    async def look(self) -> tuple[str, ...]:
        """Find out anew what keeps networks from the outside. Raises CommandError when others' rules cannot be read."""
        name = self._table.name
        found = [each.message(pattern(name)) for each in obstacles(await nftables.ruleset(), name)]
        if self._forwarding.read_text().strip() == "0":
            found.append(
                "The kernel forwards no packets (net.ipv4.ip_forward is 0): apps and builds cannot reach the Internet. "
                "Find out who switched it off (grep -r ip_forward /etc/sysctl.*), then: sysctl -w net.ipv4.ip_forward=1"
            )
        if "nameserver" not in self._resolving().conf(self._addresses.gateway):
            found.append(
                "No name server in /etc/resolv.conf has an IPv4 address: apps and builds cannot look names up. Add one"
            )
        for problem in found:
            if problem not in self._obstacles:
                log.warning("%s", problem)
        self._tell(self._failure, tuple(found))
        return self._obstacles

    def _tell(self, failure: str | None, found: tuple[str, ...]) -> None:
        self._failure, self._obstacles = failure, found
        self.problems = (failure, *found) if failure else found

    async def _ensure(self, asked: Resolvers) -> bool:
        if self._known is None or self._known[0] != asked:
            rules = render(self._table.name, self._addresses, asked, self._door)
            self._known, before = (asked, rules, await self._table.expected(rules)), self._known
        else:
            before = self._known
        _, rules, expected = self._known
        self._touched = False
        changed = await self._table.listing() != expected
        if changed:
            if before == self._known:
                log.warning("somebody changed the rules of table inet %s: they are restored", self._table.name)
            await self._table.apply(rules)
        self._write_resolv_conf(asked)
        return changed

    def _write_resolv_conf(self, asked: Resolvers) -> None:
        """In place: dynos that run have this very file as theirs, and shall see the change."""
        text = asked.conf(self._addresses.gateway).encode()
        if not self.resolv_conf.exists() or self.resolv_conf.read_bytes() != text:
            descriptor = os.open(self.resolv_conf, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644)
            try:
                os.fchmod(descriptor, 0o644)
                os.pwrite(descriptor, text, 0)
                os.ftruncate(descriptor, len(text))
            finally:
                os.close(descriptor)

    def _note(self) -> None:
        self._touched = True
        self._changed.set()

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
        except (RulesError, CommandError) as error:
            log.error("the rules of networks could not be looked after; it is tried again: %s", error)
            return True
        return restored
