"""Losses on this machine, provoked: what a dyno wrote beyond its rate (L12), what no journald took (L13)."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
from collections.abc import Iterator

import pytest

from tests.support.counting import tail
from tests.support.platform import Platform
from tests.support.settings import settings
from tests.support.waiting import wait_until

APP = "log-codes"
FILES: dict[str, str | bytes] = {
    "Procfile": "worker: sleep 100000\n",
    "write.sh": "seq -f %01000g $1; shift; eval \"$*\"\n",
}
"""journald learns a dyno's limit from its unit, and takes all of one that is gone before it has read a line. So lines
are long: they do not all fit into the socket, and the dyno ends when journald has read some."""
WRITTEN = 20_000
RATE = 20
"""Lines a second; journald allows some multiple of it, as the disk has room (journald.conf(5), RateLimitBurst=)."""
VISITS = 6000
_L12 = re.compile(r"\S+ heroku\[logplex\]: Error L12 \([^)]*\) -> (\d+) messages of (\S+) dropped since .*")


@pytest.fixture(scope="module", autouse=True)
def namespace(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The journal namespace of an app whose dynos may log little."""
    with settings(platform, log_rate=RATE):
        platform.hostctl("apps:create", APP)
        try:
            platform.push(platform.commit(FILES, tmp_path_factory.mktemp("codes") / "app"), APP)
            app_id = json.loads(platform.hostctl("apps:info", "-a", APP, "--json").stdout)["app"]["id"]
            yield f"hostd-{app_id}"
        finally:
            platform.hostctl("apps:destroy", "-a", APP, "--confirm", APP)


def detached(platform: Platform, command: str) -> str:
    """The name of a one-off dyno that runs a command."""
    told = platform.hostctl("run:detached", "-a", APP, "--", command).stderr
    return told.partition("detached... done, ")[2].partition("\n")[0]


def rows(platform: Platform, *words: str) -> list[str]:
    """The app's log."""
    return platform.hostctl("logs", "-a", APP, "-n", "10000", *words).stdout.splitlines()


def kept_and_lost(platform: Platform, process: str, *words: str) -> tuple[int, int]:
    """How many lines of a dyno are in its log, and how many are said to be lost."""
    log = rows(platform, *words)
    lost = sum(int(match[1]) for match in map(_L12.fullmatch, log) if match and match[2] == process)
    return sum(f"app[{process}]: " in row for row in log), lost


def told_of_all(platform: Platform, process: str, *words: str) -> bool:
    """Whether what is in a dyno's log and what is said to be lost is all that it wrote."""
    kept, lost = kept_and_lost(platform, process, *words)
    assert kept + lost == WRITTEN, f"{kept} lines kept, {lost} told as lost"
    return True


@pytest.mark.parametrize("words", [(), ("-s", "app"), ("-p", "run")], ids=["all", "of the app", "of the type"])
def test_a_dyno_that_writes_too_much_and_ends_is_told_what_was_dropped(
    platform: Platform, words: tuple[str, ...]
) -> None:
    with tail(platform, APP, *words) as heard:
        process = detached(platform, f"bash write.sh {WRITTEN} true")
        wait_until(lambda: told_of_all(platform, process, *words), 30)
        _, lost = kept_and_lost(platform, process, *words)
        assert lost > WRITTEN / 2
        wait_until(lambda: heard.said_lost == lost, 10)


def test_a_dyno_that_goes_on_is_told_before_its_next_line(platform: Platform) -> None:
    process = detached(platform, f"bash write.sh {WRITTEN} 'sleep 12; echo again; sleep 1000'")
    wait_until(lambda: any(row.endswith(f"app[{process}]: again") for row in rows(platform)), 30)
    log = [row for row in rows(platform) if f"app[{process}]" in row or f"of {process} dropped" in row]
    assert log[-1].endswith(": again") and _L12.fullmatch(log[-2])
    kept, lost = kept_and_lost(platform, process)
    assert kept + lost == WRITTEN + 1
    for words in (("-p", "logplex"), ("-g", "L12"), ("-s", "heroku", "-p", "logplex")):
        assert kept_and_lost(platform, process, *words) == (0, lost), words
    assert kept_and_lost(platform, process, "-p", "-logplex") == (kept, 0)
    platform.hostctl("ps:stop", process, "-a", APP)


def test_a_dyno_that_writes_little_ends_without_a_word_of_loss(platform: Platform) -> None:
    process = detached(platform, "seq 10")
    end = f"heroku[{process}]: State changed from up to complete"
    wait_until(lambda: any(end in row for row in rows(platform)), 30)
    assert kept_and_lost(platform, process) == (10, 0)


def test_what_was_dropped_is_in_the_metrics_as_often_as_it_was_told(platform: Platform) -> None:
    process = detached(platform, f"bash write.sh {WRITTEN} true")
    wait_until(lambda: told_of_all(platform, process), 30)
    told = sum(_L12.fullmatch(row) is not None for row in rows(platform, "-s", "heroku"))

    def counted() -> tuple[int, int]:
        found = json.loads(platform.hostctl("metrics", "--since", "1h", "--json", "-a", APP).stdout)
        dynos = [dyno["codes"].get("L12", 0) for dyno in found["dynos"] if dyno["name"] == "run"]
        return int(found["total"]["codes"].get("L12", 0)), sum(dynos)

    wait_until(lambda: counted() == (told, told), 60)
    sample = f'hostd_codes_total{{app="{APP}",dyno="run",code="L12"}}'
    assert sample in platform.hostctl("metrics:prometheus").stdout


def visit(platform: Platform, times: int) -> None:
    """Ask for a page so many times, over one connection: nobody answers but the router."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", platform.http_port, timeout=30)) as connection:
        for _ in range(times):
            connection.request("GET", "/", headers={"Host": f"{APP}.localhost"})
            answer = connection.getresponse()
            assert answer.status == 503
            answer.read()


def test_what_no_journald_took_is_told_when_it_is_back(platform: Platform, namespace: str) -> None:
    """journald is stopped in its tracks, and visitors come: the router says how many of its lines are lost."""
    platform.http_get(APP)
    wait_until(lambda: any("heroku[router]: " in row for row in rows(platform)), 20)
    with tail(platform, APP, "-s", "heroku") as heard:
        journald = f"systemd-journald@{namespace}.service"
        platform.run(["systemctl", "kill", "--signal=STOP", journald])
        try:
            visit(platform, VISITS)
        finally:
            platform.run(["systemctl", "kill", "--signal=CONT", journald])
        for _ in range(4):  # each worker tells what it has lost with its next line
            platform.http_get(APP)
        wait_until(lambda: heard.processes["router"] + heard.said_lost >= VISITS, 30)
    assert any("Error L13 (Local delivery error)" in text for text in heard.told)
    assert heard.processes["router"] + heard.said_lost == VISITS + 4
