"""What users get of an app's log: by time, pattern and process, over hostctl, ssh and the API, whatever breaks."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.platform import Platform
from tests.support.waiting import wait_until

_BASE, _MARK, _MAIN = Path(__file__).with_name("logs_scenarios.py").read_text().partition('if __name__ == "__main__":')
_MORE = Path(__file__).with_name("logs_reading_scenarios.py").read_text()
_IMPORTS = "from datetime import datetime\n\nfrom hostd.logplex.rendering import Form\n"
SCENARIOS = _BASE + _IMPORTS + _MORE + _MARK + _MAIN

PROCFILE = "web: exec python3 -m http.server $PORT\n"
COUNTING = "for i in $(seq {count}); do echo seq $i; ((i % {step})) || sleep 0.02; done"
Scenario = Callable[[str], Any]


@pytest.fixture
def logging(platform: Platform, app: str, tmp_path: Path) -> str:
    """An app that can run commands."""
    (tmp_path / "Procfile").write_text(PROCFILE)
    platform.hostctl("deploy", str(tmp_path), "-a", app)
    return app


def detached(platform: Platform, app: str, command: str) -> str:
    """Run a command whose output goes to the log; the name of its dyno."""
    return str(json.loads(platform.hostctl("run:detached", "--json", "-a", app, "--", command).stdout)["name"])


def texts(rows: str) -> list[str]:
    return [row.partition(": ")[2] for row in rows.splitlines()]


def test_lines_are_found_by_their_time(scenario: Scenario) -> None:
    assert scenario("spans") == {
        "since": ["4", "5", "6"],
        "until": ["1", "2"],
        "between": ["2", "3", "4", "5"],
        "the last of them": ["4", "5"],
        "before all": [],
        "after all": [],
        "not one": [],
        "nobody": [],
    }


def test_lines_are_found_by_their_text_however_far_back(scenario: Scenario) -> None:
    router = "at=info method=GET request_id=4f1c-77 status=503"
    assert scenario("searches")["found"] == {
        "pattern": [router],
        "any case": ["KeyError: 7"],
        "request": [router],
        "type": [router],
        "all but": ["KeyError: 7"],
    }


def test_a_pattern_that_would_run_away_is_stopped_and_said(scenario: Scenario) -> None:
    found = scenario("runaway")
    assert "The search was stopped" in found["kept"][0] and "The search was stopped" in found["tail"][0]
    assert found["tail ended"] and len(found["others"]) == 2


def test_nothing_in_a_line_can_harm_a_terminal(scenario: Scenario) -> None:
    found = scenario("harmless")
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", found["shown"])
    assert found["shown"].startswith("bell\\a \\e]0;title\\a \\e[2J caf\N{REPLACEMENT CHARACTER} ")
    assert found["nul"] == ["nul\\0 from the platform"]
    raw = bytes.fromhex(found["raw"])
    assert raw.startswith(b"bell\a \x1b]0;title\a \x1b[2J caf\xe9 ")
    assert sum(found["pieces"]) == 100_000 and max(found["pieces"]) == 10_000
    assert found["trace"] == ["Traceback:", "  in main", "KeyError"]
    assert found["json"] == ["Traceback:\n  in main\nKeyError"]
    assert found["only its last rows"] == ["  in main", "KeyError"]


def test_a_vacuumed_journal_is_followed_on_and_its_loss_is_told(scenario: Scenario) -> None:
    assert scenario("vacuumed") == {"tail": True, "told": True, "then": ["two", "after", "END"]}


def test_two_hundred_readers_of_one_log(scenario: Scenario) -> None:
    found = scenario("many")
    assert found["all"] == 199
    assert found["idle"] < 0.2 and found["pss_mb"] < 100, found


@pytest.mark.thorough
def test_a_hundred_readers_of_a_hundred_logs(scenario: Scenario) -> None:
    found = scenario("hundred")
    assert found["wrong"] == []
    assert found["idle"] < 0.2 and found["pss_mb"] < 100, found


def test_a_process_that_ends_at_once_loses_none_of_its_thousand_lines(platform: Platform, logging: str) -> None:
    dyno = detached(platform, logging, "seq 1000")

    def ended() -> list[str] | None:
        said = texts(platform.hostctl("logs", "-n", "2000", "-d", dyno, "-a", logging).stdout)
        return said if "Process exited with status 0" in said else None

    # On a busy machine hostd hears only then that it runs.
    said = [text for text in wait_until(ended, 30) if not text.startswith("State changed ")]
    first = said.index("1")
    assert said[first : first + 1001] == [*map(str, range(1, 1001)), "Process exited with status 0"]


def test_filters_over_hostctl_ssh_and_the_api(platform: Platform, logging: str) -> None:
    app = logging
    platform.http_get(app, "/nothing-here")
    wait_until(lambda: "nothing-here" in platform.hostctl("logs", "-p", "router", "-a", app).stdout, 30)
    everything = platform.hostctl("logs", "-a", app, "-n", "1000").stdout.splitlines()
    sources = {re.findall(r"^\S+ (\w+)\[([\w-]+)", row)[0] for row in everything}
    assert {("heroku", "api"), ("heroku", "web"), ("heroku", "router"), ("app", "web")} <= sources

    def found(*words: str) -> list[str]:
        over_ssh = platform.ssh("logs", "-a", app, *words).stdout
        assert platform.hostctl("logs", "-a", app, *words).stdout == over_ssh
        return over_ssh.splitlines()

    assert found("-p", "router") == [row for row in everything if " heroku[router]: " in row]
    assert found("-p", "router", "-d", "api", "-n", "1000") == [
        row for row in everything if " heroku[router]: " in row or " heroku[api]: " in row
    ]
    assert found("-p", "-web", "-n", "1000") == [row for row in everything if "[web.1]: " not in row]
    assert found("-s", "app", "--since", "1h") == [row for row in everything if " app[" in row]
    assert found("--grep", "NOTHING-here", "-i") == [row for row in everything if "nothing-here" in row]
    request = json.loads(found("--json", "-p", "router", "-n", "1")[0])["request"]
    assert (request["path"], request["status"]) == ("/nothing-here", 404)
    assert found("--request-id", request["request_id"], "-p", "router") == found("-p", "router")
    at = everything[5].partition(" ")[0]
    assert found("--until", at) == [row for row in everything if row.partition(" ")[0] <= at]
    for words, status in ((["--grep", "(a"], 1), (["--since", "soon"], 2), (["-p", "we b"], 2)):
        refused = platform.hostctl("logs", "-a", app, *words, check=False)
        assert refused.returncode == status and refused.stderr.startswith(" !    ") and not refused.stdout


def test_a_tail_survives_kill_9_of_the_logplex_without_a_gap_or_a_repeat(platform: Platform, logging: str) -> None:
    command = platform.hostctl_command("logs", "--tail", "-n", "0", "-p", "run", "-g", "^seq", "-a", logging)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as tail:
        try:
            assert tail.stdout is not None
            detached(platform, logging, COUNTING.format(count=3000, step=20))
            numbers: list[int] = []
            while len(numbers) < 3000:
                numbers.append(int(tail.stdout.readline().split()[-1]))
                if len(numbers) in (500, 1200, 1900):
                    platform.run(["systemctl", "kill", "--signal=KILL", "hostd-logplex"])
            assert numbers == list(range(1, 3001))
        finally:
            tail.send_signal(signal.SIGINT)
            _, said = tail.communicate(timeout=30)
    assert "The log stream broke off" in said and "The log stream goes on" in said


def test_fifteen_hundred_lines_outlive_a_restart_and_another_release(platform: Platform, logging: str) -> None:
    dyno = detached(platform, logging, "seq 1500")
    only = ["-n", "1500", "-d", dyno, "-s", "app", "-a", logging]
    wait_until(lambda: len(platform.hostctl("logs", *only).stdout.splitlines()) == 1500, 60)
    platform.hostctl("ps:restart", "-a", logging)
    platform.hostctl("config:set", "A=b", "-a", logging)
    platform.run(["systemctl", "restart", "hostd-logplex"])
    assert texts(platform.hostctl("logs", *only).stdout) == [str(number) for number in range(1, 1501)]


def test_a_tail_ends_with_its_app_and_says_why(platform: Platform) -> None:
    platform.hostctl("apps:create", "soongone")
    command = platform.hostctl_command("logs", "--tail", "-a", "soongone")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None and "Initial release" in tail.stdout.readline()
        platform.hostctl("apps:destroy", "-a", "soongone", "--confirm", "soongone")
        _, said = tail.communicate(timeout=30)
    assert tail.returncode == 1 and "Couldn't find that app: 'soongone'" in said


def test_a_silent_tail_over_ssh_ends_with_its_reader(platform: Platform, logging: str) -> None:
    def open_streams() -> int:
        return int(platform.run(["sh", "-c", "ss -x | grep -c logplex.sock || true"]).stdout)

    before = open_streams()
    with subprocess.Popen(
        platform.remote_command("logs", "--tail", "-n", "1", "-a", logging), stdout=subprocess.PIPE
    ) as tail:
        assert tail.stdout is not None and tail.stdout.readline()
        assert open_streams() > before
        tail.kill()
    wait_until(lambda: open_streams() == before, 30)


def test_the_reader_of_a_pipe_may_leave_at_any_time(platform: Platform, logging: str) -> None:
    command = platform.hostctl_command("logs", "--tail", "-n", "5", "-a", logging)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as tail:
        assert tail.stdout is not None and tail.stderr is not None
        assert tail.stdout.readline()
        tail.stdout.close()
        assert tail.stderr.read() == b"" and tail.wait(30) == 0
