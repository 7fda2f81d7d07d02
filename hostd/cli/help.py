"""help: all commands, a topic's commands, or one command."""

from __future__ import annotations

from hostd.cli.call import Call
from hostd.cli.command import PROGRAM, Command, Option, command
from hostd.cli.index import ALIASES, COMMANDS, everything, find, old_names
from hostd.cli.output import columns
from hostd.cli.topics import grouped

EXAMPLES = (
    "hostctl create hello",
    "git push hostd main",
    "hostctl ps:scale web=2 -a hello",
    "hostctl logs --tail -a hello",
    "hostctl config:set GREETING=hello -a hello",
    "hostctl rollback -a hello",
)
"""The first day of an app."""


ALL = Option("all", "A", "every command in one line")


@command(
    "help",
    "[TOPIC]",
    options=(ALL,),
    examples=("hostctl help", "hostctl help ps", "hostctl ps:scale --help", "hostctl help --all"),
)
def help_(call: Call) -> None:
    """List the topics, or explain a topic or a command."""
    if not call.word:
        call.print(*(every_command(call.width) if call.flag("all") else overview()))
        return
    name = ALIASES.get(call.word, call.word)
    below = [find(other) for other in COMMANDS if other.startswith(f"{name}:")]
    if name in COMMANDS or not below:
        call.print(*of_command(find(name)))
    if below:
        call.print("", "COMMANDS", *_summaries(below, call.width))
        if name not in COMMANDS:
            call.print("", "EXAMPLES", *(f"  $ {each.examples[0]}" for each in below))


def overview() -> list[str]:
    """The help without words: the topics, in groups."""
    topics = list(dict.fromkeys(name.partition(":")[0] for name in COMMANDS))
    widest = max(map(len, topics))
    lines = [
        f"Usage: {PROGRAM} COMMAND [--app APP] [words and flags of the command]",
        "",
        "One Linux server as a Heroku: apps, dynos, releases, logs.",
    ]
    for title, group in grouped(topics).items():
        lines += ["", title.upper(), *(f"  {topic:{widest}}  {about}".rstrip() for topic, about in group)]
    return [
        *lines,
        "",
        "EXAMPLES",
        *(f"  $ {example}" for example in EXAMPLES),
        "",
        f"A topic's commands: {PROGRAM} help TOPIC. One command: {PROGRAM} COMMAND --help. All: {PROGRAM} help --all",
        "From a machine without hostctl: ssh git@HOST COMMAND. Exit status: 0, 1 for an error, 2 for a wrong line.",
    ]


def every_command(width: int) -> list[str]:
    """Every command in one line."""
    return ["COMMANDS", *_summaries(everything(), width)]


def of_command(command: Command) -> list[str]:
    """The help of one command."""
    lines = [command.summary, "", "USAGE", f"  {command.usage}", "", "FLAGS"]
    lines += [f"  {line}" for line in columns([(option.spelling, option.help) for option in command.options])]
    if command.description:
        lines += ["", "DESCRIPTION", *(f"  {line}" for line in command.description.splitlines())]
    if old := old_names(command.name):
        lines += ["", "ALSO CALLED", f"  {', '.join(old)}"]
    if command.examples:
        lines += ["", "EXAMPLES", *(f"  $ {example}" for example in command.examples)]
    return lines


def _summaries(commands: list[Command], width: int) -> list[str]:
    rows = [(f"  {command.name}", command.summary.removesuffix(".")) for command in commands]
    return columns(rows, width=width, shorten=(1,))
