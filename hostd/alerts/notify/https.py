"""By https: the message as JSON in a POST. Without redirects, and not to addresses that only hostd can reach."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Collection, Sequence
from ipaddress import IPv4Network, IPv6Network

from hostd.alerts.notify.notifier import Message, NotSent
from hostd.judged_session import Unanswered, judged_session
from hostd.reach import Address, is_own, is_public

SECONDS = 15.0
"""For everything: names, connection and answer."""
_PASSING = (408, 425, 429)
"""Statuses from 400 to 499 that say nothing of what was sent."""

Network = IPv4Network | IPv6Network


class Poster:
    """Sends to servers. `router_ports` are those of this server that anybody may reach, `internal` the networks that
    are not the Internet's and may be reached nevertheless."""

    def __init__(
        self,
        router_ports: Collection[int],
        internal: Sequence[Network] = (),
        *,
        seconds: float = SECONDS,
        own: Callable[[Address], bool] = is_own,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._router_ports = frozenset(router_ports)
        self._internal = tuple(internal)
        self._seconds = seconds
        self._own = own
        self._trust = trust

    async def send(self, where: str, message: Message) -> None:
        """POST the message there; any status from 200 to 299 will do. Raises NotSent."""
        try:
            async with (
                judged_session(self.judge, seconds=self._seconds, trust=self._trust) as session,
                session.post(where, json=dict(message), allow_redirects=False) as answer,
            ):
                status = answer.status
        except Unanswered as error:
            raise NotSent(str(error)) from error
        if 300 <= status < 400:
            raise NotSent(f"its server answers with status {status}, and redirects are not followed", final=True)
        if not 200 <= status < 300:
            final = 400 <= status < 500 and status not in _PASSING
            raise NotSent(f"its server answers with status {status}", final=final)

    def judge(self, address: Address, port: int) -> str | None:
        """Why no connection may be made there; None if it may."""
        if any(address in network for network in self._internal):
            return None
        if self._own(address):
            return None if port in self._router_ports else "it is on this server, at a port that is not the router's"
        return None if is_public(address) else "it is at an internal address (see alert_networks)"
