"""What became of a release: a pure function of what is wanted and of the dynos there are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from hostd.manager.desired import DesiredApp
from hostd.manager.dyno import Dyno, DynoState
from hostd.manager.planner import Phase
from hostd.manager.record import Record

PROVEN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a release: ``ok`` when every wanted dyno runs and the web ones take traffic."""

    ok: bool
    crashed: tuple[Dyno, ...] = ()
    serving: int | None = None
    """The release whose web dynos take the app's traffic, if any do."""
    timed_out: bool = False
    superseded: bool = False


def judge(
    desired: DesiredApp | None, version: int, records: Sequence[Record], served: Collection[str]
) -> Settled | None:
    """Return what became of release *version*; None as long as that is open.

    It is open until each of its dynos runs or has crashed, and the router has been told if its web dynos
    all run. *served* are the units that the router sends requests to. A dyno that crashed counts as
    crashed even if it has been started again since.
    """
    if desired is None or desired.version > version:
        return Settled(ok=False, superseded=True)
    if desired.version < version:
        return None
    wanted = desired.slots
    ours = [record for record in records if record.id.version == version and _slot(record) in wanted]
    crashed = [record for record in ours if record.crashes]
    running = [record for record in ours if record.phase is Phase.UP and not record.crashes]
    if len(crashed) + len(running) < len(wanted):
        return None
    web_crashed = any(record.id.type == "web" for record in crashed)
    if not web_crashed and any(record.id.type == "web" and record.id.unit not in served for record in running):
        return None
    return Settled(
        ok=not crashed,
        crashed=tuple(record.view() for record in crashed),
        serving=max((record.id.version for record in records if record.id.unit in served), default=None),
    )


@dataclass(frozen=True, slots=True)
class Missing:
    """A dyno that is wanted and not up; `state` is `created` for one that is not there yet."""

    name: str
    state: str
    reason: str


def missing(
    desired: DesiredApp | None, records: Sequence[Record], served: Collection[str], type_: str | None, now: float
) -> list[Missing]:
    """The wanted dynos, of one type or of all, that are not up, or are web dynos without the app's traffic.

    What has no port to listen on must have been up for `PROVEN_SECONDS`: its program may have ended at once.
    Those of an app that sleeps are as they should be.
    """
    if desired is None:
        return []
    ours = {_slot(record): record for record in records if record.id.version == desired.version}
    found = []
    for slot in desired.slots:
        process, record = desired.process(slot[0]), ours.get(slot)
        if process is None or type_ not in (None, process.type):
            continue
        if record is None:
            found.append(Missing(f"{slot[0]}.{slot[1]}", DynoState.CREATED.value, ""))
        elif record.phase is not Phase.UP or (process.type == "web" and record.id.unit not in served):
            reason = record.reason if record.state is DynoState.CRASHED else ""
            found.append(Missing(record.id.name, record.state.value, reason))
        elif process.type != "web" and now - record.since < PROVEN_SECONDS:
            found.append(Missing(record.id.name, record.state.value, f"for less than {PROVEN_SECONDS:g} seconds"))
        elif record.size != process.size:
            found.append(Missing(record.id.name, record.state.value, "still with its old size"))
    return found


def _slot(record: Record) -> tuple[str, int]:
    return record.id.type, record.id.number
