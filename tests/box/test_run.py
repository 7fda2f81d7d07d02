"""One-off dynos: a command or a shell in the app's own surroundings, from the machine and over ssh."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.apps import module_app
from tests.support.estate import settled
from tests.support.formation import dynos
from tests.support.platform import Finished, Platform
from tests.support.terminal import CTRL_C, CTRL_D, CTRL_Z, open_terminal
from tests.support.waiting import wait_until

APP = "one-off-commands"
PROCFILE = "web: python3 -m http.server $PORT\nworker: echo worked with $DYNO_RAM\n"
FILES = {"Procfile": PROCFILE, "index.html": "as pushed\n"}
DOORS = ("hostctl", "ssh")
MANY = 50
SSH_FAILED = 255
"""What ssh ends with when the connection breaks."""

Door = Callable[..., Finished]


pytestmark = pytest.mark.usefixtures("running")
running = module_app(APP, FILES, config={"COLOUR": "green"})


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest, platform: Platform) -> Door:
    """A way to hostctl that works with pipes."""
    return platform.hostctl if request.param == "hostctl" else platform.ssh


@pytest.fixture(params=DOORS)
def shell(request: pytest.FixtureRequest, platform: Platform) -> list[str]:
    """The argument list of an interactive shell in a one-off dyno, to be run on a terminal."""
    words = ("run", "-a", APP, "bash --norc")
    if request.param == "hostctl":
        return platform.hostctl_command(*words)
    return platform.remote_command(*words, options=["-t"])


def test_a_shell_has_a_real_terminal_and_its_changes_are_gone_afterwards(platform: Platform, shell: list[str]) -> None:
    with open_terminal(shell, rows=33, columns=111) as terminal:
        terminal.expect("Running `bash --norc` attached to terminal... up, run.")
        terminal.expect("$ ")
        terminal.type(
            "test -t 0 -a -t 1 -a -t 2 && echo $((6 * 7)) terminals >/dev/tty; stty size; echo $DYNO $COLOUR\n"
        )
        terminal.expect("42 terminals")
        terminal.expect("33 111")
        terminal.expect("run.")
        terminal.expect(" green")
        terminal.type("echo changed >index.html; touch added; echo $(cat index.html) $(ls)\n")
        terminal.expect("changed Procfile added index.html")
        terminal.type("exit 42\n")
        assert terminal.wait() == 42
    assert (
        platform.hostctl("run", "-a", APP, "echo $(cat index.html) $(ls)").stdout == "as pushed Procfile index.html\n"
    )
    assert platform.http_get(APP, "/index.html").text == "as pushed\n"
    assert platform.http_get(APP, "/added").status == 404


def test_ctrl_c_ends_the_command_in_the_shell_and_not_the_shell(shell: list[str]) -> None:
    with open_terminal(shell) as terminal:
        terminal.expect("$ ")
        terminal.type("sh -c 'echo $((6 * 7)) reading; exec cat'\n")
        terminal.expect("42 reading")
        terminal.type(CTRL_C)
        terminal.expect("$ ")
        terminal.type("echo $((7 * 7)) lives\n")
        terminal.expect("49 lives")
        terminal.type("exit\n")
        assert terminal.wait() == 0


def test_the_terminals_new_size_reaches_the_command(shell: list[str]) -> None:
    with open_terminal(shell) as terminal:
        terminal.expect("$ ")
        terminal.type("trap 'stty size' WINCH; echo $((6 * 7)) set\n")
        terminal.expect("42 set")
        terminal.expect("$ ")
        terminal.resize(21, 77)
        terminal.expect("21 77")


def test_a_client_that_dies_takes_its_dyno_with_it(platform: Platform, shell: list[str]) -> None:
    with open_terminal(shell) as terminal:
        terminal.expect("$ ")
        wait_until(lambda: one_offs(platform))
        terminal.kill()
        wait_until(lambda: not one_offs(platform), 30)
    settled(platform)


def test_jobs_are_stopped_and_continued(shell: list[str]) -> None:
    with open_terminal(shell) as terminal:
        terminal.expect("$ ")
        terminal.type("sh -c 'echo $((6 * 7)) reading; exec cat'\n")
        terminal.expect("42 reading")
        terminal.type(CTRL_Z)
        terminal.expect("Stopped")
        terminal.expect("$ ")
        terminal.type("jobs | wc -l; fg\n")
        terminal.expect("exec cat")
        terminal.type("back\n")
        terminal.expect("back\r\nback\r\n")
        terminal.type(CTRL_D)
        terminal.expect("$ ")
        terminal.type("printf '\\033[31m%s\\033[0m\\n' red\n")
        terminal.expect("\x1b[31mred\x1b[0m")
        terminal.type("exit\n")
        assert terminal.wait() == 0


def test_a_dyno_that_does_not_hear_its_client_go_is_stopped(platform: Platform) -> None:
    command = "trap '' HUP; echo $((6 * 7)); sleep 1000"
    with open_terminal(platform.hostctl_command("run", "-a", APP, command)) as terminal:
        terminal.expect("up, run.")
        terminal.expect("42")
        (dyno,) = one_offs(platform)
        terminal.kill()
    wait_until(lambda: not one_offs(platform), 40)
    lines = platform.hostctl("logs", "-a", APP, "-d", str(dyno["name"])).stdout
    assert "Client connection closed. Sending SIGHUP to all processes" in lines
    assert "Error R16 (Detached) -> An attached dyno is continuing to run" in lines
    settled(platform)


def test_an_ssh_server_that_dies_takes_its_dynos_with_it(platform: Platform) -> None:
    argv = platform.remote_command("run", "-a", APP, "echo $((6 * 7)); exec sleep 1000")
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"42\n"
        platform.run(["pkill", "--signal=KILL", "-u", "git", "sshd"])
        wait_until(lambda: not one_offs(platform), 30)
        client.communicate()
        assert client.returncode == SSH_FAILED
    settled(platform)


def test_a_killed_hostd_is_not_noticed(platform: Platform, door: Door) -> None:
    command = "read line; echo $line; sleep 3; exit 9"
    with ThreadPoolExecutor() as pool:
        running = pool.submit(door, "run", "-a", APP, command, input="in\n", check=False)
        wait_until(lambda: [dyno["state"] for dyno in one_offs(platform)] == ["up"])
        platform.run(["systemctl", "kill", "--signal=KILL", "hostd.service"])
        done = running.result()
    assert (done.returncode, done.stdout) == (9, "in\n")
    settled(platform)


def test_fifty_sessions_that_are_cut(platform: Platform) -> None:
    argv = platform.hostctl_command("run", "-a", APP, "echo up; exec sleep 1000")
    pipe = subprocess.PIPE
    clients = [subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe) for _ in range(MANY)]
    try:
        for client in clients:
            assert client.stdout is not None
            assert client.stdout.readline() == b"up\n"
        assert len(one_offs(platform)) == MANY
    finally:
        for client in clients:
            client.kill()
            client.communicate()
    settled(platform)


def test_a_time_limit(platform: Platform) -> None:
    told = platform.hostctl("run:detached", "--json", "-a", APP, "--time-limit", "1s", "sleep 1000")
    name = json.loads(told.stdout)["name"]
    wanted = ["Its time limit of 1 s is over", "Process exited with status 143"]
    wait_until(lambda: all(line in platform.hostctl("logs", "-a", APP, "-d", name).stdout for line in wanted), 20)


def test_a_process_type_lends_its_size_and_its_command(platform: Platform) -> None:
    platform.hostctl("ps:scale", "-a", APP, "worker=0:standard-2x")
    assert platform.hostctl("run", "-a", APP, "--type", "worker").stdout == "worked with 1024\n"
    assert platform.hostctl("run", "-a", APP, "--type", "worker", "echo $DYNO_RAM").stdout == "1024\n"
    assert platform.hostctl("run", "-a", APP, "-s", "eco", "-e", "A=1;B=2", "echo $DYNO_RAM $A$B").stdout == "512 12\n"


@pytest.mark.parametrize("command, status", [("true", 0), ("kill -9 $$", 137), ("no-such-thing", 127)])
def test_the_exit_status_is_passed_on(platform: Platform, command: str, status: int) -> None:
    assert platform.hostctl("run", "-a", APP, command, check=False).returncode == status


def test_input_output_errors_and_exit_status_pass_through_pipes(door: Door) -> None:
    script = "tr a-z A-Z; echo wrong >&2; exit 7"
    done = door("run", "-a", APP, "--", "sh", "-c", script, input="right\n", check=False)
    assert (done.returncode, done.stdout) == (7, "RIGHT\n")
    assert "wrong\n" in done.stderr
    assert "RIGHT" not in done.stderr


def test_a_one_off_dyno_is_like_the_apps_others(platform: Platform) -> None:
    """Principles of management, 2015: one-off processes run in an environment identical to the app's dynos."""
    script = "import json, os; print(json.dumps([os.getuid(), os.getcwd(), sorted(os.listdir()), dict(os.environ)]))"
    done = platform.hostctl("run", "-a", APP, "--", "python3", "-c", script)
    uid, directory, files, environment = json.loads(done.stdout)
    assert (uid >= 200_000, directory, files) == (True, "/app", ["Procfile", "index.html"])
    assert {name: environment[name] for name in ("COLOUR", "HOME")} == {"COLOUR": "green", "HOME": "/app"}
    assert environment["DYNO"].startswith("run.")
    assert environment["PORT"].isdigit()


def test_run_detached_writes_to_the_log(platform: Platform, door: Door) -> None:
    told = door("run:detached", "-a", APP, "echo $COLOUR from afar; exit 5").stderr
    dyno = told.partition("detached... done, ")[2].partition("\n")[0]
    wanted = [
        f"heroku[{dyno}]: Starting process with command `echo $COLOUR from afar; exit 5`",
        f"app[{dyno}]: green from afar",
        f"heroku[{dyno}]: Process exited with status 5",
        f"heroku[{dyno}]: State changed from up to complete",
    ]

    def logged() -> bool:
        lines = platform.hostctl("logs", "-a", APP, "-d", dyno).stdout
        return all(line in lines for line in wanted)

    wait_until(logged)
    assert dyno not in platform.hostctl("ps", "-a", APP).stdout


def test_a_detached_dyno_is_seen_and_stopped(platform: Platform) -> None:
    platform.hostctl("run:detached", "-a", APP, "sleep 3600")
    (dyno,) = one_offs(platform)
    assert (dyno["state"], dyno["command"]) == ("up", "sleep 3600")
    platform.hostctl("ps:stop", "-a", APP, dyno["name"])
    assert one_offs(platform) == []
    settled(platform)


def one_offs(platform: Platform) -> list[dict[str, object]]:
    """The one-off dynos that run."""
    return [dyno for dyno in dynos(platform, APP) if dyno["type"] == "run"]
