import asyncio
import contextlib
import json
import struct

import pytest

from units.journal import JournalUnavailable
from units.journald import Contents, Limits, config_path, config_text, contents, rotate, service, sockets, synchronize


def settings(text):
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))


@contextlib.asynccontextmanager
async def journald(run, answer):
    """A varlink server that notes what it is asked and answers with these bytes."""
    asked = []

    async def serve(reader, writer):
        asked.append(json.loads((await reader.readuntil(b"\0"))[:-1]))
        if answer is None:
            await reader.read()
        else:
            writer.write(answer)
        writer.close()

    (run / "journal.hostd-1").mkdir()
    server = await asyncio.start_unix_server(serve, run / "journal.hostd-1" / "io.systemd.journal")
    async with server:
        yield asked


def test_a_journal_is_bounded_and_its_files_are_small_enough_to_lose_one():
    values = settings(config_text(Limits(256), "The journal of an app."))
    assert values["SystemMaxUse"] == "256M"
    assert values["SystemMaxFileSize"] == "8M"
    assert values["RateLimitIntervalSec"] == "0"


@pytest.mark.parametrize(("size", "file"), [(16, "2M"), (64, "8M"), (1024, "8M"), (4096, "32M")])
def test_files_grow_with_the_journal_up_to_a_limit(size, file):
    assert settings(config_text(Limits(size), "x"))["SystemMaxFileSize"] == file


def test_a_journald_that_keeps_no_days_may_end_when_idle():
    assert "MaxRetentionSec" not in config_text(Limits(64), "x")


def test_days_are_kept_whole():
    values = settings(config_text(Limits(64, 7), "x"))
    assert values["MaxFileSec"] == "86400"
    assert values["MaxRetentionSec"] == str(8 * 86400)


def test_the_file_says_whose_it_is():
    assert config_text(Limits(64), "The journal of an app.").startswith("# The journal of an app.\n")


def test_units_and_file_of_a_namespace(tmp_path):
    assert service("hostd-1") == "systemd-journald@hostd-1.service"
    assert sockets("hostd-1") == ("systemd-journald@hostd-1.socket", "systemd-journald-varlink@hostd-1.socket")
    assert config_path("hostd-1", tmp_path) == tmp_path / "journald@hostd-1.conf"


def test_synchronize_returns_with_the_answer(tmp_path):
    async def ask():
        async with journald(tmp_path, b'{"parameters":{}}\0') as asked:
            await synchronize("hostd-1", 5, tmp_path)
            return asked

    assert asyncio.run(ask()) == [{"method": "io.systemd.Journal.Synchronize", "parameters": {}}]


def test_rotate_asks_for_new_files(tmp_path):
    async def ask():
        async with journald(tmp_path, b'{"parameters":{}}\0') as asked:
            await rotate("hostd-1", 5, tmp_path)
            return asked

    assert asyncio.run(ask())[0]["method"] == "io.systemd.Journal.Rotate"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b'{"error":"org.varlink.service.MethodNotFound"}\0', "MethodNotFound"),
        (b"", "cannot be asked"),
        (None, "0.05 s"),
    ],
)
def test_what_journald_does_not_do_is_said(tmp_path, answer, said):
    async def ask():
        async with journald(tmp_path, answer):
            await synchronize("hostd-1", 0.05 if answer is None else 5, tmp_path)

    with pytest.raises(JournalUnavailable, match=said):
        asyncio.run(ask())


def test_a_namespace_without_sockets_cannot_be_asked(tmp_path):
    with pytest.raises(JournalUnavailable, match="hostd-2"):
        asyncio.run(synchronize("hostd-2", 5, tmp_path))


def journal_file(entries, oldest, newest):
    """The beginning of a journal's file (systemd.io/JOURNAL_FILE_FORMAT) and a page of nothing."""
    header = b"LPKSHHRH".ljust(152, b"\0") + struct.pack("<Q24xQQ", entries, oldest, newest)
    return header.ljust(8192, b"\1")


def test_what_a_journal_holds_is_read_from_its_files(tmp_path):
    assert contents(tmp_path / "absent") == Contents()
    (tmp_path / "system@1.journal").write_bytes(journal_file(100, 1_000, 2_000))
    (tmp_path / "system.journal").write_bytes(journal_file(20, 2_001, 3_000))
    (tmp_path / "system@2.journal~").write_bytes(b"torn")
    (tmp_path / "else").write_bytes(b"x" * 10_000_000)
    found = contents(tmp_path)
    assert (found.entries, found.oldest_us, found.newest_us) == (120, 1_000, 3_000)
    assert 16_384 <= found.size < 100_000


def test_a_journal_that_has_just_begun_has_no_oldest_entry(tmp_path):
    (tmp_path / "system.journal").write_bytes(journal_file(0, 0, 0))
    assert contents(tmp_path).entries == contents(tmp_path).oldest_us == 0
