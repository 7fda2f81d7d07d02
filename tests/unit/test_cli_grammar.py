"""Words, flags, names and near misses of the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cli_fakes import as_a_program, hostctl

from hostd.cli.command import Usage, parse
from hostd.cli.index import ALIASES, COMMANDS, everything, find, old_names

HEAVY = {"aiohttp", "asyncio", "argparse", "cryptography", "importlib.metadata", "sqlite3", "subprocess", "tabulate"}


def test_flags_may_stand_anywhere_in_every_spelling():
    scale = find("ps:scale")
    for line in (
        ["web=2", "-a", "hello", "--json"],
        ["-ahello", "-j", "web=2"],
        ["--app=hello", "web=2", "-j"],
        ["-ja", "hello", "--", "web=2"],
        ["--app", "wrong", "-a=hello", "-j", "web=2"],
    ):
        parsed = parse(scale, line)
        assert (parsed.words, parsed.values) == (["web=2"], {"app": ["hello"], "json": ["yes"]}), line


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("ps", ["--nope"], "There is no flag --nope."),
        ("ps", ["-x"], "There is no flag -x."),
        ("ps", ["-a"], "The flag -a needs a value: -a APP."),
        ("ps", ["--json=1"], "The flag --json takes no value."),
        ("config:set", [], "KEY=VALUE is missing."),
        ("apps:create", ["a", "b"], "'b' is one word too many."),
        ("run:inside", ["-a", "hello", "web.1"], "COMMAND is missing."),
        ("rollback", [""], "RELEASE is empty."),
        ("apps:create", [""], "NAME is empty."),
        ("config:unset", ["A", ""], "KEY is empty."),
        ("apps:destroy", ["-a", ""], "The flag --app is empty."),
        ("ps", ["--remote="], "The flag --remote is empty."),
    ],
)
def test_a_wrong_line_says_which_part(name, line, message):
    with pytest.raises(Usage) as caught:
        parse(find(name), line)
    assert str(caught.value) == message


def test_run_hands_the_rest_of_the_line_on():
    run = find("run")
    assert parse(run, ["-a", "hello", "ls", "-a", "--", "-x"]).words == ["ls", "-a", "--", "-x"]
    assert parse(run, ["--", "-a", "b"]).words == ["-a", "b"]
    assert parse(run, ["-e", "A=1", "-e", "B=2", "env"]).values["env"] == ["A=1", "B=2"]


def test_flags_stand_on_either_side_of_the_dyno_inside_which_something_is_run():
    inside = find("run:inside")
    for line in (["-a", "hello", "web.1", "ls", "-l"], ["web.1", "-a", "hello", "--", "ls", "-l"]):
        parsed = parse(inside, line)
        assert (parsed.words, parsed.values) == (["web.1", "ls", "-l"], {"app": ["hello"]})
    assert parse(inside, ["web.1", "bash", "-a", "hello"]).values == {"app": ["hello"]}


def test_run_takes_the_app_from_the_end_as_well():
    run = find("run")
    parsed = parse(run, ["rake", "db:migrate", "--remote", "staging"])
    assert (parsed.words, parsed.values) == (["rake", "db:migrate"], {"remote": ["staging"]})
    assert parse(run, ["bash", "-a", "hello"]).words == ["bash"]
    assert parse(run, ["-a", "hello", "ls", "-a", "x"]).words == ["ls", "-a", "x"]
    assert parse(run, ["--", "ls", "-a", "x"]).words == ["ls", "-a", "x"]
    assert parse(run, ["-a", "hello", "-r", "x", "--no-tty", "sh"]).words == ["sh"]


def test_every_command_is_declared_in_its_module_with_help():
    for command in everything():
        assert command.summary.endswith("."), command.name
        assert command.examples, command.name
        assert all(option.help for option in command.options), command.name
        assert len({o.short for o in command.options if o.short}) == len([o for o in command.options if o.short])


def test_old_names_lead_to_commands():
    assert set(ALIASES.values()) <= set(COMMANDS)
    assert not set(ALIASES) & set(COMMANDS)
    assert find("rollback").name == "releases:rollback"
    assert "config:add" in old_names("config:set")


def test_near_misses(tmp_path):
    assert "Did you mean logs" in hostctl(tmp_path, "lgos").err
    assert "config:set" in hostctl(tmp_path, "config:sett").err
    assert "apps:rename" in hostctl(tmp_path, "renam").err or "rename" in hostctl(tmp_path, "renam").err
    ran = hostctl(tmp_path, "auth")
    assert ran.status == 2
    assert "ssh keys" in ran.err
    assert hostctl(tmp_path, "\x1b[31mx").err.count("\x1b") == 0


def test_usage_errors_exit_2_and_name_the_help(tmp_path):
    ran = hostctl(tmp_path, "ps:scale", "--wat")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == " !    There is no flag --wat. See: hostctl ps:scale --help\n"


def test_help_of_all_of_a_topic_and_of_one(tmp_path):
    everywhere = hostctl(tmp_path)
    assert everywhere.status == 0
    assert all(f"  {name} " in everywhere.out for name in COMMANDS)
    assert hostctl(tmp_path, "--help").out == everywhere.out
    topic = hostctl(tmp_path, "help", "ps").out
    assert "ps:scale" in topic
    assert "USAGE\n  hostctl ps [TYPE...]" in topic
    assert hostctl(tmp_path, "help", "scale").out == hostctl(tmp_path, "ps:scale", "-h").out
    assert "git:remote" in hostctl(tmp_path, "help", "git").out
    assert hostctl(tmp_path, "help", "nope").status == 2


def test_completion_knows_all_names_and_flags(tmp_path):
    script = hostctl(tmp_path, "completion", "bash").out
    ask = (
        script + "try() { COMP_LINE=$1 COMP_POINT=${#1}; COMP_WORDBREAKS=$' :='; _hostctl; echo ${COMPREPLY[*]}; }\n"
        "try 'hostctl releases:v'; try 'hostctl ps:scale --j'; try 'hostctl rollb'"
    )
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["verify", "--json", "rollback"]
    assert hostctl(tmp_path, "completion", "fish").status == 2


@pytest.mark.parametrize("line", [["version"], ["ps", "-a", "hello"], ["releases", "-a", "x"], ["help"]])
def test_nothing_heavy_is_loaded(tmp_path, line):
    program = "import sys; from hostd.cli import main; main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", program, *line],
        capture_output=True, text=True, env=as_a_program(tmp_path), check=True,
    )  # fmt: skip
    assert not HEAVY & set(done.stderr.split())


def test_the_manual_documents_every_command_and_flag():
    from hostd.cli.reference import written_into

    page = Path(__file__).parents[2] / "docs" / "cli.md"
    assert written_into(page.read_text()) == page.read_text(), "run: python -m hostd.cli.reference docs/cli.md"
