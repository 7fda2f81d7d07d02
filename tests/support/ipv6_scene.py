"""A machine with IPv6, made of namespaces: `unshare --net python -m tests.support.ipv6_scene FOLDER`, as root.

It has the address 2001:db8::2, a way to the outside, where 2001:db8::1 and 2001:db8:1::1 are, and a network as dynos
have. Prints as JSON what came of connecting from inside that network; nothing of the real machine is used.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from ipaddress import IPv4Network
from pathlib import Path

from units.addresses import Addresses
from units.network import Networks
from units.ruleset import Door

PORT = 8080
PREFIX = IPv4Network("10.9.0.0/16")
LISTEN = f"""
import socket
server = socket.create_server(("::", {PORT}), family=socket.AF_INET6)
print("ready", flush=True)
while True:
    connection, (address, *_) = server.accept()
    connection.sendall(address.encode())
    connection.close()
"""
CONNECT = f"""
import errno, socket, sys
try:
    print(socket.create_connection((sys.argv[1], {PORT}), 1).recv(100).decode())
except OSError as error:
    print(errno.errorcode.get(error.errno, error))
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def listen(*enter: str) -> subprocess.Popen[bytes]:
    """A server that tells everybody their address."""
    server = subprocess.Popen([*enter, sys.executable, "-c", LISTEN], stdout=subprocess.PIPE)
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"
    return server


def connect(address: str, *enter: str) -> str:
    """Who one is to a server, or the error."""
    done = subprocess.run([*enter, sys.executable, "-c", CONNECT, address], check=True, capture_output=True, text=True)
    return done.stdout.strip()


async def scene(folder: Path) -> dict[str, str]:
    holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec sleep 600"], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    outside = ("nsenter", f"--net=/proc/{holder.pid}/ns/net")
    ip("link", "set", "lo", "up")
    ip("link", "add", "wan", "type", "veth", "peer", "name", "far", "netns", f"/proc/{holder.pid}/ns/net")
    for words in (["addr", "add", "2001:db8::2/64", "dev", "wan", "nodad"], ["link", "set", "wan", "up"]):
        ip(*words)
    for words in (
        ["ip", "link", "set", "lo", "up"],
        ["ip", "addr", "add", "2001:db8:1::1/128", "dev", "lo", "nodad"],
        ["ip", "addr", "add", "2001:db8::1/64", "dev", "far", "nodad"],
        ["ip", "link", "set", "far", "up"],
        ["ip", "-6", "route", "add", str(Addresses(PREFIX).prefix6), "via", "2001:db8::2", "onlink", "dev", "far"],
    ):
        subprocess.run([*outside, *words], check=True)
    ip("-6", "route", "add", "default", "via", "2001:db8::1")
    Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1")
    servers = [listen(*outside), listen()]
    networks = Networks(name="v6", prefix=PREFIX, run_dir=folder, door=Door(PORT, (0,)))
    try:
        async with networks.leased("one") as one, networks.leased("other") as other:
            inside = ("nsenter", f"--net={one.path}")
            theirs = str(Addresses(PREFIX).address6(int(other.interface.rpartition("-")[2])))
            servers.append(listen("nsenter", f"--net={other.path}"))
            return {
                "outside": connect("2001:db8:1::1", *inside),
                "machine": connect("2001:db8::2", *inside),
                "gateway": connect(str(Addresses(PREFIX).gateway6), *inside),
                "other": connect(theirs, *inside),
                "itself": connect("::1", *inside),
                "from outside": connect(theirs, *outside),
                "from the machine": connect(theirs, "setpriv", "--reuid=65534", "--clear-groups"),
            }
    finally:
        for process in (*servers, holder):
            process.kill()
        await networks.close()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(scene(Path(sys.argv[1])))))
