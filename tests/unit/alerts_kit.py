"""What the tests of alerts share: figures that the test gives, a clock that it moves, receivers that note all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from hostd.alerts.alerts import Alerts
from hostd.alerts.evaluating import MINUTE
from hostd.alerts.keeper import SETTLED, AlertKeeper
from hostd.alerts.notify.mail import Mailer
from hostd.alerts.notify.notifier import NotSent
from hostd.alerts.notify.programs import Programs
from hostd.alerts.outbox import Outbox
from hostd.alerts.readings import Readings
from hostd.alerts.ring import Ring
from hostd.events import Events
from hostd.ledger import Ledger
from tests.unit.daemon_fakes import FakeWriter
from tests.unit.ledger_kit import with_ledger

START = 1_769_510_880
"""The beginning of a minute."""


class FakeStore:
    """Has the figures that it is given, and was watched in every minute but those in `missed`."""

    def __init__(self) -> None:
        self.series: dict[str, dict[int, float]] = {}
        self.of_types: dict[tuple[str, str], dict[int, float]] = {}
        self.missed: set[int] = set()

    def minutes(self, app_id, metric, since, until, process=None):
        known = self.of_types.get((process, metric), {}) if process else self.series.get(metric, {})
        counted = metric == "restarts" or metric[0].isupper()
        watched = (minute for minute in range(since, until, MINUTE) if minute not in self.missed)
        found = dict.fromkeys(watched, 0.0) if counted else {}
        return found | {minute: value for minute, value in known.items() if since <= minute < until}


class FakeNotifier:
    """Takes what is sent, unless it is told to fail."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict]] = []
        self.failing: dict[str, NotSent] = {}
        self.held: dict[str, asyncio.Event] = {}

    async def send(self, target, message):
        if gate := self.held.get(str(target)):
            await gate.wait()
        if error := self.failing.get(str(target)):
            raise error
        self.sent.append((str(target), dict(message)))

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(target, message["event"]) for target, message in self.sent]


def alerts_of(ledger: Ledger, events: Events, directory: Path) -> tuple[Alerts, FakeStore, FakeNotifier]:
    """Alerts as the API has them, of figures that the test gives, told to receivers that note all."""
    store, notifier, disk = FakeStore(), FakeNotifier(), Ring(directory / "alerts/disk")
    outbox = Outbox(ledger=ledger, events=events, notifier=notifier)
    readings = Readings(store, disk, lambda _: [])
    keeper = AlertKeeper(
        ledger=ledger, outbox=outbox, readings=readings, disk=disk, full=lambda: 10.0, server="example.com"
    )

    async def run(argv, content):
        raise AssertionError("no program is run here")

    mailer = Mailer(None, "hostd@example.com", run, directory / "sendmail")
    programs = Programs(directory / "alerts.d", None)
    made = Alerts(
        ledger=ledger, keeper=keeper, outbox=outbox, mailer=mailer, programs=programs, server="example.com"
    )
    return made, store, notifier


class Scene:
    """A keeper with what it needs; `again` is the next hostd after this one was killed."""

    def __init__(self, directory: Path) -> None:
        self.now = float(START)
        self.ledger = Ledger.open(with_ledger(directory), clock=self.clock)
        self.writer, self.store, self.notifier = FakeWriter(), FakeStore(), FakeNotifier()
        self.disk, self.full, self.terms = Ring(directory / "alerts/disk"), 10.0, {}
        self.owner = self.ledger.users.add("you@example.com", admin=True)
        self.app = self.ledger.apps.create("hello", self.owner.id)
        self.again()

    def clock(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)

    def again(self) -> None:
        self.outbox = Outbox(
            ledger=self.ledger, events=Events(self.writer), notifier=self.notifier, clock=self.clock
        )  # fmt: skip
        self.keeper = AlertKeeper(
            ledger=self.ledger,
            outbox=self.outbox,
            readings=Readings(self.store, self.disk, lambda app_id: self.terms.get(app_id, [])),
            disk=self.disk,
            full=lambda: self.full,
            server="example.com",
            clock=self.clock,
        )

    def add(self, condition: str, *targets: str, platform: bool = False):
        return self.ledger.alerts.add(
            None if platform else self.app.id, condition=condition, targets=targets, most=50
        )  # fmt: skip

    def put(self, metric: str, *values: float | None, process: str | None = None) -> None:
        """Values of the minutes from the start on."""
        series = self.store.of_types.setdefault((process, metric), {}) if process else self.store.series.setdefault(
            metric, {}
        )  # fmt: skip
        series.update({START + MINUTE * place: value for place, value in enumerate(values) if value is not None})

    async def look_at(self, minute: int) -> None:
        """Look when that minute is over and its figures are there."""
        self.now = START + (minute + 1) * MINUTE + SETTLED
        await self.keeper.look()

    @property
    def log(self) -> list[str]:
        return [line.removeprefix("heroku[alerts]: ") for line in self.writer.lines]

    def firings(self, alert) -> list[tuple[int, int | None]]:
        """From which to which minute, oldest first."""
        return [
            (minute_of(each.began_at), None if each.over_at is None else minute_of(each.over_at))
            for each in self.ledger.alert_firings.list(alert.id)[::-1]
        ]


def minute_of(moment: datetime) -> int:
    return (int(moment.timestamp()) - START) // MINUTE


@contextmanager
def scene(directory: Path) -> Iterator[Scene]:
    made = Scene(directory)
    try:
        yield made
    finally:
        made.ledger.close()
