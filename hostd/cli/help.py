"""help: all commands, a topic's commands, or one command."""

from __future__ import annotations

from hostd.cli.call import Call
from hostd.cli.command import PROGRAM, Command, command
from hostd.cli.index import ALIASES, COMMANDS, everything, find, old_names
from hostd.cli.output import columns


@command(
    "help",
    "[TOPIC]",
    examples=("hostctl help", "hostctl help ps", "hostctl ps:scale --help"),
)
def help_(call: Call) -> None:
    """List all commands, or explain a topic or a command."""
    if not call.word:
        call.print(*overview())
        return
    name = ALIASES.get(call.word, call.word)
    below = [find(other) for other in COMMANDS if other.startswith(f"{name}:")]
    if name in COMMANDS or not below:
        call.print(*of_command(find(name)))
    if below:
        call.print("", "COMMANDS", *_summaries(below))


def overview() -> list[str]:
    """The help without words: every command in one line."""
    return [
        f"Usage: {PROGRAM} COMMAND [--app APP] [words and flags of the command]",
        "",
        "One Linux server as a Heroku: apps, dynos, releases, logs.",
        "",
        "COMMANDS",
        *_summaries(everything()),
        "",
        f"More about each: {PROGRAM} help COMMAND. From another machine: ssh git@HOST COMMAND.",
    ]


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


def _summaries(commands: list[Command]) -> list[str]:
    rows = [(command.name, command.summary.removesuffix(".")) for command in commands]
    return [f"  {line}" for line in columns(rows)]
