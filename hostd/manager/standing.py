"""How an app stands: what the router has been told of it, and who waits to hear of its dynos."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from hostd.errors import Conflict
from hostd.manager.desired import DesiredApp
from hostd.manager.planner import Phase, Why
from hostd.manager.record import Record
from hostd.manager.routes import route, serving
from hostd.manager.routing import Routing
from hostd.manager.settling import PROVEN_SECONDS, Missing, Settled, judge, missing

Answer = TypeVar("Answer")
Wanted = Callable[[], DesiredApp | None]


class Standing:
    """One app's entry in the route table; *records* are its dynos by their units, and change under us."""

    def __init__(
        self, app_id: str, routing: Routing, records: Mapping[str, Record], clock: Callable[[], float]
    ) -> None:
        self._app_id = app_id
        self._routing = routing
        self._records = records
        self._clock = clock
        self._changed = asyncio.Condition()
        self._publishing = 0
        self.served: frozenset[str] = frozenset()
        """The units that the router sends requests to."""

    def set_route(self, desired: DesiredApp | None) -> bool:
        """Compute the app's route from what is known now; True if it differs from the last one."""
        if desired is None:
            return self._routing.set(self._app_id, None)
        observed = [record.observed() for record in self._records.values()]
        places = {record.id.unit: record.id.place for record in self._records.values()}
        return self._routing.set(self._app_id, route(desired, observed, places))

    async def publish(self, desired: DesiredApp | None) -> None:
        """Make the router use the app's route as it is now, then tell those who wait."""
        self.set_route(desired)
        observed = [record.observed() for record in self._records.values()]
        chosen = serving(desired, observed) if desired else []
        self._publishing += 1
        number = self._publishing
        await self._routing.publish()
        if number == self._publishing:
            self.served = frozenset(dyno.unit for dyno in chosen)
        await self.tell()

    def take_turns(self, records: Sequence[Record]) -> list[Record]:
        """Have those of *records* that serve replaced one after the other, if several do and all is well.

        Returns them.
        """
        serving = [record for unit, record in self._records.items() if unit in self.served]
        if len(serving) < 2 or self._crashed():
            return []
        turns = [record for record in records if record in serving]
        for record in turns:
            record.due = Why.RESTARTED
        return turns

    async def turns_over(self, turns: Sequence[Record]) -> None:
        """Wait until these dynos have ended. Raises Conflict when a web dyno crashes: those that are left go on."""

        def left_over(_served: object) -> list[Record] | None:
            left = [record for record in turns if record in self._records.values()]
            return left if self._crashed() or not left else None

        if left := await self.until(left_over):
            for record in left:
                record.due = None
            (crashed, *_), names = self._crashed(), ", ".join(record.id.name for record in left)
            raise Conflict(f"{crashed.id.name} did not come up ({crashed.reason}). Not restarted: {names}.")

    def _crashed(self) -> list[Record]:
        return [r for r in self._records.values() if r.id.type == "web" and r.phase is Phase.CRASHED]

    async def tell(self) -> None:
        """Say that something about a dyno has changed."""
        async with self._changed:
            self._changed.notify_all()

    async def settled(self, wanted: Wanted, version: int, seconds: float) -> Settled:
        """Wait until it is known what became of release *version*, or *seconds* have passed."""
        try:
            async with asyncio.timeout(seconds):
                return await self.until(lambda served: judge(wanted(), version, list(self._records.values()), served))
        except TimeoutError:
            return Settled(ok=False, timed_out=True)

    async def missing(self, wanted: Wanted, type_: str | None, seconds: float) -> list[Missing]:
        """Wait until the dynos of a type, or all, are up; those that are not after *seconds*."""
        found: list[Missing] = []

        def none_left(served: Collection[str]) -> bool | None:
            found[:] = missing(wanted(), list(self._records.values()), served, type_, self._clock())
            return not found or None

        as_time_passes = asyncio.create_task(self._tell_again())
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self.until(none_left)
        finally:
            as_time_passes.cancel()
        return found

    async def _tell_again(self) -> None:
        while True:
            await asyncio.sleep(PROVEN_SECONDS / 4)
            await self.tell()

    async def until(self, answer: Callable[[Collection[str]], Answer | None]) -> Answer:
        """Ask *answer*, which is given the units that are served, whenever something changes, until it has one."""
        async with self._changed:
            while (found := answer(self.served)) is None:
                await self._changed.wait()
            return found
