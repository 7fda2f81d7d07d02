"""A journal of several files, read forward as it grows."""

import asyncio

import pytest

from tests.unit.journal_kit import MACHINE, NAMESPACE, START, FileWriter, folder
from units.journal_header import header_of
from units.live_journal import LiveJournal
from units.ticking import Ticker


class Scene:
    def __init__(self, root):
        self.root = root
        self.folder = folder(root)
        self.ticker = Ticker(0.001)

    def writer(self, name="system.journal", **how):
        return FileWriter(self.folder / name, **how)

    def rotate(self, writer, numbering="a"):
        """As journald does: the file gets another name, and there is a new one."""
        writer.archive(f"system@{numbering}-{writer.number:016x}.journal")
        return self.writer(head=writer.number + 1, numbering=numbering)

    def journal(self):
        return LiveJournal(
            NAMESPACE,
            fields=("HOSTD_PROCESS",),
            believed=lambda _: True,
            ticker=self.ticker,
            roots=(self.root, self.root / "volatile"),
            machine=MACHINE,
        )


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def texts(journal):
    found = []
    while entries := journal.read(10):
        found += [entry.message.decode() for entry in entries]
    return found


def test_all_files_are_read_in_the_order_of_their_numbers(scene):
    writer = scene.writer()
    for number in range(50):
        writer.say(f"line {number}")
        if number % 12 == 11:
            writer = scene.rotate(writer)
    journal = scene.journal()
    journal.seek_head()
    assert texts(journal) == [f"line {number}" for number in range(50)]
    assert journal.take_missed() == 0


def test_the_last_ones_are_found_over_files_and_reading_goes_on_behind_them(scene):
    assert scene.journal().last(1) == []
    writer = scene.writer()
    for text in "abc":
        writer.say(text)
    writer = scene.rotate(writer)
    journal = scene.journal()
    assert [entry.message for entry in journal.last(2)] == [b"b", b"c"]
    assert journal.read() == []
    writer.say("d")
    assert texts(journal) == ["d"]
    assert [entry.message for entry in journal.last(3)] == [b"b", b"c", b"d"]


def test_what_was_written_before_a_rotation_is_read_before_what_came_after_it(scene):
    writer = scene.writer()
    writer.say("a")
    journal = scene.journal()
    journal.last(1)
    writer.say("b")
    for text in "cde":
        writer = scene.rotate(writer)
        writer.say(text)
    assert texts(journal) == ["b", "c", "d", "e"]


def test_a_cursor_is_found_in_whatever_file_it_is(scene):
    writer, cursors = scene.writer(), []
    for number in range(30):
        cursors.append(writer.say(f"line {number}"))
        if number % 7 == 6:
            writer = scene.rotate(writer)
    for number, cursor in enumerate(cursors):
        journal = scene.journal()
        assert journal.seek_after(cursor)
        assert texts(journal) == [f"line {rest}" for rest in range(number + 1, 30)]
    with pytest.raises(ValueError, match="not a journal cursor"):
        scene.journal().seek_after("nonsense")


def test_a_vacuumed_cursor_leads_to_the_next_entry_kept(scene):
    writer = scene.writer()
    cursor = writer.say("gone")
    writer = scene.rotate(writer)
    writer.say("kept")
    next(scene.folder.glob("system@*")).unlink()
    journal = scene.journal()
    assert not journal.seek_after(cursor)
    assert texts(journal) == ["kept"]


def test_entries_vacuumed_before_they_were_read_are_counted(scene):
    writer = scene.writer()
    writer.say("a")
    journal = scene.journal()
    journal.last(1)
    for _ in range(2):
        writer = scene.rotate(writer)
        writer.say("x")
        writer.say("y")
    writer = scene.rotate(writer)
    writer.say("z")
    for path in sorted(scene.folder.glob("system@*"))[1:]:
        path.unlink()
    assert texts(journal) == ["z"]
    assert journal.take_missed() == 4
    assert journal.take_missed() == 0


def test_numbers_that_begin_anew_are_ordered_by_time(scene):
    old = scene.writer(numbering="a")
    first = old.say("a", HOSTD_APP="x")
    old.add(b"MESSAGE=b", time=START + 20)
    old.archive("system@broken.journal~")
    new = scene.writer(numbering="e")
    new.add(b"MESSAGE=c", time=START + 30)
    journal = scene.journal()
    assert journal.seek_after(first)
    assert texts(journal) == ["b", "c"]
    assert journal.take_missed() == 0
    (scene.folder / "system@broken.journal~").unlink()
    assert not journal.seek_after(first)
    assert texts(journal) == ["c"]


def test_a_clock_set_back_loses_nothing_of_what_is_followed(scene):
    old = scene.writer(numbering="a")
    old.add(b"MESSAGE=a", time=START + 1000)
    journal = scene.journal()
    journal.last(1)
    old.archive("system@broken.journal~")
    scene.writer(numbering="e").add(b"MESSAGE=b", time=START)
    assert texts(journal) == ["b"]


async def test_whoever_waits_is_told_of_entries_of_files_and_of_a_first_file(scene):
    journal = scene.journal()
    assert journal.read() == []
    waiting = asyncio.create_task(journal.wait())
    await asyncio.sleep(0)
    writer = scene.writer()
    writer.say("a")
    await asyncio.wait_for(waiting, 10)
    assert texts(journal) == ["a"]
    waiting = asyncio.create_task(journal.wait())
    await asyncio.sleep(0)
    writer.say("b")
    await asyncio.wait_for(waiting, 10)
    assert texts(journal) == ["b"]
    waiting = asyncio.create_task(journal.wait())
    await asyncio.sleep(0)
    scene.rotate(writer).say("c")
    await asyncio.wait_for(waiting, 10)
    assert texts(journal) == ["c"]
    journal.close()


async def test_a_file_that_cannot_be_read_is_told_to_whoever_waits(scene):
    writer = scene.writer()
    writer.say("a")
    journal = scene.journal()
    journal.last(1)
    waiting = asyncio.create_task(journal.wait())
    await asyncio.sleep(0)
    writer.cut(20)
    with pytest.raises(OSError, match="cut short"):
        await asyncio.wait_for(waiting, 10)


async def test_a_file_that_was_just_made_is_not_there_yet(scene):
    journal = scene.journal()
    assert journal.last(1) == []
    new = scene.folder / "system.journal"
    new.parent.mkdir(parents=True, exist_ok=True)
    new.touch()
    assert not journal._has_more() and journal.read() == []
    new.unlink()
    writer = scene.writer()
    writer.say("a")
    assert texts(journal) == ["a"]
    journal.close()


async def test_one_timer_serves_all_and_rests_when_nobody_waits():
    ticker, ready, looks = Ticker(0.001), set(), []

    async def wait(name):
        def condition():
            looks.append(name)
            return name in ready

        await ticker.until(condition)

    tasks = {name: asyncio.create_task(wait(name)) for name in "abc"}
    await asyncio.sleep(0.005)
    ready.add("b")
    await asyncio.wait_for(tasks["b"], 10)
    assert not tasks["a"].done() and not tasks["c"].done()
    tasks["a"].cancel()
    ready.add("c")
    await asyncio.wait_for(tasks["c"], 10)
    looks.clear()
    await asyncio.sleep(0.01)
    assert looks == []


def test_a_time_is_found_in_whatever_file_it_is(scene):
    writer = scene.writer()
    for number in range(20):
        writer.say(f"line {number}")
        if number % 6 == 5:
            writer = scene.rotate(writer)
    journal = scene.journal()
    for number in range(20):
        journal.seek_realtime(START + 1 + number)
        assert texts(journal) == [f"line {rest}" for rest in range(number, 20)]
    journal.seek_realtime(START + 100)
    assert texts(journal) == []


def test_a_damaged_file_costs_what_is_in_it_and_no_more(scene):
    writer = scene.writer()
    first = writer.say("a")
    for number in range(40):
        writer.say(f"lost {number}")
    damaged = writer
    writer = scene.rotate(writer)
    writer.say("b")
    damaged.cut(900)
    journal = scene.journal()
    assert not journal.seek_after(first.replace(";i=1;", ";i=28;"))
    assert texts(journal) == ["b"]
    assert journal.take_missed() == 41
    journal.seek_realtime(START + 30)
    assert texts(journal) == ["b"]
    # A file that journald has put aside, and of which nothing is left.
    (scene.folder / "system@broken.journal~").write_bytes(bytes(500))
    journal = scene.journal()
    journal.seek_head()
    assert texts(journal)[-1:] == ["b"]
    assert journal.take_missed() > 30
    writer.say("c")
    assert texts(journal) == ["c"]


def test_a_damaged_file_that_is_written_to_is_an_error(scene):
    writer = scene.writer()
    for number in range(40):
        writer.say(f"line {number}")
    writer.cut(900)
    journal = scene.journal()
    journal.seek_head()
    with pytest.raises(OSError, match="cut short"):
        texts(journal)


def test_a_file_that_gets_its_name_while_files_are_listed_is_not_left_out(scene, monkeypatch):
    writer, cursors = scene.writer(), []
    for number in range(10):
        cursors.append(writer.say(f"line {number}"))
    rotations = [writer]

    def header_and_rotation(path):
        if rotations and path.name == "system.journal":
            scene.rotate(rotations.pop()).say("line 10")
        return header_of(path)

    monkeypatch.setattr("units.live_journal.header_of", header_and_rotation)
    journal = scene.journal()
    assert journal.seek_after(cursors[4])
    assert texts(journal) == [f"line {rest}" for rest in range(5, 11)]
    assert rotations == []


@pytest.mark.parametrize("unseen", [0, 5])
@pytest.mark.parametrize("read", [60, 100])
def test_a_file_that_journald_empties_under_its_readers_costs_what_they_had_not_read(scene, read, unseen):
    writer = scene.writer()
    for number in range(100):
        writer.say(f"line {number}")
    journal = scene.journal()
    journal.seek_head()
    assert len(journal.read(read)) == read
    for number in range(unseen):
        writer.say(f"unseen {number}")
    emptied = writer
    writer = scene.rotate(writer)
    writer.say("b")
    # As systemd does to make room: the file is deleted, and its blocks given back although it is open.
    emptied.path.write_bytes(bytes(emptied.path.stat().st_size))
    emptied.path.unlink()
    assert texts(journal) == ["b"]
    assert journal.take_missed() == 100 - read + unseen
