"""What a command is: its words, its flags and its help; and how a command line becomes one.

A parser of our own, because Heroku's grammar differs from argparse's: flags may stand anywhere, `run` hands
the rest of the line on untouched, and the same declarations give the help, the completion and docs/cli.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hostd.cli.call import Call

PROGRAM = "hostctl"


class Refused(Exception):  # noqa: N818 - says what happened
    """A check of the command line client's own failed; the message is for the user. Exit status 1."""

    status = 1


class Usage(Refused):
    """The command line makes no sense; the message says which part. Exit status 2."""

    status = 2


class Word(str):
    """A word of a command that came as one line (over ssh): it knows where in the line it stood."""

    line: str
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Option:
    """A flag. `metavar` names its value (None: it has none); `many` lets it be given several times."""

    name: str
    short: str | None
    help: str
    metavar: str | None = None
    many: bool = False
    aliases: tuple[str, ...] = ()

    @property
    def spelling(self) -> str:
        """As the help shows it: `-a, --app APP`."""
        short = f"-{self.short}, " if self.short else "    "
        value = f" {self.metavar}" if self.metavar else ""
        return f"{short}--{self.name}{value}"


APP = Option("app", "a", "the app; else HOSTD_APP, else the app behind the git remote", "APP")
REMOTE = Option("remote", "r", "the git remote whose app is meant", "REMOTE")
JSON = Option("json", "j", "print JSON")
SHELL = Option("shell", "s", "print KEY=value lines, quoted for a shell")
FOR_APP = (APP, REMOTE)
HELP = Option("help", "h", "show this help")


@dataclass(frozen=True, slots=True)
class Command:
    """One command: the words it takes (`NAME`, `[NAME]`, `NAME...`, `[NAME...]`), its flags, and its help.

    `verbatim` commands take everything from their last word (`COMMAND...`) on as it is. `local` ones touch the machine
    they run on, and are refused over ssh. One that `answers` changes something: with --json it prints what the API
    answered to the change, and nothing else.
    """

    name: str
    action: Callable[[Call], int | None]
    summary: str
    words: tuple[str, ...]
    options: tuple[Option, ...]
    description: str
    examples: tuple[str, ...]
    verbatim: bool
    local: bool
    answers: bool

    @property
    def usage(self) -> str:
        """The line that shows how the command is written."""
        flags = "".join(f" [{_brief(option)}]" for option in self.options if option.name != "help")
        words = " ".join(self.words)
        # A verbatim command's flags must be given before its words, so they are shown there.
        parts = f"{flags} {words}" if self.verbatim else f" {words}{flags}"
        return f"{PROGRAM} {self.name} {' '.join(parts.split())}".strip()


@dataclass(slots=True)
class Parsed:
    """A command line, taken apart: the values of the flags by their names, and the words."""

    values: dict[str, list[str]] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)


_declared: dict[str, Command] = {}


def command(
    name: str,
    *words: str,
    options: Sequence[Option] = (),
    examples: Sequence[str] = (),
    verbatim: bool = False,
    local: bool = False,
    answers: bool = False,
) -> Callable[[Callable[[Call], int | None]], Callable[[Call], int | None]]:
    """Declare the function below as a command; its docstring is the help: a sentence, then the details."""

    def declare(action: Callable[[Call], int | None]) -> Callable[[Call], int | None]:
        summary, _, details = (action.__doc__ or "").partition("\n")
        description = "\n".join(line.strip() for line in details.strip().splitlines())
        flags = (*options, *((JSON,) if answers else ()), HELP)
        _declared[name] = Command(
            name, action, summary, words, flags, description, tuple(examples), verbatim, local, answers
        )
        return action

    return declare


def declared(name: str) -> Command:
    """The command of that name; its module must have been imported (`index.load` does)."""
    return _declared[name]


def parse(command: Command, line: Sequence[str]) -> Parsed:
    """Take a command line apart; raises Usage for flags and words that the command does not have."""
    parsed = Parsed()
    rest = list(line)
    while rest:
        word = rest.pop(0)
        if word == "--":
            parsed.words += rest
            break
        if word.startswith("--"):
            _long(command, word, rest, parsed)
        elif word.startswith("-") and word != "-":
            _short(command, word, rest, parsed)
        elif command.verbatim and len(parsed.words) == len(command.words) - 1:
            parsed.words += _with_trailing_app([word, *rest], parsed)
            break
        else:
            parsed.words.append(word)
    if "help" not in parsed.values:
        _count(command, parsed.words)
    return parsed


def _long(command: Command, word: str, rest: list[str], parsed: Parsed) -> None:
    name, equals, value = word[2:].partition("=")
    option = next((o for o in command.options if name == o.name or name in o.aliases), None)
    if option is None:
        raise Usage(f"There is no flag --{name}.")
    if option.metavar is None:
        if equals:
            raise Usage(f"The flag --{name} takes no value.")
        parsed.values[option.name] = ["yes"]
    else:
        _keep(parsed, option, value if equals else _value(f"--{name}", option, rest))


def _short(command: Command, word: str, rest: list[str], parsed: Parsed) -> None:
    letters = word[1:]
    while letters:
        letter, letters = letters[0], letters[1:]
        option = next((o for o in command.options if o.short == letter), None)
        if option is None:
            raise Usage(f"There is no flag -{letter}.")
        if option.metavar is not None:
            _keep(parsed, option, letters.removeprefix("=") or _value(f"-{letter}", option, rest))
            return
        parsed.values[option.name] = ["yes"]


def _value(spelling: str, option: Option, rest: list[str]) -> str:
    if not rest:
        raise Usage(f"The flag {spelling} needs a value: {spelling} {option.metavar}.")
    return rest.pop(0)


def _keep(parsed: Parsed, option: Option, value: str) -> None:
    if not value and option in FOR_APP:
        raise Usage(f"The flag --{option.name} is empty.")
    values = parsed.values.setdefault(option.name, [])
    if option.many:
        values.append(value)
    else:
        values[:] = [value]


def _with_trailing_app(words: list[str], parsed: Parsed) -> list[str]:
    """`run rake db:migrate -a hello`: an app or remote at the very end is ours, as users of Heroku write it."""
    for option in FOR_APP:
        spelt = (f"-{option.short}", f"--{option.name}")
        if len(words) > 2 and words[-2] in spelt and not parsed.values.keys() & {"app", "remote"}:
            parsed.values[option.name] = [words[-1]]
            return words[:-2]
    return words


def _count(command: Command, words: list[str]) -> None:
    if not command.verbatim and "" in words:
        # A shell's "$VARIABLE" that is not set: to take it for a missing word would do something else than meant.
        raise Usage(f"{_named(command, words.index(''))} is empty.")
    needed = [word for word in command.words if not word.startswith("[")]
    if len(words) < len(needed):
        raise Usage(f"{needed[len(words)].removesuffix('...')} is missing.")
    endless = any("..." in word for word in command.words)
    if len(words) > len(command.words) and not endless:
        raise Usage(f"{words[len(command.words)]!r} is one word too many.")


def _named(command: Command, place: int) -> str:
    """What the help calls the word at that place."""
    name = command.words[min(place, len(command.words) - 1)] if command.words else "A word"
    return name.strip("[]").removesuffix("...")


def _brief(option: Option) -> str:
    spelling = f"-{option.short}" if option.short else f"--{option.name}"
    value = f" {option.metavar}" if option.metavar else ""
    return spelling + value + ("..." if option.many else "")
