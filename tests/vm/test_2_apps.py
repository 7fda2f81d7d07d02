"""An app on the server: pushed from outside, scaled, asked, looked at, run in; and shut in."""

from __future__ import annotations

import re

from tests.support.apps import Deployed
from tests.support.estate import settled
from tests.support.platform import Platform
from tests.support.terminal import open_terminal
from tests.support.waiting import patient, wait_until
from tests.vm.conftest import SHOP

EXPOSURE = 1.5


def test_a_push_from_outside_is_launched_and_answers(shop: Deployed) -> None:
    assert "-----> Launching... done, v3" in shop.pushed
    assert shop.get("/door").text.startswith(f"{SHOP} GET /door \nv3 web.")
    wait_until(lambda: {shop.get().text.split()[4] for _ in range(8)} == {"web.1", "web.2"}, what="both web dynos")


def test_all_is_as_the_ledger_says(platform: Platform, shop: Deployed) -> None:
    settled(platform)
    assert re.search(r"^dynos +ok +4 dynos, 4 up", platform.hostctl("status").stdout, re.MULTILINE)


def test_one_off_dynos_and_visits(platform: Platform, shop: Deployed) -> None:
    ran = platform.ssh("run", "-a", SHOP, "--", "read word; echo $word by $DYNO; exit 7", input="hello\n", check=False)
    assert (ran.returncode, re.sub(r"\d+", "N", ran.stdout)) == (7, "hello by run.N\n")
    assert shop.hostctl("ps:exec", "--", "echo $DYNO").endswith("web.1\n")


def test_the_log_is_a_stream(platform: Platform, shop: Deployed) -> None:
    with open_terminal(platform.remote_command("logs", "-t", "-p", "worker", "-a", SHOP)) as terminal:
        terminal.expect("app[worker.1]: worker.1 is working", patient(30))
        shop.hostctl("ps:restart", "worker")
        for line in ("heroku[worker.1]: State changed from up to down", "app[worker.1]: worker.1 is working"):
            terminal.expect(line, patient(30))


def test_dynos_are_confined(platform: Platform, shop: Deployed) -> None:
    units = platform.run(["systemctl", "list-units", "--plain", "--no-legend", f"hostd-{SHOP}-*.service"]).stdout
    dynos = [line.split()[0] for line in units.splitlines()]
    assert len(dynos) == 3
    for unit in (*dynos, "hostd-router@1.service", "hostd-logplex.service"):
        said = platform.run(["systemd-analyze", "security", "--no-pager", unit]).stdout
        found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
        assert found is not None
        assert float(found[1]) <= (EXPOSURE if unit in dynos else EXPOSURE + 1), said
