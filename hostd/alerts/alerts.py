"""Alerts as the API sees them: watched, sent, tested, and judged before they are set."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence

from hostd.alerts import messages, rules
from hostd.alerts.keeper import AlertKeeper, Past
from hostd.alerts.messages import Event
from hostd.alerts.notify.mail import Mailer
from hostd.alerts.notify.notifier import NotSent
from hostd.alerts.notify.programs import Programs
from hostd.alerts.notify.targets import Target, Way, parse
from hostd.alerts.outbox import Outbox, Tried
from hostd.alerts.rules import Rule
from hostd.alerts.states import State
from hostd.errors import Invalid, RateLimited
from hostd.ledger import Ledger
from hostd.ledger.alerts import Alert

TEST_PAUSE = 10.0
"""Seconds from one test of an alert to the next: what it sends, it sends to anybody."""


class Alerts:
    """All that there is to alerts, put together."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        keeper: AlertKeeper,
        outbox: Outbox,
        mailer: Mailer,
        programs: Programs,
        server: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._keeper = keeper
        self._outbox = outbox
        self._mailer = mailer
        self._programs = programs
        self._server = server
        self._clock = clock
        self._tested: dict[str, float] = {}

    def start(self) -> None:
        """Begin to watch, and to send."""
        self._programs.sweep()
        self._keeper.start()
        self._outbox.start()

    async def close(self) -> None:
        """Stop; what fires goes on firing."""
        await self._keeper.close()
        await self._outbox.close()

    def nudge(self) -> None:
        """Say that alerts have changed."""
        self._keeper.nudge()

    def state(self, alert: Alert) -> State:
        """How it stands with an alert."""
        return self._keeper.state(alert)

    async def past(self, rule: Rule, app_id: str | None) -> Past:
        """How often a rule would have fired within the last week."""
        return await self._keeper.past(rule, app_id)

    def pause(self, alert: Alert) -> None:
        """Let an alert count no more; what fires ends, and nobody is told."""
        self._keeper.pause(alert)

    def refuse_programs(self, targets: Sequence[Target]) -> None:
        """Raises Invalid if one of the targets is a program that cannot be run."""
        for target in targets:
            if target.way is Way.EXEC:
                try:
                    self._programs.checked(target.where)
                except NotSent as error:
                    raise Invalid(f"{target} cannot be run: {error.reason}.") from error

    def warning(self, targets: Sequence[Target]) -> str | None:
        """What is to be known of targets that cannot be reached as things are; None for nothing."""
        if any(target.way is Way.MAIL for target in targets) and (trouble := self._mailer.trouble):
            return f"No mail can be sent: {trouble}."
        return None

    async def test(self, alert: Alert) -> list[Tried]:
        """Send a test to all targets of an alert, once, and tell how that went. Raises RateLimited."""
        now = self._clock()
        self._tested = {known: at for known, at in self._tested.items() if now - at < TEST_PAUSE}
        if alert.id in self._tested:
            rest = TEST_PAUSE - (now - self._tested[alert.id])
            raise RateLimited(f"This alert was tested a moment ago. Try again in {rest:.0f} seconds.")
        self._tested[alert.id] = now
        app = None if alert.app_id is None else self._ledger.apps.get(alert.app_id).name
        rule = rules.parse(alert.condition, platform=alert.app_id is None)
        text = f"This is a test of alert {rule}, which is {self.state(alert).value}"
        message = messages.message(Event.TEST, text, rule=rule, alert=alert.number, app=app, server=self._server)
        return await self._outbox.test(alert, {"id": str(uuid.uuid4()), **message})


def shown_targets(alert: Alert) -> list[str]:
    """The targets of an alert as everybody may see them."""
    return [str(parse(text)) for text in alert.targets]
