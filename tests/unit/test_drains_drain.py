"""One drain: its states, its account, what it says, and that it goes on after everything."""

import asyncio

import pytest
from drains_kit import FakeSender, item, numbers
from logplex_fakes import START, cursor

from hostd.logplex.drains.backoff import Backoff
from hostd.logplex.drains.buffer import Buffer
from hostd.logplex.drains.drain import Drain, State, after
from hostd.logplex.drains.failures import Undelivered
from hostd.logplex.drains.places import SIZE, Place, Places


class Quick(Backoff):
    """Notes the pauses it is asked for, and takes none."""

    def __init__(self):
        super().__init__(lambda: 1.0)
        self.asked = []

    def pause(self, asked=None):
        self.asked.append(super().pause(asked))
        return 0.0


class Rig:
    def __init__(self, *script, place=None):
        self.place = place or Place(begin=START)
        self.buffer = Buffer(self.place.cursor, self.place.lost, self.place.since)
        self.sender, self.backoff = FakeSender(*script), Quick()
        self.told, self.saved = [], []
        self.now = 1000.0
        self.drain = Drain(
            token="d.1", buffer=self.buffer, sender=self.sender, place=self.place, tell=self.tell,
            save=self.saved.append, backoff=self.backoff, clock=lambda: self.now, linger=0,
        )  # fmt: skip

    async def tell(self, text):
        self.told.append(text)

    async def delivers(self, count):
        """Run until so many frames were taken."""
        running = asyncio.create_task(self.drain.run())
        async with asyncio.timeout(10):
            while len(self.sender.taken) < count and not running.done():
                await asyncio.sleep(0)
        await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(
    ("state", "following"),
    [
        (State.CLOSED, State.CONNECTED),
        (State.CLOSED, State.CLOSED),
        (State.CONNECTED, State.IDLE),
        (State.RETRYING, State.IDLE),
    ],
)
def test_states_that_cannot_follow_each_other(state, following):
    with pytest.raises(ValueError, match="cannot become"):
        after(state, following)


def test_states_that_can_follow_each_other():
    for state in (State.IDLE, State.CONNECTED, State.RETRYING, State.REJECTED):
        for following in (State.CONNECTED, State.RETRYING, State.REJECTED, State.CLOSED):
            assert after(state, following) is following


async def test_a_frame_is_tried_until_it_is_taken_under_one_id():
    rig = Rig(Undelivered("h:1 answered 500"), Undelivered("h:1 answered 429", after=7.0), Undelivered("timed out"))
    rig.buffer.offer(item(1))
    await rig.delivers(1)
    assert len({frame.id for frame in rig.sender.attempts}) == 1 and len(rig.sender.attempts) == 4
    assert rig.backoff.asked == [1.0, 7.0, 4.0] and rig.backoff.failures == 0
    assert rig.saved[-1].cursor == cursor(1) and rig.saved[-1].delivered == 1
    assert rig.drain.status["last_error"] == {"at": 1000.0, "message": "timed out"}
    assert rig.drain.state is State.CLOSED and rig.sender.closed


async def test_a_final_refusal_loses_the_frame_and_says_so_with_the_next():
    rig = Rig(Undelivered("h:1 answered 400", final=True))
    rig.buffer.offer(item(1))
    running = asyncio.create_task(rig.drain.run())
    while rig.drain.state is not State.REJECTED:
        await asyncio.sleep(0)
    assert rig.drain.status["lost"] == 1 and rig.saved[-1].cursor == cursor(1)
    rig.buffer.offer(item(2))
    while not rig.sender.taken:
        await asyncio.sleep(0)
    assert (rig.sender.taken[0].lost, numbers(rig.sender.taken[0])) == (1, [2])
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_losses_are_told_in_the_apps_log_once_a_minute_with_an_exact_sum():
    rig = Rig()
    rig.buffer.lose(10, START)
    await rig.drain.account()
    rig.buffer.lose(5, START + 1)
    rig.now += 30
    await rig.drain.account()
    rig.now += 31
    await rig.drain.account()
    await rig.drain.account()
    assert [text.split("dropped ")[1].split(" messages")[0] for text in rig.told] == ["10", "5"]
    assert all(text.startswith("Error L10 (Drain buffer overflow) -> Drain d.1 dropped ") for text in rig.told)
    assert (rig.saved[-1].total_lost, rig.saved[-1].untold) == (15, 0)


async def test_a_bad_certificate_is_told_once_an_hour():
    bad = Undelivered("the certificate of h:1 is refused: self-signed certificate", certificate=True)
    rig = Rig(bad, bad, bad)
    rig.buffer.offer(item(1))
    await rig.delivers(1)
    assert rig.told == [
        "Error L14 (Certificate validation error) -> Drain d.1: "
        "the certificate of h:1 is refused: self-signed certificate."
    ]


async def test_a_killed_drain_goes_on_where_it_was():
    rig = Rig()
    rig.buffer.offer(item(1))
    await rig.delivers(1)
    rig.buffer.lose(41, START)
    rig.drain.keep()
    again = Rig(place=rig.saved[-1])
    again.buffer.offer(item(2))
    await again.delivers(1)
    assert again.sender.taken[0].lost == 41
    assert (again.saved[-1].total_lost, again.saved[-1].delivered, again.saved[-1].cursor) == (41, 2, cursor(2))
    await again.drain.account()
    assert "dropped 41 messages" in again.told[0]


async def test_what_is_on_its_way_is_still_to_be_told_if_the_process_dies():
    rig = Rig(place=Place(begin=START, lost=3, since=START, total_lost=3))
    rig.buffer.offer(item(1))
    await rig.buffer.take(1000, 0)
    rig.drain.keep()
    assert [place.lost for place in rig.saved] in ([], [3])


async def test_a_disk_that_is_full_stops_nothing(caplog):
    rig = Rig()

    def full(_place):
        raise OSError(28, "No space left on device")

    rig.drain._save = full
    rig.buffer.offer(item(1))
    await rig.delivers(1)
    assert "cannot be kept" in caplog.text


def test_places_outlive_the_process(tmp_path, caplog):
    places = Places(tmp_path)
    assert places.load("one") is None
    place = Place(begin=1, cursor=cursor(5), lost=2, since=3, untold=1, untold_since=4, total_lost=7, delivered=9)
    places.save("one", place)
    places.save("two", place)
    places.save("one", Place(begin=1, cursor=None))
    assert places.load("one") == Place(begin=1) and places.load("two") == place
    assert (tmp_path / "one.place").stat().st_size == SIZE and (tmp_path / "one.place").stat().st_mode & 0o777 == 0o600
    places.keep({"two"})
    assert places.load("one") is None and places.load("two") == place
    whole = (tmp_path / "two.place").read_bytes()
    for damaged in (b"", b"\0" * SIZE, whole[:40].ljust(SIZE), b"x" + whole[1:]):
        (tmp_path / "two.place").write_bytes(damaged)
        assert places.load("two") is None
    assert "damaged" in caplog.text


def test_a_place_of_another_version_is_read(tmp_path):
    places = Places(tmp_path)
    places.save("one", Place(begin=1, cursor=cursor(5)))
    file = tmp_path / "one.place"
    from hostd.logplex.drains.places import _mark

    body = file.read_bytes().rstrip().rpartition(b" ")[0].replace(b'"begin"', b'"newer":1,"begin"')
    file.write_bytes(b"%s %s" % (body, _mark(body).encode()))
    assert places.load("one") == Place(begin=1, cursor=cursor(5))
