"""Who waits for an app's dynos: those who restart several web dynos, one after the other."""

import asyncio

import pytest
from manager_fakes import APP_ID, SECONDS, FakeRouting

from hostd.errors import Conflict
from hostd.manager.dyno import DynoId, DynoState, Place
from hostd.manager.planner import Phase, Why
from hostd.manager.record import Record
from hostd.manager.standing import Standing


def web(number, phase=Phase.UP, reason=""):
    dyno = DynoId("hello", "web", number, 2, Place(f"10.83.0.{number}", 20000))
    return Record(dyno, APP_ID, "python app.py", "eco", DynoState.UP, 0.0, phase, reason=reason)


def standing(*records):
    """An app whose dynos all serve that are up; and its dynos, which change under it."""
    here = {record.id.unit: record for record in records}
    made = Standing(APP_ID, FakeRouting(), here, lambda: 9.0)
    made.served = frozenset(record.id.unit for record in records if record.phase is Phase.UP)
    return made, here


def test_of_several_that_serve_the_chosen_take_turns():
    one, two, three = web(1), web(2), web(3)
    assert standing(one, two, three)[0].take_turns([one, three]) == [one, three]
    assert (one.due, two.due, three.due) == (Why.RESTARTED, None, Why.RESTARTED)


@pytest.mark.parametrize("others", [(), (web(2, Phase.STARTING),), (web(2), web(3, Phase.CRASHED))])
def test_the_only_one_and_those_of_an_app_that_is_not_well_take_none(others):
    one = web(1)
    assert standing(one, *others)[0].take_turns([one, *others]) == []
    assert one.due is None


async def test_turns_are_over_when_all_have_ended():
    one, two = web(1), web(2)
    made, here = standing(one, two)
    over = asyncio.create_task(made.turns_over([one, two]))
    for ended in (one, two):
        await asyncio.sleep(0)
        assert not over.done()
        here[ended.id.unit] = web(ended.id.number, Phase.STARTING)
        await made.tell()
    async with asyncio.timeout(SECONDS):
        await over


async def test_one_that_does_not_come_up_ends_them_and_the_others_go_on():
    one, two, three = web(1), web(2), web(3)
    made, here = standing(one, two, three)
    turns = made.take_turns([one, two, three])
    here[one.id.unit] = web(1, Phase.CRASHED, "exit status 1")
    with pytest.raises(Conflict, match=r"web\.1 did not come up \(exit status 1\)\. Not restarted: web\.2, web\.3\."):
        await made.turns_over(turns)
    assert (two.due, three.due) == (None, None)
