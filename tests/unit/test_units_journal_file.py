"""Journal files read without libsystemd; the box test reads real ones both ways."""

import ctypes
import struct

import pytest

from tests.unit.journal_kit import START, FileWriter
from units.cursors import Place
from units.journal import Entry
from units.journal_file import JournalFile
from units.journal_header import UnknownFormat

FIELDS = ("HOSTD_APP", "HOSTD_PROCESS", "_TRANSPORT", "_UID")


def opened(writer, believed=lambda _: True, decompress=lambda _: None):
    file = JournalFile(writer.path, fields=FIELDS, believed=believed, decompress=decompress)
    file.look()
    return file


def texts(entries):
    return [entry.message.decode() for entry in entries]


@pytest.fixture(params=[True, False], ids=["compact", "regular"])
def writer(tmp_path, request):
    return FileWriter(tmp_path / "system.journal", compact=request.param)


def test_an_entry_has_its_cursor_time_text_and_the_fields_asked_for(writer):
    cursor = writer.add(b"_UID=1000", b"OTHER=x", b"HOSTD_PROCESS=web.1", b"MESSAGE=a=b\n\xff", time=START + 5)
    (entry,) = opened(writer).read(10)
    assert entry.cursor == cursor
    assert entry.realtime_us == START + 5
    assert entry.message == b"a=b\n\xff"
    assert entry.fields == {"_UID": "1000", "HOSTD_PROCESS": "web.1"}


def test_batches_go_on_where_the_last_one_ended_and_over_what_is_added(writer):
    for number in range(30):
        writer.say(f"line {number}")
    file = opened(writer)
    assert texts(file.read(7)) == [f"line {number}" for number in range(7)]
    assert texts(file.read(100)) == [f"line {number}" for number in range(7, 30)]
    assert not file.look()
    for number in range(30, 300):
        writer.say(f"line {number}")
    assert file.look()
    assert texts(file.read(1000)) == [f"line {number}" for number in range(30, 300)]


def test_senders_are_told_apart_and_texts_may_repeat(writer):
    said = [(f"web.{number % 3}", f"text {number % 5}") for number in range(60)]
    for process, text in said:
        writer.say(text, process)
    found = opened(writer).read(100)
    assert [(entry.fields["HOSTD_PROCESS"], entry.message.decode()) for entry in found] == said


def test_more_senders_than_are_remembered(writer, monkeypatch):
    monkeypatch.setattr("units.journal_file._MOST_REMEMBERED", 4)
    said = [(f"web.{number % 7}", f"text {number}") for number in range(50)]
    for process, text in said:
        writer.say(text, process)
    found = opened(writer).read(100)
    assert [(entry.fields["HOSTD_PROCESS"], entry.message.decode()) for entry in found] == said


def test_of_a_stranger_only_what_journald_says_is_read(writer):
    asked = []

    def believed(fields):
        asked.append(dict(fields))
        return fields["_TRANSPORT"] != "journal"

    for number in range(3):
        writer.say(f"lie {number}", _TRANSPORT="journal")
    writer.say("true")
    entries = opened(writer, believed).read(10)
    assert [(entry.fields, entry.message) for entry in entries[:3]] == [
        ({"_TRANSPORT": "journal", "_UID": "1000"}, b"")
    ] * 3
    assert texts(entries[3:]) == ["true"]
    # One question for each sender, of what journald itself has set.
    assert asked == [{"_TRANSPORT": "journal", "_UID": "1000"}, {"_TRANSPORT": "stdout", "_UID": "1000"}]


def test_the_first_of_several_values_counts(writer):
    writer.add(b"HOSTD_APP=first", b"HOSTD_APP=second", b"MESSAGE=one", b"MESSAGE=two")
    writer.add(b"HOSTD_APP=first", b"HOSTD_APP=second", b"MESSAGE=one", b"MESSAGE=three")
    assert [(entry.fields, entry.message) for entry in opened(writer).read(10)] == [
        ({"HOSTD_APP": "first"}, b"one")
    ] * 2


def test_an_entry_without_a_text_or_with_a_text_before_its_last_field(writer):
    writer.add(b"_UID=1", b"HOSTD_APP=a")
    writer.add(b"_UID=1", b"MESSAGE=request", b"_SOURCE_REALTIME_TIMESTAMP=1")
    writer.add(b"_UID=1", b"MESSAGE=another", b"_SOURCE_REALTIME_TIMESTAMP=2")
    assert texts(opened(writer).read(10)) == ["", "request", "another"]


def test_large_texts_come_in_batches_of_a_few(writer):
    for number in range(6):
        writer.say(str(number) * 400_000)
    file = opened(writer)
    batches = []
    while file.left:
        batches.append(texts(file.read(100)))
    assert max(map(len, batches)) <= 3
    assert [text[0] for batch in batches for text in batch] == list("012345")
    assert {len(text) for batch in batches for text in batch} == {400_000}


def packed(field):
    """A field as zstd compresses it."""
    library = ctypes.CDLL("libzstd.so.1")
    library.ZSTD_compress.restype = ctypes.c_size_t
    target = ctypes.create_string_buffer(len(field) + 1000)
    size = library.ZSTD_compress(target, ctypes.c_size_t(len(target)), field, ctypes.c_size_t(len(field)), 3)
    return {field: target.raw[:size]}


def test_compressed_fields_and_texts_are_made_out(writer):
    command, text = b"_CMDLINE=" + b"java " * 1000, b"MESSAGE=" + b"long " * 1000
    owner = b"HOSTD_APP=" + b"a" * 3000
    writer.add(b"_UID=1", command, owner, b"MESSAGE=short", packed=packed(command) | packed(owner))
    writer.add(b"_UID=1", command, owner, text, packed=packed(text))
    writer.add(b"_UID=1", command, owner, b"MESSAGE=after")
    found = opened(writer).read(10)
    assert texts(found) == ["short", "long " * 1000, "after"]
    assert {entry.fields["HOSTD_APP"] for entry in found} == {"a" * 3000}


def test_what_is_compressed_otherwise_is_asked_of_libsystemd(writer):
    writer.say("before")
    cursor = writer.add(b"_UID=1", b"MESSAGE=long", packed={b"MESSAGE=long": b"not of zstd"})
    writer.say("after")
    found = opened(writer, decompress=lambda cursor: Entry(cursor, 1, b"unpacked", {})).read(10)
    assert texts(found) == ["before", "unpacked", "after"]
    assert found[1].cursor == cursor
    assert texts(opened(writer).read(10)) == ["before", "after"]


def test_damaged_entries_are_left_out(writer):
    writer.say("before")
    writer.add(b"MESSAGE=damaged", kind=5)
    writer.say("after")
    assert texts(opened(writer).read(10)) == ["before", "after"]


def test_a_file_cut_short_is_an_error(writer):
    for number in range(40):
        writer.say(f"line {number}")
    file = opened(writer)
    writer.cut(400)
    with pytest.raises(OSError, match="cut short"):
        file.read(40)
    with pytest.raises(OSError, match="cut short"):
        writer.cut(100)
        opened(writer)


@pytest.mark.parametrize(
    ("at", "value", "error"), [(0, b"LPKSHHRX", "does not begin"), (12, struct.pack("<I", 32), "not understood")]
)
def test_another_format_is_not_guessed_at(writer, at, value, error):
    data = bytearray(writer.path.read_bytes())
    data[at : at + len(value)] = value
    writer.path.write_bytes(data)
    with pytest.raises(OSError, match=error) as raised:
        opened(writer)
    assert isinstance(raised.value, UnknownFormat) == (at > 0)


def test_places_are_found_by_number_by_time_and_from_the_end(writer):
    for number in range(100):
        writer.say(f"line {number}")
    file = opened(writer)

    def numbered(number):
        return Place(file.header.numbering, number, 0, 0, b"")

    assert file.seek_behind(numbered(10))
    assert texts(file.read(2)) == ["line 10", "line 11"]
    assert not file.seek_behind(numbered(1000))
    assert file.read(2) == []
    assert not file.seek_behind(numbered(0))
    assert texts(file.read(1)) == ["line 0"]
    file.seek_realtime(START + 50)
    assert texts(file.read(1)) == ["line 49"]
    file.seek_end()
    assert file.left == 0
    assert texts(file.back(3)) == ["line 97", "line 98", "line 99"]
    assert file.read(1) == []
    assert len(file.back(1000)) == 100
