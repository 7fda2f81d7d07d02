"""Ends that wait for the journal: in order, together, and never in the way of anything else."""

from __future__ import annotations

import asyncio

import pytest

from hostd import ends
from hostd.events import Events, Subject
from units.journal import JournalUnavailable

HELLO, OTHER = Subject("hello"), Subject("other")


class FakeWriter:
    """Keeps the lines, in order."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def send(self, message: str, **fields: str) -> None:
        self.said.append(f"{fields['HOSTD_APP']} {fields['HOSTD_SOURCE']}[{fields['HOSTD_PROCESS']}]: {message}")


class FakeJournal:
    """Answers when it is let; `asked` are the apps whose journal was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, asyncio.Event] = {}
        self.error: JournalUnavailable | None = None

    async def synchronize(self, app_id: str) -> None:
        self.asked.append(app_id)
        answer = self.answers.get(app_id)
        if answer is not None:
            await answer.wait()
            answer.clear()
        if self.error is not None:
            raise self.error


@pytest.fixture
def writer() -> FakeWriter:
    return FakeWriter()


@pytest.fixture
def journal() -> FakeJournal:
    return FakeJournal()


@pytest.fixture
def events(writer: FakeWriter, journal: FakeJournal) -> Events:
    return Events(writer, journal.synchronize)


async def steps() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_an_end_and_what_follows_of_its_process_wait_for_the_journal(
    events: Events, writer: FakeWriter, journal: FakeJournal
) -> None:
    journal.answers["hello"] = asyncio.Event()
    events.ended(HELLO, "web.1", "Process exited with status 1")
    events.platform(HELLO, "web.1", "State changed from up to crashed")
    events.platform(HELLO, "web.2", "State changed from starting to up")
    events.platform(OTHER, "web.1", "State changed from starting to up")
    await steps()
    assert writer.said == [
        "hello heroku[web.2]: State changed from starting to up",
        "other heroku[web.1]: State changed from starting to up",
    ]
    journal.answers["hello"].set()
    await steps()
    assert writer.said[2:] == [
        "hello heroku[web.1]: Process exited with status 1",
        "hello heroku[web.1]: State changed from up to crashed",
    ]
    events.platform(HELLO, "web.1", "Starting process")
    assert writer.said[4:] == ["hello heroku[web.1]: Starting process"]


async def test_many_ends_at_once_ask_the_journal_twice(
    events: Events, writer: FakeWriter, journal: FakeJournal
) -> None:
    journal.answers["hello"] = asyncio.Event()
    events.ended(HELLO, "web.0", "ended")
    await steps()
    for number in range(1, 100):
        events.ended(HELLO, f"web.{number}", "ended")
    await steps()
    assert writer.said == []
    journal.answers["hello"].set()
    await steps()
    assert writer.said == ["hello heroku[web.0]: ended"]
    journal.answers["hello"].set()
    await steps()
    assert writer.said == [f"hello heroku[web.{number}]: ended" for number in range(100)]
    assert journal.asked == ["hello", "hello"]


async def test_a_dyno_that_ends_twice_is_told_in_order(
    events: Events, writer: FakeWriter, journal: FakeJournal
) -> None:
    journal.answers["hello"] = asyncio.Event()
    events.ended(HELLO, "web.1", "first")
    await steps()
    events.platform(HELLO, "web.1", "starts anew")
    events.ended(HELLO, "web.1", "second")
    events.platform(HELLO, "web.1", "starts once more")
    for _ in range(2):
        journal.answers["hello"].set()
        await steps()
    assert [line.partition(": ")[2] for line in writer.said] == ["first", "starts anew", "second", "starts once more"]


async def test_a_journal_that_does_not_answer_delays_no_other_app(
    events: Events, writer: FakeWriter, journal: FakeJournal
) -> None:
    journal.answers["hello"] = asyncio.Event()
    events.ended(HELLO, "web.1", "late")
    events.ended(OTHER, "web.1", "at once")
    await steps()
    assert writer.said == ["other heroku[web.1]: at once"]
    journal.error = JournalUnavailable("no answer within 15 s")
    journal.answers["hello"].set()
    await steps()
    assert writer.said[1:] == ["hello heroku[web.1]: late"]


async def test_what_waits_is_said_before_hostd_ends(
    events: Events, writer: FakeWriter, journal: FakeJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ends, "LEAVING_SECONDS", 0.01)
    journal.answers["hello"] = asyncio.Event()
    events.ended(HELLO, "web.1", "one")
    await steps()
    events.ended(HELLO, "web.2", "two")
    await events.close()
    assert writer.said == ["hello heroku[web.1]: one", "hello heroku[web.2]: two"]
