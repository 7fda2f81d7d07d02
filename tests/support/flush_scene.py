"""Somebody clears all rules: `unshare --net python -m tests.support.flush_scene FOLDER`, as root.

A machine made of namespaces, with networks as two dynos have them, an outside, and a table of somebody else's. Prints
as JSON which connections pass something on, once the rules are back: those begun before they were cleared, and those
begun while they were away. Nothing of the real machine is used.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from ipaddress import IPv4Network
from pathlib import Path

from units.network import Networks
from units.ruleset import Door

PORT = 8080
SERVE = f"""
import socketserver
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)
socketserver.ThreadingTCPServer.allow_reuse_address = True
server = socketserver.ThreadingTCPServer(("", {PORT}), Echo)
print("ready", flush=True)
server.serve_forever()
"""
CONVERSE = f"""
import socket, sys
try:
    connection = socket.create_connection((sys.argv[1], {PORT}), 1)
except OSError as error:
    print("refused", flush=True)
    sys.exit()
print("connected", flush=True)
for line in sys.stdin.buffer:
    try:
        connection.sendall(line)
        print("heard" if connection.recv(100) else "closed", flush=True)
    except OSError:
        print("silent", flush=True)
"""
THEIRS = """
table inet theirs {
    chain input {
        type filter hook input priority filter; policy accept;
        ct state established accept
    }
}
"""


class Started:
    """A Python program that says something at once, and can be asked."""

    def __init__(self, enter: Sequence[str], program: str, *words: str) -> None:
        argv = [*enter, sys.executable, "-c", program, *words]
        self._process = subprocess.Popen(argv, stdin=-1, stdout=-1, text=True)
        assert self._process.stdin and self._process.stdout
        self._input, self._output = self._process.stdin, self._process.stdout
        self.said = self._output.readline().strip()

    def ask(self) -> str:
        """Pass something on; what came of it."""
        if self.said == "refused":
            return "refused"
        self._input.write("something\n")
        self._input.flush()
        return self._output.readline().strip()

    def kill(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


def run(*argv: str, text: str | None = None) -> str:
    return subprocess.run(argv, input=text, check=True, capture_output=True, text=True).stdout


def connect_to_an_outside(there: str) -> None:
    """Make a way to it: it is that namespace, and has the address 192.0.2.1."""
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "wan", "type", "veth", "peer", "name", "far", "netns", there)
    for enter, device, address in (((), "wan", "192.0.2.2/24"), (("nsenter", f"--net={there}"), "far", "192.0.2.1/24")):
        run(*enter, "ip", "addr", "add", address, "dev", device)
        run(*enter, "ip", "link", "set", device, "up")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


async def scene(folder: Path) -> dict[str, object]:
    holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec sleep 600"], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    outside = ("nsenter", f"--net=/proc/{holder.pid}/ns/net")
    connect_to_an_outside(f"/proc/{holder.pid}/ns/net")
    run("nft", "-f", "-", text=THEIRS)
    networks = Networks(name="b5", prefix=IPv4Network("10.9.0.0/16"), run_dir=folder, door=Door(PORT, (0,)))
    started: list[Started] = []

    def start(enter: Sequence[str], program: str, *words: str) -> Started:
        started.append(Started(enter, program, *words))
        return started[-1]

    try:
        async with networks.leased("one") as one, networks.leased("other") as other:
            inside, beside = (("nsenter", f"--net={each.path}") for each in (one, other))
            for enter in (outside, (), beside):
                start(enter, SERVE)
            places = {"outside": "192.0.2.1", "machine": "192.0.2.2", "gateway": "10.9.0.1", "other": other.address}

            def begun() -> dict[str, Started]:
                found = {name: start(inside, CONVERSE, address) for name, address in places.items()}
                return {**found, "router": start((), CONVERSE, other.address)}

            before = begun()
            theirs = run("nft", "list", "table", "inet", "theirs")
            run("nft", "flush", "ruleset")
            run("nft", "-f", "-", text=theirs)
            away = begun()
            restored = await networks.ensure()
            return {
                "restored": restored,
                "begun before": {name: each.ask() for name, each in before.items()},
                "begun while away": {name: (each.said, each.ask()) for name, each in away.items()},
                "others' rules": run("nft", "list", "table", "inet", "theirs") == theirs,
                "tables": run("nft", "list", "tables").split("\n")[:-1],
            }
    finally:
        for each in started:
            each.kill()
        holder.kill()
        await networks.close()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(scene(Path(sys.argv[1])))))
