"""The network of a dyno: the outside yes; this machine, other dynos and metadata no; its $PORT for the router."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hostd.box.network import network_name
from tests.support import beside
from tests.support.network_probe import HELD
from tests.support.outside import outside
from tests.support.platform import Platform
from tests.support.waiting import wait_until

SUPPORT = Path(__file__).parents[1] / "support"
FILES = {
    "Procfile": "web: exec python3 probing.py\n",
    "probing.py": (SUPPORT / "probing.py").read_text(),
    "network_probe.py": (SUPPORT / "network_probe.py").read_text(),
}
METADATA = ("169.254.169.254", "100.100.100.200", "168.63.129.16", "fd00:ec2::254")
NO = {"EHOSTUNREACH", "ECONNREFUSED", "ENETUNREACH", "EACCES", "EADDRNOTAVAIL", "timed out"}
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)"


@dataclass(frozen=True)
class App:
    """An app whose web dynos try what they are asked to."""

    platform: Platform
    name: str

    @property
    def unit(self) -> str:
        """The unit of its first web dyno."""
        return f"hostd-{self.name}-web.1-v2.service"

    def page(self) -> dict[str, Any]:
        """What a dyno says of itself, if one answers."""
        answer = self.platform.http_get(self.name)
        assert answer.status == 200, answer.text
        return dict(json.loads(answer.body))

    def tries(self, **tries: object) -> dict[str, Any]:
        """What came of trying."""
        answer = self.platform.http_get(self.name, method="POST", body=json.dumps(tries).encode())
        assert answer.status == 200, answer.text
        return dict(json.loads(answer.body))

    def pid(self) -> str:
        """The pid inside the box of the first web dyno."""
        return self.platform.run(["systemctl", "show", "--property=MainPID", "--value", self.unit]).stdout.strip()

    def log(self) -> str:
        """What its log says."""
        return self.platform.hostctl("logs", "-a", self.name, "-n", "200").stdout

    def interface(self) -> str:
        """The machine's end of the first web dyno's network."""
        holder = self.unit.removesuffix(".service")
        found = beside.interfaces(network_name(self.platform.machine.name)).items()
        return next(interface for interface, whose in found if whose == holder)


@contextmanager
def deployed(platform: Platform, folder: Path) -> Iterator[App]:
    """A new app of one web dyno."""
    name = f"net-{uuid.uuid4().hex[:8]}"
    platform.hostctl("apps:create", name)
    try:
        platform.push(platform.commit(FILES, folder / name), name)
        yield App(platform, name)
    finally:
        platform.hostctl("apps:destroy", "-a", name, "--confirm", name, check=False)


@pytest.fixture(scope="module")
def app(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with deployed(platform, tmp_path_factory.mktemp("app")) as app:
        yield app


@pytest.fixture(scope="module")
def other(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with deployed(platform, tmp_path_factory.mktemp("other")) as app:
        yield app


@pytest.fixture(scope="module")
def port(platform: Platform) -> int:
    """The port of all dynos."""
    return int(settings(platform)["dyno_port"])


@pytest.fixture(scope="module")
def gateway(platform: Platform) -> str:
    """The machine's address on the cables."""
    return str(settings(platform)["network_prefix"]).replace(".0.0/16", ".0.1")


def settings(platform: Platform) -> dict[str, Any]:
    return tomllib.loads(platform.run(["cat", "/etc/hostd/hostd.toml"]).stdout)


def test_nothing_of_this_machine_and_no_other_dyno_answers(
    platform: Platform, app: App, other: App, port: int, gateway: str
) -> None:
    victim = str(other.page()["address"])
    with beside.listening() as service:
        ports = [service.port, platform.http_port, platform.ssh_port]
        assert [beside.connects("127.0.0.1", each) for each in ports] == [True] * 3
        service.came()
        machine = [*beside.own_addresses(), gateway]
        found = app.tries(
            tcp=[
                *([address, each] for address in machine for each in ports),
                *([address, 80] for address in METADATA),
                *([victim, each] for each in (port, HELD)),
            ],
            udp=[[address, service.port] for address in [*machine, "255.255.255.255"]],
        )
        came = service.came()
    assert {place: result for place, result in found["tcp"].items() if result not in NO} == {}
    assert came == []
    assert (found["interfaces"], found["sysfs"]) == (["eth0", "lo"], [])


def test_a_port_scan_finds_nothing(app: App, gateway: str) -> None:
    reached = next(address for address in beside.own_addresses() if "." in address and not address.startswith("127."))
    found = app.tries(scan=[[gateway, 1, 3000], [reached, 1, 3000], ["127.0.0.1", HELD - 9, HELD + 9]])
    assert found["open"] == [[], [], [HELD]]


def test_names_and_the_outside_are_there(app: App, tmp_path: Path) -> None:
    (tmp_path / "page").write_text("outside")
    with outside(tmp_path) as url:
        found = app.tries(names=["pypi.org"], urls=[f"{url}/page"])
    assert re.fullmatch(r"[\d.]+", found["names"]["pypi.org"])
    assert list(found["urls"].values()) == [200]


def scene(name: str, folder: Path) -> dict[str, Any]:
    """What came of it on a machine that is made for it, with rules of its own."""
    argv = ["unshare", "--net", sys.executable, "-m", f"tests.support.{name}", str(folder)]
    return dict(json.loads(subprocess.run(argv, cwd=SUPPORT.parents[1], check=True, capture_output=True).stdout))


def test_with_ipv6_there_is_a_way_out_and_none_in(tmp_path: Path) -> None:
    found = scene("ipv6_scene", tmp_path)
    assert found.pop("outside") == "2001:db8::2"
    assert {name: came for name, came in found.items() if came not in NO} == {}


def test_what_got_out_while_all_rules_were_cleared_ends_when_they_are_back(tmp_path: Path) -> None:
    """`nft flush ruleset`, which here would clear the rules of others too."""
    found = scene("flush_scene", tmp_path)
    before, away = found["begun before"], found["begun while away"]
    forbidden = {"machine", "gateway", "other"}
    assert found["restored"]
    assert {name for name, came in before.items() if came == "refused"} == forbidden
    assert (before["outside"], before["router"], away["router"]) == ("heard", "heard", ["connected", "heard"])
    assert [away[name] for name in sorted(forbidden)] == [["connected", "silent"]] * 3
    assert (found["others' rules"], found["tables"]) == (True, ["table inet theirs", "table inet b5"])


def test_a_one_off_dyno_is_in_a_network_of_its_own_too(platform: Platform, app: App) -> None:
    command = ["python3", "network_probe.py", "{}"]
    said = platform.hostctl("run", "-a", app.name, "--", *command).stdout
    found = json.loads(said.partition("probe: ")[2])
    assert found["address"] != app.page()["address"]
    assert found["interfaces"] == ["eth0", "lo"]


@pytest.mark.parametrize(("user", "may"), [("hostd-router", True), ("root", True), ("nobody", False), ("git", False)])
def test_only_the_router_and_root_come_in_and_by_one_port(
    platform: Platform, app: App, port: int, user: str, may: bool
) -> None:
    address = str(app.page()["address"])
    connect = ["runuser", "-u", user, "--", "python3", "-c", CONNECT, address]
    done = [platform.run([*connect, str(each)], check=False) for each in (port, HELD)]
    assert [each.returncode == 0 for each in done] == [may, False]


def test_what_is_for_a_dyno_that_is_gone_stays_on_the_machine(platform: Platform, app: App) -> None:
    """By the default route somebody else would be asked, who may answer: here the way out of the machine does."""
    nobody = f"{str(app.page()['address']).rpartition('.')[0]}.254"
    tried = platform.run(["python3", "-c", CONNECT, nobody, "20000"], check=False)
    assert "No route to host" in tried.stderr


def test_a_killed_hostd_takes_no_network_away(platform: Platform, app: App) -> None:
    before, interface = app.page(), app.interface()
    platform.run(["systemctl", "kill", "--signal=KILL", "hostd.service"])
    assert app.page() == before
    wait_until(lambda: platform.hostctl("ps", "-a", app.name, check=False).returncode == 0, 30, what="hostd")
    assert (app.page(), app.interface()) == (before, interface)


def test_systemd_restarts_a_dyno_while_hostd_is_down(platform: Platform, app: App) -> None:
    before = app.page()
    platform.run(["systemctl", "stop", "hostd.service"])
    try:
        platform.run(["kill", "-9", app.pid()])

        def restarted() -> dict[str, Any]:
            pid = app.pid()
            assert pid not in ("0", "")
            return app.page()

        after = wait_until(restarted, 30, what="the dyno that systemd restarts")
    finally:
        platform.run(["systemctl", "start", "hostd.service"])
    assert after["address"] == before["address"]
    wait_until(lambda: "systemd restarted it" in app.log(), 30, what="a word of it in the log")
    assert app.page()["address"] == before["address"]


def test_what_keeps_networks_may_end(platform: Platform, app: App) -> None:
    link = f"/run/hostd/networks/{app.unit.removesuffix('.service')}"
    before = platform.run(["readlink", link]).stdout
    platform.run(["systemctl", "kill", "--signal=KILL", "hostd-networks.service"])

    def handed_over() -> bool:
        there = platform.run(["test", "-e", link], check=False).returncode == 0
        return there and platform.run(["readlink", link]).stdout != before

    wait_until(handed_over, 30, what="the network in the hands of the next")


@pytest.mark.parametrize("by_hand", [("link", "delete"), ("link", "set", "down")])
def test_a_dyno_whose_network_is_taken_away_gets_another(app: App, by_hand: tuple[str, ...]) -> None:
    before = app.page()
    beside.run("ip", *by_hand[:2], "dev", app.interface(), *by_hand[2:])

    wait_until(lambda: app.page()["address"] != before["address"], 30, what="the dyno with another network")
    assert "heroku[web.1]: Its network is gone" in app.log()


def test_rules_that_somebody_deletes_come_back_while_dynos_serve(platform: Platform, app: App, other: App) -> None:
    table = ["table", "inet", network_name(platform.machine.name)]
    before = beside.run("nft", "-s", "-t", "list", *table)
    beside.run("nft", "delete", *table)
    assert app.page()

    def restored() -> bool:
        listed = subprocess.run(["nft", "-s", "-t", "list", *table], capture_output=True, text=True, check=False)
        return listed.stdout == before

    wait_until(restored, what="the rules as they were")
    assert app.tries(tcp=[[other.page()["address"], HELD]])["tcp"].popitem()[1] in NO


def test_nothing_is_left_of_a_destroyed_app(platform: Platform, tmp_path: Path) -> None:
    with deployed(platform, tmp_path) as gone:
        assert gone.interface()
    name = network_name(platform.machine.name)
    wait_until(lambda: not any(gone.name in holder for holder in beside.interfaces(name).values()), what="no network")
    assert gone.name not in platform.run(["ls", "/run/hostd/networks"]).stdout
