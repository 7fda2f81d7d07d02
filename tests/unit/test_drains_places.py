"""Where drains may lead: judged addresses, and files."""

import asyncio
import os
import socket
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from drains_kit import LOOPBACK, item, receiver, to_loopback

from hostd.logplex.drains.buffer import Frame
from hostd.logplex.drains.destinations import destination
from hostd.logplex.drains.dialing import Dialer, Judge
from hostd.logplex.drains.failures import Undelivered
from hostd.logplex.drains.files import FileSender

FRAME = Frame((item(1), item(2)), id="f1")


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "::1", "::",
     "fe80::1", "fd00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"],
)  # fmt: skip
def test_internal_addresses_are_refused(address):
    assert Judge().refusal(ip_address(address))


def test_the_internet_is_allowed_this_server_is_not_and_operators_decide():
    assert Judge().refusal(ip_address("9.9.9.9")) is None
    assert Judge(own=lambda address: str(address) == "9.9.9.9").refusal(ip_address("9.9.9.9"))
    inside = Judge((ip_network("10.1.0.0/16"), ip_network("127.0.0.1/32")))
    assert inside.refusal(ip_address("10.1.2.3")) is None and inside.refusal(ip_address("10.2.0.1"))
    assert inside.refusal(ip_address("::ffff:127.0.0.1")) is None and inside.refusal(ip_address("127.0.0.2"))


async def test_only_a_judged_address_is_connected_to():
    """A name with an address inside and one outside leads to the latter, whatever it leads to the next moment."""
    asked = []

    async def rebinding(host):
        asked.append(host)
        return [ip_address("10.0.0.1"), ip_address("127.0.0.1")]

    async def silent(reader, _writer):
        await reader.read()

    async with receiver(silent) as port:
        connection = await Dialer(LOOPBACK, rebinding).connect(destination(f"syslog://logs.example:{port}"))
        assert connection.writer.get_extra_info("peername")[0] == "127.0.0.1" and asked == ["logs.example"]
        connection.abort()
    with pytest.raises(Undelivered, match="drain_networks"):
        await Dialer(Judge(), to_loopback).connect(destination("syslog://logs.example:514"))

    async def nowhere(_host):
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(Undelivered, match="leads nowhere: Name or service not known"):
        await Dialer(Judge(), nowhere).connect(destination("https://kate:pw@logs.example/"))


async def test_a_name_that_takes_too_long():
    async def slow(_host):
        await asyncio.Event().wait()

    with pytest.raises(Undelivered, match=r"within 0\.05 seconds"):
        await Dialer(Judge(), slow, seconds=0.05).connect(destination("syslog://logs.example"))


async def test_files_are_appended_to_opened_anew_and_bounded(tmp_path):
    sender = FileSender(tmp_path, "apps/hello.log", most=200)
    file = tmp_path / "apps/hello.log"
    await sender.send(FRAME)
    rows = file.read_text().splitlines()
    assert [row.partition(" ")[2] for row in rows] == ["app[web.1]: line 1", "app[web.1]: line 2"]
    file.rename(tmp_path / "moved")
    await sender.send(FRAME)
    assert file.read_text() == (tmp_path / "moved").read_text()
    await sender.send(FRAME)
    assert file.with_name("hello.log.1").read_text() == file.read_text()
    for _ in range(20):
        await sender.send(FRAME)
    assert sum(each.stat().st_size for each in (tmp_path / "apps").iterdir()) <= 400


async def test_a_file_is_not_written_through_a_link_or_a_pipe(tmp_path):
    (tmp_path / "link.log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Undelivered, match="cannot be written"):
        await FileSender(tmp_path, "link.log").send(FRAME)
    assert not (tmp_path / "elsewhere").exists()
    with pytest.raises(Undelivered, match="it is no file"):
        await FileSender(Path("/dev"), "null").send(FRAME)


async def test_a_full_disk_leaves_no_half_frame(tmp_path, monkeypatch):
    sender = FileSender(tmp_path, "hello.log")
    await sender.send(FRAME)
    before, write = (tmp_path / "hello.log").read_text(), os.write

    def full(descriptor, data):
        if len(data) < 100:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:20])

    monkeypatch.setattr("os.write", full)
    with pytest.raises(Undelivered, match="No space left"):
        await sender.send(FRAME)
    assert (tmp_path / "hello.log").read_text() == before
