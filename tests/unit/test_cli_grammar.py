"""Words, flags, names and near misses of the command line."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from cli_fakes import hostctl

from hostd.cli.command import JSON, Usage, parse
from hostd.cli.index import ALIASES, COMMANDS, everything, find, old_names
from hostd.cli.topics import OTHERS, grouped


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


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("keys:add", ["-y", "key.pub"]),
        ("run:inside", ["-x", "web.1", "ls"]),
        ("logs", ["--force-colors"]),
        ("certs:generate", ["www.example.com", "--selfsigned", "--now", "-a", "hello"]),
        ("apps:create", ["hello", "--region", "local"]),
        ("apps:list", []),
        ("dyno:restart", ["web.1"]),
        ("dyno:scale", ["web=2"]),
        ("dyno:kill", ["web.1"]),
    ],
)
def test_lines_of_heroku_are_taken(name, line):
    parse(find(name), line)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("apps:lock", "no teams"), ("pipelines:connect", "no GitHub"), ("clients:create", "authorizations:create")],
)
def test_what_heroku_has_and_this_has_not_is_said_instead_of_guessed(name, hint):
    with pytest.raises(Usage, match=hint):
        find(name)


def test_a_message_that_ends_in_a_command_names_no_other(tmp_path):
    assert hostctl(tmp_path, "help", "nope").err.endswith("All commands: hostctl help\n")


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
    assert all(f"\n  {name.partition(':')[0]} " in everywhere.out for name in COMMANDS)
    assert "\nEXAMPLES\n  $ hostctl" in everywhere.out
    assert hostctl(tmp_path, "--help").out == everywhere.out
    every = hostctl(tmp_path, "help", "--all").out
    assert all(f"\n  {name} " in every for name in COMMANDS)
    topic = hostctl(tmp_path, "help", "ps").out
    assert "ps:scale" in topic
    assert "USAGE\n  hostctl ps [TYPE...]" in topic
    assert hostctl(tmp_path, "help", "scale").out == hostctl(tmp_path, "ps:scale", "-h").out
    git = hostctl(tmp_path, "help", "git").out
    assert "  git:remote  " in git
    assert "EXAMPLES\n  $ hostctl git:remote" in git
    assert hostctl(tmp_path, "help", "nope").status == 2


def test_completion_knows_all_names_and_flags(tmp_path):
    script = hostctl(tmp_path, "completion", "bash").out
    ask = (
        script + "try() { COMP_LINE=$1 COMP_POINT=${#1}; COMP_WORDBREAKS=$' :='; _hostctl; echo ${COMPREPLY[*]}; }\n"
        "hostctl() { echo $2-a $2-b other; }; git() { echo staging; }\n"
        "try 'hostctl releases:v'; try 'hostctl ps:scale --j'; try 'hostctl rollb'; try 'hostctl ps --app '; "
        "try 'hostctl ps -a o'; try 'hostctl ps -r '; try 'hostctl webhooks -p p'; try 'hostctl logs -p p'"
    )
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [
        "verify", "--json", "rollback", "apps-a", "apps-b", "other", "other", "staging", "pipelines-a", "pipelines-b",
    ]  # fmt: skip
    assert hostctl(tmp_path, "completion", "tcsh").status == 2


def test_completion_of_zsh_and_fish_knows_all_names_and_flags(tmp_path):
    zsh, fish = (hostctl(tmp_path, "completion", shell).out for shell in ("zsh", "fish"))
    for command in everything():
        for name in (command.name, *old_names(command.name)):
            assert f"            '{name.replace(':', chr(92) + ':')}:" in zsh
            assert f" -a '{name}' -d '" in fish
        for option in command.options:
            assert f"'--{option.name}:" in zsh
            assert f" -l {option.name} " in fish
    # A quote that is not closed would swallow what follows: each line of either closes its own.
    for script, escaped in ((zsh, "'\\''"), (fish, "\\'")):
        assert all(line.replace(escaped, "").count("'") % 2 == 0 for line in script.splitlines())


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_zsh_offers_names_and_flags(tmp_path):
    ask = (
        "compdef() { : }\n_files() { print files }\n"
        "_describe() { [[ $1 == -o ]] && shift; shift 3; print -rl -- ${(P)1} | grep -F -- $want }\n"
        + hostctl(tmp_path, "completion", "zsh").out
        + "compadd() { shift; print -rl -- $@ }\nhostctl() { print $2 }\n"
        "try() { words=(hostctl $argv[2,-1]); CURRENT=$#words PREFIX=$words[-1] want=$1; _hostctl }\n"
        "try 'releases\\:v' releases:v; try --json ps:scale --j; try x deploy x; try x ps -a x; try x webhooks -p x"
    )
    done = subprocess.run(["zsh", "-f", "-c", ask], capture_output=True, text=True, check=True)
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [
        "releases\\", "--json", "files", "apps", "pipelines",
    ]  # fmt: skip


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
def test_fish_offers_names_and_flags(tmp_path):
    script = tmp_path / "hostctl.fish"
    script.write_text(hostctl(tmp_path, "completion", "fish").out)
    ask = (
        f"function hostctl; echo $argv[2]; end; source {script}; complete -C 'hostctl releases:v'; "
        "complete -C 'hostctl ps:scale --j'; complete -C 'hostctl ps -a '; complete -C 'hostctl webhooks -p '"
    )
    done = subprocess.run(["fish", "--no-config", "-c", ask], capture_output=True, text=True, check=True)
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == [
        "releases:verify", "--json", "apps", "pipelines",
    ]  # fmt: skip


def test_completion_asks_for_names(hostd, tmp_path):
    hostd.on("GET /apps", (200, [{"name": "hello"}, {"name": "world"}]))
    assert hostctl(tmp_path, "completion:values", "apps").out == "hello\nworld\n"
    refused = hostctl(tmp_path, "completion:values", "keys")
    assert refused.status == 2 and "apps and pipelines" in refused.err


def test_every_topic_is_in_a_group_of_the_help():
    topics = list(dict.fromkeys(name.partition(":")[0] for name in COMMANDS))
    assert OTHERS not in grouped(topics)
    assert grouped(["ps", "new"])[OTHERS] == [("new", "")]


ACTS = {"deploy", "run", "help", "completion", "box", "local", "heroku"}
"""Topics that are no list and show nothing."""


def test_every_list_and_info_can_be_had_as_json():
    shows = [
        command for command in everything()
        if ":" not in command.name or command.name.endswith((":info", ":transfers", ":apps", ":top"))
    ]  # fmt: skip
    assert len(shows) > 40
    assert [each.name for each in shows if JSON.name not in [o.name for o in each.options]] == sorted(
        ACTS & set(COMMANDS), key=list(COMMANDS).index
    )


STREAMS = {
    "apps:open", "auth:login", "auth:logout", "box", "builds:output", "certs:generate", "completion",
    "completion:values", "config:edit", "deploy", "domains:wait", "git:clone", "git:credentials", "git:remote",
    "git:sync", "help", "heroku", "local", "local:run", "metrics:prometheus", "ps:copy", "ps:exec", "ps:forward",
    "ps:wait", "releases:output", "run", "run:inside", "schedule:logs", "slugs:export", "stacks:create",
    "stacks:rollback", "stacks:update",
}
"""What has no answer to be printed as JSON: terminals, files, builds and waits, and what asks no server."""


def test_all_other_commands_answer_in_json():
    assert {each.name for each in everything() if JSON.name not in [o.name for o in each.options]} == STREAMS


def test_a_change_prints_what_the_api_answered_and_nothing_else(hostd, tmp_path):
    hostd.on("GET /apps/hello/buildpack-installations", (200, []))
    chosen = [{"ordinal": 0, "buildpack": {"name": "heroku/python", "url": "heroku/python"}}]
    hostd.on("PUT /apps/hello/buildpack-installations", (200, chosen))
    ran = hostctl(tmp_path, "buildpacks:add", "heroku/python", "-a", "hello", "--json")
    assert (ran.status, json.loads(ran.out)) == (0, chosen)
    assert hostctl(tmp_path, "buildpacks:add", "heroku/python", "-a", "hello").out.startswith("Buildpack added.")
    hostd.on("PATCH /apps/hello", (422, {"id": "invalid_params", "message": "No."}))
    refused = hostctl(tmp_path, "maintenance:on", "-a", "hello", "--json")
    assert (refused.status, refused.out) == (1, "") and "No." in refused.err


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (["help"], 0),
        (["ps", "--help"], 0),
        (["nope"], 2),
        (["ps", "--nope"], 2),
        (["ps:scale", "web=x", "-a", "hello"], 2),
        (["config:get", "-a", "hello"], 2),
        (["ps", "-a", "hello"], 1),
        (["apps:destroy", "hello"], 1),
        (["ps:restart", "-a", "hello", "--timeout", "5m"], 2),
        (["logs:info", "-a", "hello"], 0),
    ],
)
def test_exit_statuses_are_those_of_the_manual(hostd, tmp_path, line, status):
    known = {
        "namespace": "x", "size_bytes": 1, "lines": 1, "oldest_at": None, "newest_at": None, "size_mb": None,
        "retention_days": None, "own": {"size_mb": None, "retention_days": None}, "rate": None,
    }  # fmt: skip
    hostd.on("GET /hostd/apps/hello/logs", (200, known))
    assert hostctl(tmp_path, *line, *(["--json"] if line[0] == "logs:info" else [])).status == status


def test_ctrl_c_ends_with_130(tmp_path, monkeypatch):
    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hostd.cli.help.overview", pressed)
    assert hostctl(tmp_path, "help").status == 130


def test_the_manual_documents_every_command_and_flag():
    from hostd.cli.reference import written_into

    page = Path(__file__).parents[2] / "docs" / "cli.md"
    assert written_into(page.read_text()) == page.read_text(), "run: python -m hostd.cli.reference docs/cli.md"
