import asyncio
import re

import pytest

from hostd import writers
from hostd.writers import Writers
from units.journal import JournalUnavailable

HELLO, OTHER = "hello-id", "other-id"


class Journald:
    """Sockets by namespace: what came, and which take nothing now."""

    def __init__(self):
        self.came = {}
        self.absent = set()
        self.open = set()

    def writer(self, name):
        journald = self

        class Socket:
            def send(self, message, **fields):
                if name in journald.absent:
                    raise JournalUnavailable(f"{name} is not there")
                journald.open.add(name)
                line = f"{fields['HOSTD_SOURCE']}[{fields['HOSTD_PROCESS']}]: {message}"
                journald.came.setdefault(name, []).append(line)

            def close(self):
                journald.open.discard(name)

        return Socket()


@pytest.fixture
def journald():
    return Journald()


@pytest.fixture
def made(journald, monkeypatch):
    monkeypatch.setattr(writers, "AGAIN_SECONDS", 0.001)
    monkeypatch.setattr(writers, "LONGEST_PAUSE", 0.01)
    return Writers(journald.writer, clock=lambda: 1_769_510_888.123456)


def send(made, app_id, message):
    made.send(message, HOSTD_APP=app_id, HOSTD_SOURCE="heroku", HOSTD_PROCESS="web.1")


async def arrived(journald, name, count):
    async with asyncio.timeout(5):
        while len(journald.came.get(name, [])) < count:
            await asyncio.sleep(0.001)
    return journald.came[name]


def test_each_app_has_its_own_journal(made, journald):
    send(made, HELLO, "mine")
    send(made, OTHER, "theirs")
    made.send("nobody's", HOSTD_SOURCE="heroku", HOSTD_PROCESS="api")
    assert journald.came == {
        "hostd-hello-id": ["heroku[web.1]: mine"],
        "hostd-other-id": ["heroku[web.1]: theirs"],
        "hostd": ["heroku[api]: nobody's"],
    }


async def test_lines_wait_in_order_for_a_journald_that_is_not_there(made, journald):
    journald.absent.add("hostd-hello-id")
    for number in range(10):
        send(made, HELLO, str(number))
    send(made, OTHER, "not held up")
    assert journald.came == {"hostd-other-id": ["heroku[web.1]: not held up"]}
    journald.absent.clear()
    send(made, HELLO, "10")
    assert await arrived(journald, "hostd-hello-id", 11) == [f"heroku[web.1]: {number}" for number in range(11)]
    assert made._waiting == {}


async def test_what_is_lost_is_counted_and_told_before_what_is_left(made, journald):
    journald.absent.add("hostd-hello-id")
    for number in range(writers.MOST_WAITING + 7):
        send(made, HELLO, str(number))
    journald.absent.clear()
    came = await arrived(journald, "hostd-hello-id", writers.MOST_WAITING + 1)
    assert came[0] == (
        "heroku[logplex]: Error L13 (Local delivery error) -> 7 messages could not be delivered since "
        "2026-01-27T10:48:08.123456+00:00."
    )
    assert came[1] == "heroku[web.1]: 7"
    assert len(came) == writers.MOST_WAITING + 1


async def test_long_lines_do_not_fill_the_memory(made, journald):
    journald.absent.add("hostd-hello-id")
    for _ in range(20):
        send(made, HELLO, "x" * 1_000_000)
    assert made._waiting[HELLO].size <= writers.MOST_BYTES
    journald.absent.clear()
    came = await arrived(journald, "hostd-hello-id", 2)
    assert re.search(r"-> 16 messages", came[0])
    made.close()


async def test_what_waits_for_a_destroyed_app_goes_with_it(made, journald):
    journald.absent.add("hostd-hello-id")
    send(made, HELLO, "one")
    made.forget(HELLO)
    assert made._waiting == {}
    made.forget("never-seen")


def test_only_so_many_sockets_stay_open(made, journald):
    for number in range(writers.MOST_OPEN + 50):
        send(made, f"app-{number}", "x")
    assert len(journald.open) == writers.MOST_OPEN
    assert "hostd-app-0" not in journald.open


async def test_the_end_is_a_last_try(made, journald, caplog):
    journald.absent |= {"hostd-hello-id", "hostd-other-id"}
    send(made, HELLO, "one")
    send(made, OTHER, "two")
    journald.absent.discard("hostd-other-id")
    made.close()
    assert journald.came == {"hostd-other-id": ["heroku[web.1]: two"]}
    assert "1 lines for the journal hostd-hello-id were lost" in caplog.text
    assert journald.open == set()


async def test_a_journald_that_takes_a_few_lines_at_once_is_tried_soon(journald, monkeypatch):
    """As where net.unix.max_dgram_qlen is 10: a queue that is full is no journald that is not there."""
    monkeypatch.setattr(writers, "AGAIN_SECONDS", 0.001)
    took = []

    class Slow:
        def send(self, message, **fields):
            if len(took) % 10 == 9 and took[-1] != message:
                took.append(message)
                raise JournalUnavailable("its queue is full")
            took.append(message)

        def close(self):
            pass

    made = Writers(lambda name: Slow())
    for number in range(300):
        send(made, HELLO, f"line {number}")
    # With a pause that doubles each time, up to five seconds, this would take minutes.
    async with asyncio.timeout(5):
        while made._waiting:
            await asyncio.sleep(0.001)
    made.close()
