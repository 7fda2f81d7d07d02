"""The worker of webhooks: makes events of what happened, and delivers them until they are taken or given up.

What is to be told is in the ledger, and nowhere else: a hostd that was killed goes on where it was. What was on its way
then is sent once more, so that everything is delivered at least once; a receiver knows it by the id of the delivery.
"""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from hostd.errors import HostdError
from hostd.ledger import Ledger
from hostd.ledger.database import utc_now
from hostd.ledger.happenings import Happening
from hostd.ledger.webhook_deliveries import Delivery
from hostd.ledger.webhooks import Webhook
from hostd.lookout import Lookout
from hostd.webhooks.payloads import Payloads
from hostd.webhooks.sending import Answered

log = logging.getLogger(__name__)

PAUSES = (5, 15, 60, 300, 900, 1800, 3600, 7200, 14400, 28800, 43200)
"""Seconds from a try that failed to the next, at the level sync; after the last there is one more. A day and a half."""
AT_ONCE = 16
"""Deliveries on their way at the same time; to one webhook it is one."""
_LOST_SECONDS = 90
"""After how long it is tried again if nobody has said how it went."""
_LOOK_SECONDS = 60.0
_MOVED = re.compile(r"State changed from ([a-z]+) to ([a-z]+)")
_DYNO = re.compile(r"[A-Za-z0-9_-]+\.\d+")


class Sends(Protocol):
    """What is needed of `hostd.webhooks.sending.Sender`."""

    async def send(self, webhook: Webhook, message: dict[str, object]) -> Answered:
        """POST a message to a webhook."""


class WebhookWorker:
    """Delivers what happened to apps, to their webhooks and those of the pipelines that they are in."""

    def __init__(
        self, *, ledger: Ledger, payloads: Payloads, sender: Sends, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._ledger = ledger
        self._payloads = payloads
        self._sender = sender
        self._clock = clock
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._lookout = Lookout("delivering webhooks", self.look, _LOOK_SECONDS)
        ledger.happenings.heard = self.nudge

    def start(self) -> None:
        """Begin; what an earlier hostd did not deliver is delivered."""
        self._ledger.webhook_deliveries.resume()
        self._lookout.start()

    async def close(self) -> None:
        """Stop; what is on its way is sent again by the next hostd."""
        await self._lookout.close()
        for task in self._sending.values():
            task.cancel()
        await asyncio.gather(*self._sending.values(), return_exceptions=True)

    def nudge(self) -> None:
        """Say that something happened, or that a webhook has changed."""
        self._lookout.nudge()

    def hear(self, app_id: str, process: str, text: str) -> None:
        """Hear a line of the platform: that a dyno has changed its state is in no table."""
        moved = _MOVED.fullmatch(text)
        if moved is None or not _DYNO.fullmatch(process) or not self._ledger.webhooks.wants(app_id, "api:dyno"):
            return
        action = "create" if moved[2] == "starting" and moved[1] in ("created", "down") else "update"
        before = {"state": moved[1], "now": moved[2]}
        try:
            self._ledger.happenings.note(app_id, "dyno", action, process, before)
        except HostdError as error:
            # A dyno goes on though a full disk keeps this from being told.
            log.warning("webhooks are not told of %s: %s", process, error)

    async def look(self) -> float:
        """Make events, begin what is due; returns in how many seconds to look again."""
        self._publish()
        waits = [_LOOK_SECONDS]
        for delivery in self._ledger.webhook_deliveries.next():
            if delivery.webhook_id in self._sending or delivery.next_at is None:
                continue
            wait = (delivery.next_at - self._clock()).total_seconds()
            # A clock that was put back must not make it wait for longer than it ever would.
            if 0 < wait <= max(PAUSES):
                waits.append(wait)
            elif len(self._sending) < AT_ONCE:
                self._begin(delivery)
        self._ledger.webhooks.remove_finished()
        return min(waits)

    def _publish(self) -> None:
        while happenings := self._ledger.happenings.list():
            for happening in happenings:
                with self._ledger.transaction():
                    self._publish_one(happening)
                    self._ledger.happenings.forget(happening)

    def _publish_one(self, happening: Happening) -> None:
        include = f"api:{happening.resource}"
        wanted = {
            subject: to
            for subject in happening.subjects
            if (to := [each for each in self._ledger.webhooks.list(subject) if include in each.include])
        }
        if not wanted:
            return
        try:
            payload = self._payloads.make(happening)
        except (HostdError, LookupError, ValueError) as error:
            # It would be tried for ever, and nothing behind it would be told.
            log.error("webhooks are not told of %s %s: %s", happening.resource, happening.key, error)
            return
        if payload is not None:
            for subject, to in wanted.items():
                self._ledger.webhook_deliveries.publish(subject, happening.app_id, include, payload, to)

    def _begin(self, delivery: Delivery) -> None:
        task = asyncio.create_task(self._deliver(delivery), name=f"delivering {delivery.id}")
        self._sending[delivery.webhook_id] = task

        def done(_: asyncio.Task[None]) -> None:
            self._sending.pop(delivery.webhook_id, None)
            self._lookout.nudge()

        task.add_done_callback(done)

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            webhook = self._ledger.webhooks.of_id(delivery.webhook_id)
            if webhook is None:
                return
            attempt = str(uuid.uuid4())
            lost = self._clock() + timedelta(seconds=_LOST_SECONDS)
            self._ledger.webhook_deliveries.trying(delivery, attempt, lost)
            answered = await self._sender.send(webhook, self._message(webhook, delivery, attempt))
            self._note(webhook, delivery, answered)
        except HostdError as error:
            # A ledger that cannot be written now, or a webhook that was removed meanwhile.
            log.warning("a webhook's delivery %s could not be finished: %s", delivery.id, error)
        except Exception:
            # Nobody waits for this task: what it does not log itself nobody would ever hear of.
            log.exception("a webhook's delivery could not be finished, which is tried again")

    def _message(self, webhook: Webhook, delivery: Delivery, attempt: str) -> dict[str, object]:
        event = self._ledger.webhook_deliveries.event(webhook.subject, delivery.event_id)
        return {
            **event.payload,
            "id": event.id,
            "webhook_metadata": {
                "attempt": {"id": attempt},
                "delivery": {"id": delivery.id},
                "event": {"id": event.id, "include": event.include},
                "webhook": {"id": webhook.id},
            },
        }

    def _note(self, webhook: Webhook, delivery: Delivery, answered: Answered) -> None:
        next_at = None
        if answered.error is not None and webhook.level == "sync" and delivery.tries < len(PAUSES):
            next_at = self._clock() + timedelta(seconds=PAUSES[delivery.tries])
        self._ledger.webhook_deliveries.tried(delivery, code=answered.code, error=answered.error, next_at=next_at)
