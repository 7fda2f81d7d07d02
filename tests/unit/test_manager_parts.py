"""Small pure parts of the dyno manager."""

import re
import stat
import subprocess
from ipaddress import IPv4Network

import pytest

from hostd.deploys.lastlines import shortened
from hostd.deploys.locks import DeployLocks
from hostd.deploys.transcript import Indent, detail, problem, step
from hostd.errors import Busy, Unavailable
from hostd.manager import words
from hostd.manager.dyno import DynoId, Place, parse_description
from hostd.manager.environment import EnvironmentFiles, environment, parse, render
from hostd.manager.exits import RESTARTED, STOPPED, Exit
from hostd.manager.launcher import app_slice, launch_command
from hostd.manager.manager import app_of
from hostd.manager.places import Places
from hostd.manager.record import WallTime
from units.network import Networks

WEB = DynoId("my-app", "web", 1, 12, Place("127.0.0.1", 20001))


def test_a_dyno_is_read_back_from_its_units_description():
    assert WEB.unit == "hostd-my-app-web.1-v12.service"
    assert parse_description(WEB.description) == WEB


def test_no_two_apps_share_a_unit():
    ours, theirs = DynoId("foo-bar", "web", 1, 3, WEB.place), DynoId("foo", "bar-web", 1, 3, WEB.place)
    assert (ours.unit, theirs.unit) == ("hostd-foo-bar-web.1-v3.service", "hostd-foo-bar.web.1-v3.service")
    assert parse_description(theirs.description) == theirs


@pytest.mark.parametrize("text", ["", "hostd control plane", "my-app web.1 v12", "a b.c v1 at 127.0.0.1:1"])
def test_other_units_are_no_dynos(text):
    assert parse_description(text) is None


@pytest.mark.parametrize(
    ("written", "owner"),
    [(None, "theirs"), ({}, "theirs"), ({"app": "renamed"}, "renamed"), ({"app": "destroyed"}, None)],
)
def test_a_one_off_dyno_belongs_to_the_app_that_started_it_whatever_its_name_is_now(written, owner):
    assert app_of(WEB, {"my-app": "theirs", "new-name": "renamed"}, written) == owner


def test_an_apps_slice_is_not_nested_by_its_name():
    assert app_slice("my-app") == r"hostd-apps-my\x2dapp.slice"


def test_a_command_reaches_the_sandbox_as_one_argument():
    assert launch_command("echo $PORT; rm -rf x") == ["/bin/bash", "/.hostd/launch", "echo $PORT; rm -rf x"]


def test_the_platforms_variables_win_over_config():
    variables = environment(WEB, {"PORT": "1", "A": "b", "LOGNAME": "me"}, {"TERM": "xterm"}, memory=512 << 20)
    assert variables["PORT"] == "20001"
    assert variables["DYNO"] == variables["PS"] == "web.1"
    assert (variables["A"], variables["TERM"], variables["HOME"]) == ("b", "xterm", "/app")
    assert (variables["USER"], variables["LOGNAME"]) == ("app", "me")


def test_a_dyno_is_told_its_memory_unless_the_owner_says_another():
    assert environment(WEB, {}, memory=2560 << 20)["DYNO_RAM"] == "2560"
    assert environment(WEB, {"DYNO_RAM": "300"}, memory=2560 << 20)["DYNO_RAM"] == "300"


def test_values_are_quoted_as_systemd_reads_them():
    assert render({"B": 'say "hi" for $5 `now` \\ then', "A": "two\nlines"}) == (
        'A="two\nlines"\nB="say \\"hi\\" for \\$5 \\`now\\` \\\\ then"\n'
    )


def test_environment_files_are_for_root_only(tmp_path):
    files = EnvironmentFiles(tmp_path / "env")
    path = files.write("a.service", {"SECRET": "x"})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert files.units() == ["a.service"]
    files.remove("a.service")
    files.remove("a.service")
    assert files.units() == []


def test_a_place_given_back_is_used_again_last(tmp_path):
    places = Places(Networks(name="b5", prefix=IPv4Network("10.9.8.0/24"), run_dir=tmp_path), 20000)
    first = places.take()
    assert first == Place("10.9.8.2", 20000)
    places.give_back(first)
    assert [places.take().address for _ in range(253)] == [f"10.9.8.{number}" for number in [*range(3, 255), 2]]
    with pytest.raises(Unavailable, match=r"all 253 .* larger network_prefix in /etc/hostd/hostd\.toml"):
        places.take()


def test_one_deploy_at_a_time():
    locks = DeployLocks()
    with locks.hold("app", "kate is deploying"):
        with pytest.raises(Busy, match="kate is deploying"), locks.hold("app", "liz is deploying"):
            pass
        with locks.hold("other", "liz is deploying"):
            assert locks.holder("other") == "liz is deploying"
    assert locks.holder("app") is None


def test_the_words_of_a_push():
    assert step("Launching... done, v12") == b"-----> Launching... done, v12\n"
    assert detail("http://x/") == b"       http://x/\n"
    assert problem("one\ntwo") == b" !     one\n !     two\n"


@pytest.mark.parametrize("cut", range(1, 9))
def test_output_is_indented_wherever_it_is_cut(cut):
    text, indent = b"one\n\ntwo\xff\nno end", Indent()
    pieces = [indent(text[start : start + cut]) for start in range(0, len(text), cut)]
    assert b"".join([*pieces, indent.end()]) == b"       one\n       \n       two\xff\n       no end\n"
    assert Indent().end() == b""


def test_a_last_line_is_shown_short_and_harmless():
    assert shortened("Traceback: \x1b[2Jno \x1b[31mred\x1b[0m") == "Traceback: \\e[2Jno \x1b[31mred\x1b[0m"
    assert shortened("x" * 300) == "x" * 300
    assert shortened("x" * 10_000_000) == "x" * 300 + "..."


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (Exit(1, "exit-code"), "exit status 1"),
        (Exit(0, "success"), "exit status 0"),
        (Exit(143, "success"), "exit status 143, killed by SIGTERM"),
        (Exit(127, "exit-code"), "exit status 127, command not found"),
        (Exit(139, "exit-code"), "exit status 139, as of a process killed by SIGSEGV"),
        (Exit(137, "signal"), "killed by SIGKILL"),
        (Exit(139, "core-dump"), "killed by SIGSEGV, core dumped"),
        (Exit(143, "timeout"), "did not end in time"),
        (Exit(0, STOPPED), "stopped from outside hostd"),
        (Exit(0, RESTARTED), "restarted from outside hostd"),
        (Exit(137, "oom-kill"), "out of memory, R15"),
        (Exit(1, "the slug store is full"), "the slug store is full"),
    ],
)
def test_an_end_is_told_in_a_few_words(end, reason):
    assert end.reason == reason


def test_a_clock_that_is_set_moves_what_is_shown_and_nothing_else():
    clocks = {"wall": 1_000_000.0, "monotonic": 50.0}
    wall_time = WallTime(lambda: clocks["wall"], lambda: clocks["monotonic"])
    assert wall_time(40.0) == 999_990.0
    clocks["wall"] += 0.9
    assert wall_time(40.0) == 999_990.0
    clocks["wall"] += 3600
    assert wall_time(40.0) == 1_003_590.9
    clocks["wall"] -= 7200
    assert wall_time(40.0) == 996_390.9


def test_the_log_says_how_a_dyno_ended_as_heroku_does():
    assert words.ended(Exit(1, "exit-code")) == ["Process exited with status 1"]
    assert words.ended(Exit(1, "the slug is gone")) == ["Process exited with status 1"]
    assert words.ended(Exit(134, "core-dump")) == ["Process exited with status 134 (killed by SIGABRT, core dumped)"]
    assert words.ended(Exit(127, "exit-code")) == ["Process exited with status 127 (command not found)"]
    assert words.ended(Exit(0, STOPPED)) == ["Stopped from outside hostd, as with systemctl stop"]
    assert words.ended(Exit(137, "oom-kill")) == [
        "Error R15 (Memory quota vastly exceeded)",
        "Stopping process with SIGKILL",
        "Process exited with status 137",
    ]
    assert words.boot_timeout(60)[0] == (
        "Error R10 (Boot timeout) -> Web process failed to bind to $PORT within 60 seconds of launch"
    )
    assert words.exit_timeout(30.0)[0] == (
        "Error R12 (Exit timeout) -> At least one process failed to exit within 30 seconds of SIGTERM"
    )


def test_what_systemd_calls_invalid_reaches_the_launcher_in_another_form():
    odd = {"A": "a\\b \uffff $?", "B": "plain \\0101", "HOSTD_COMMAND": 'echo "\U0001fffe\ufdd0"'}
    text = render(odd)
    assert text.isascii() and parse(text) == odd
    # As the launcher does it, but for systemd's quotes.
    quoted = re.search('^HOSTD_QUOTED_A="(.*)"$', text, re.MULTILINE)[1].replace("\\\\", "\\").replace("\\$", "$")
    shown = subprocess.run(["bash", "-c", "printf %b \"$1\"", "bash", quoted], check=True, capture_output=True)
    assert shown.stdout.decode() == odd["A"]
