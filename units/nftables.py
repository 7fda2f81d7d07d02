"""One table of packet filter rules: put in place, looked at, taken away; and being told when rules change.

By nft(8), because it takes a whole table in one step and says in words what it refuses; a kernel that lacks an
expression is one of those words.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from pyroute2.netlink import NETLINK_NETFILTER
from pyroute2.netlink.nfnetlink import NFNLGRP_NFTABLES

from units.namespaces import elsewhere
from units.netlink import Messages
from units.run import CommandFailed, arun, run

_SECONDS = 30.0


class Table:
    """The table `inet <name>`. All methods raise CommandError when nft cannot do it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._list = ["nft", "-s", "-t", "list", "table", "inet", name]

    async def apply(self, rules: str) -> None:
        """Put rules in place, all of them or none."""
        await arun(["nft", "-f", "-"], input=rules.encode(), timeout=_SECONDS)

    async def listing(self) -> bytes | None:
        """The table as the kernel has it, without counters and what sets collect; None when there is none."""
        try:
            done = await arun(self._list, timeout=_SECONDS)
        except CommandFailed:
            return None
        return done.stdout

    async def expected(self, rules: str) -> bytes:
        """What `listing` is once these rules are in place and nobody has touched them.

        Found out in a namespace where nobody else is, and where a kernel that cannot take them does no harm.
        """
        return await asyncio.to_thread(elsewhere, lambda: self._tried(rules))

    def _tried(self, rules: str) -> bytes:
        run(["nft", "-f", "-"], input=rules.encode(), timeout=_SECONDS)
        return run(self._list, timeout=_SECONDS).stdout

    async def delete(self) -> None:
        """Take the table away; fine when there is none."""
        await self.apply(f"add table inet {self.name}\ndelete table inet {self.name}\n")


async def ruleset() -> dict[str, Any]:
    """Everybody's rules, as nft's JSON, without what is in sets."""
    done = await arun(["nft", "-j", "-t", "list", "ruleset"], timeout=_SECONDS)
    listed: dict[str, Any] = json.loads(done.stdout)
    return listed


class Changes(Messages):
    """Calls `changed` whenever somebody, ourselves too, changed rules; needs CAP_NET_ADMIN.

    The kernel's messages are not read for what they say: the rules themselves tell more.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        super().__init__(NETLINK_NETFILTER, NFNLGRP_NFTABLES, lambda _: changed())
