"""The network of a build: outside yes; this machine, other builds and the cloud's metadata no."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from hostd.box.network import network_name
from tests.support import beside
from tests.support.apps import made
from tests.support.network_probe import HELD, OVER
from tests.support.platform import Platform
from tests.support.waiting import wait_until

PROBE = (Path(__file__).parents[1] / "support/network_probe.py").read_text()
METADATA = ("169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16")
REGISTRIES = ("https://pypi.org/simple/tabulate/", "https://registry.npmjs.org/left-pad")
NO = {"EHOSTUNREACH", "ECONNREFUSED", "ENETUNREACH", "EACCES", "EADDRNOTAVAIL", "timed out"}


@pytest.fixture(scope="module")
def service() -> Iterator[beside.Service]:
    """It runs beside the box, whose network is the machine's."""
    with beside.listening() as service:
        yield service


@dataclass(frozen=True)
class Builder:
    """Makes builds that run the probe as a build backend (PEP 517) of a package in the tree, and then fail."""

    platform: Platform
    app: str
    folder: Path

    def start(self, **tries: object) -> subprocess.Popen[str]:
        """Push an app whose build tries these things."""
        command = ["python3", "/app/network_probe.py", json.dumps(tries)]
        run = f"    subprocess.run({command!r})\n    raise SystemExit(3)\n"
        backend = f"import subprocess\n\ndef build_wheel(*_, **__):\n{run}"
        project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        files = {
            "requirements.txt": "./pkg\n",
            "pkg/pyproject.toml": f'{project}[project]\nname = "pkg"\nversion = "1"\n',
            "pkg/backend.py": backend,
            "network_probe.py": PROBE,
        }
        repository = self.platform.commit(files, self.folder / uuid.uuid4().hex[:8])
        return subprocess.Popen(
            ["git", "push", "--force", self.platform.git_url(self.app), "main"],
            cwd=repository,
            env=self.platform.git_environment(),
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def probe(self, **tries: object) -> dict[str, Any]:
        """What came of the tries."""
        return result(self.start(**tries))


def result(push: subprocess.Popen[str]) -> dict[str, Any]:
    """The probe's findings, from a push's transcript."""
    said = push.communicate(timeout=120)[1]
    joined = re.sub(r" *\nremote: ", "", said)
    assert "probe: {" in joined, said
    found: dict[str, Any] = json.JSONDecoder().raw_decode(joined[joined.index("probe: {") + len("probe: ") :])[0]
    return found


@pytest.fixture(scope="module")
def builders(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Builder]]:
    """Builds of one app each: one app has one build at a time."""
    with ExitStack() as apps:

        def make() -> Builder:
            app = f"net-{uuid.uuid4().hex[:8]}"
            apps.enter_context(made(platform, app))
            return Builder(platform, app, tmp_path_factory.mktemp("net"))

        yield make


@pytest.fixture(scope="module")
def found(platform: Platform, builders: Callable[[], Builder], service: beside.Service) -> dict[str, Any]:
    """What one build found while another one ran beside it; that one's findings are in `beside`."""
    ports = [service.port, platform.http_port, platform.ssh_port]
    assert [beside.connects("127.0.0.1", port) for port in ports] == [True] * 3
    service.came()
    own_addresses = beside.own_addresses()
    other = builders().start(hold=60)
    pid, address = holder(platform)
    gateway = str(settings(platform)["network_prefix"]).replace(".0.0/16", ".0.1")
    machine = [*own_addresses, gateway, "255.255.255.255", "224.0.0.1"]
    here = builders().probe(
        tcp=[
            *([each, port] for each in [*own_addresses, gateway] for port in ports),
            *([each, 80] for each in METADATA),
            [address, HELD],
        ],
        udp=[*([each, service.port] for each in machine), *([each, 80] for each in METADATA), [address, HELD]],
        names=["pypi.org", "registry.npmjs.org", "deb.debian.org"],
        urls=REGISTRIES,
    )
    platform.run(["touch", f"/proc/{pid}/root{OVER}"])
    return {**here, "beside": result(other)}


def holder(platform: Platform) -> tuple[str, str]:
    """The pid inside the box, and the address, of the one build that runs, as soon as it holds its port."""

    def held() -> tuple[str, str]:
        there = interfaces(platform)
        assert len(there) == 1
        listed = platform.run(["systemctl", "list-units", "--output=json", "hostd-build-*.service"])
        units = [each["unit"] for each in json.loads(listed.stdout)]
        assert len(units) == 1
        pid = platform.run(["systemctl", "show", "--property=MainPID", "--value", *units]).stdout.strip()
        assert f":{HELD:04X} 00000000:0000 0A" in platform.run(["cat", f"/proc/{pid}/net/tcp"], check=False).stdout
        prefix = IPv4Network(settings(platform)["network_prefix"])
        return pid, str(prefix.network_address + int(there[0].rpartition("-")[2]))

    return wait_until(held, 30, what="a build that listens")


def settings(platform: Platform) -> dict[str, Any]:
    """The settings of the installation."""
    return tomllib.loads(platform.run(["cat", "/etc/hostd/hostd.toml"]).stdout)


def test_nothing_of_this_machine_answers(found: dict[str, Any], service: beside.Service) -> None:
    assert len(found["tcp"]) > 10
    assert {place: came for place, came in found["tcp"].items() if came not in NO} == {}
    assert service.came() == []


def test_two_builds_have_two_networks_and_cannot_meet(found: dict[str, Any], platform: Platform) -> None:
    other = found["beside"]
    assert found["address"] != other["address"]
    assert found["namespace"] != other["namespace"] != platform.run(["readlink", "/proc/1/ns/net"]).stdout.strip()
    assert other["came"] == []
    assert found["interfaces"] == other["interfaces"] == ["eth0", "lo"]
    assert found["sysfs"] == []


def test_names_and_registries_are_there(found: dict[str, Any]) -> None:
    assert [address for address in found["names"].values() if not re.fullmatch(r"[\d.]+", address)] == []
    assert list(found["urls"].values()) == [200, 200]


def test_ended_builds_leave_nothing(found: dict[str, Any], platform: Platform) -> None:
    wait_until(lambda: interfaces(platform) == [], what="no interface of a build")


def interfaces(platform: Platform) -> list[str]:
    """The machine's ends of builds' networks, by name."""
    found = beside.interfaces(network_name(platform.machine.name))
    return [interface for interface, holder in found.items() if holder.startswith("hostd-build-")]


def rules(platform: Platform) -> str:
    """The installation's table, without counters."""
    return beside.run("nft", "-s", "-t", "list", "table", "inet", network_name(platform.machine.name))


@pytest.mark.parametrize("damage", ["flush table", "delete table", "delete chain", "add rule"])
def test_rules_that_somebody_changes_come_back(platform: Platform, damage: str) -> None:
    before, table = rules(platform), f"inet {network_name(platform.machine.name)}"
    what = {"delete chain": " arriving", "add rule": " arriving accept"}.get(damage, "")
    # In one step, or it is half restored before it is whole.
    first = f"flush chain {table}{what}; " if damage == "delete chain" else ""
    beside.run("nft", f"{first}{damage} {table}{what}")

    def restored() -> bool:
        listed = subprocess.run(["nft", "-s", "-t", "list", "table", *table.split()], capture_output=True, text=True)
        return listed.stdout == before

    wait_until(restored, what="the rules as they were")


def test_a_foreign_source_address_goes_nowhere(platform: Platform, builders: Callable[[], Builder]) -> None:
    with held_build(platform, builders()) as (pid, address):
        other = address.rpartition(".")[0] + ".250"
        enter = ["nsenter", f"--net=/proc/{pid}/ns/net"]
        before = spoofed(platform)
        platform.run([*enter, "ip", "address", "add", f"{other}/32", "dev", "eth0"])
        send = "import socket,sys; s=socket.socket(type=2); s.bind((sys.argv[1], 0)); s.sendto(b'x', ('192.0.2.1', 9))"
        platform.run([*enter, "python3", "-c", send, other])
        wait_until(lambda: spoofed(platform) > before, what="the packet in the counter of spoofed ones")


def spoofed(platform: Platform) -> int:
    """How many packets came from addresses that do not belong where they came from."""
    table = beside.run("nft", "list", "table", "inet", network_name(platform.machine.name))
    match = re.search(r"oif missing counter packets (\d+)", table) or re.search(r"oif 0 counter packets (\d+)", table)
    assert match is not None, table
    return int(match[1])


@contextmanager
def held_build(platform: Platform, builder: Builder) -> Iterator[tuple[str, str]]:
    """The pid inside the box of a build that waits, and its address; its push is given up at the end."""
    with builder.start(hold=60) as push:
        try:
            yield holder(platform)
        finally:
            push.kill()
    wait_until(lambda: interfaces(platform) == [], 30, what="no interface of a build")


def test_a_killed_hostd_leaves_no_network(platform: Platform, builders: Callable[[], Builder]) -> None:
    builder = builders()
    with builder.start(hold=60) as push:
        holder(platform)
        platform.run(["systemctl", "kill", "--signal=KILL", "hostd.service"])
        push.communicate(timeout=60)
    wait_until(lambda: interfaces(platform) == [], 30, what="no interface of a build")
    assert list(builder.probe(urls=REGISTRIES[:1])["urls"].values()) == [200]
