"""The way to a receiver: a signed POST, without redirects, and not to addresses that only hostd can reach."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from yarl import URL

from hostd.judged_session import Unanswered, judged_session
from hostd.ledger.webhooks import Webhook
from hostd.reach import Address, is_own, is_public

SECONDS = 20.0
"""For everything: names, connection and answer."""
SIGNATURE = "Heroku-Webhook-Hmac-SHA256"

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a try: the status, if there was an answer, and why it does not count, if it does not."""

    code: int | None
    error: str | None


class Sender:
    """Sends to receivers. `router_ports` are those of this server that anybody may reach, `internal` the networks that
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

    async def send(self, webhook: Webhook, message: Mapping[str, Any]) -> Answered:
        """POST a message to a webhook; any status from 200 to 299 is good."""
        body = json.dumps(message).encode()
        headers = {"Content-Type": "application/json", SIGNATURE: signature(webhook.secret, body)}
        url = URL(webhook.url)
        if webhook.authorization:
            headers["Authorization"] = webhook.authorization
            # Both would be two answers to one question.
            url = url.with_user(None)
        try:
            async with (
                judged_session(self.judge, seconds=self._seconds, trust=self._trust) as session,
                session.post(url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                status = answer.status
        except Unanswered as error:
            return Answered(None, str(error))
        if 300 <= status < 400:
            return Answered(status, f"its server answers with status {status}, and redirects are not followed")
        return Answered(status, None if 200 <= status < 300 else f"its server answers with status {status}")

    def judge(self, address: Address, port: int) -> str | None:
        """Why no connection may be made there; None if it may."""
        if any(address in network for network in self._internal):
            return None
        if self._own(address):
            return None if port in self._router_ports else "it is on this server, at a port that is not the router's"
        return None if is_public(address) else "it is at an internal address (see webhook_networks)"


def signature(secret: str, body: bytes) -> str:
    """What the receiver checks: the HMAC-SHA256 of the body with the webhook's secret, in Base64 (Heroku's way)."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
