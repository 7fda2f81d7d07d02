"""completion: scripts that teach shells hostctl's commands and flags, and whom to ask for names of apps."""

from __future__ import annotations

from collections.abc import Callable

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import PROGRAM, Command, Option, Usage, command
from hostd.cli.index import ALIASES, COMMANDS, everything, old_names

# readline splits words at colons, and every command has one: hence the part of the word before the colon is
# taken off what is offered.
_BASH = """\
_{program}_flag() {{
    case $1 in -a|--app) echo --app ;; -r|--remote) echo --remote ;; -p|--pipeline) echo --pipeline ;; esac
}}
_{program}_values() {{
    case $1 in
        -a|--app) {program} completion:values apps 2> /dev/null ;;
        -r|--remote) git remote 2> /dev/null ;;
        -p|--pipeline) {program} completion:values pipelines 2> /dev/null ;;
    esac
}}
_{program}() {{
    local word=${{COMP_LINE:0:COMP_POINT}} names flags offer before
    word=${{word##*[[:space:]]}}
    names="{names}"
    local -a typed; read -ra typed <<< "${{COMP_LINE:0:COMP_POINT}}"
    case ${{typed[1]}} in
{cases}
    esac
    before=${{typed[${{#typed[@]}} - (${{#word}} > 0 ? 2 : 1)]}}
    if [[ $before == -* && " $flags " == *" $(_{program}_flag "$before") "* ]]; then
        offer=$(_{program}_values "$before")
    elif [[ $word == -* ]]; then
        offer=$flags
    elif (( ${{#typed[@]}} < 2 || ( ${{#typed[@]}} == 2 && ${{#word}} > 0 ) )); then
        offer=$names
    fi
    COMPREPLY=($(compgen -W "$offer" -- "$word"))
    if [[ $word == *:* && $COMP_WORDBREAKS == *:* ]]; then
        COMPREPLY=("${{COMPREPLY[@]#"${{word%:*}}:"}}")
    fi
}}
complete -o default -F _{program} {program}
"""


# _describe splits at the first colon that has no backslash. A verbatim command's own words are completed as a line.
_ZSH = """\
#compdef {program}
_{program}() {{
    local -a commands flags
    if (( CURRENT == 2 )); then
        commands=(
{names}
        )
        _describe -t commands command commands
        return
    fi
    case $words[2] in
{cases}
    esac
    case $words[CURRENT-1] in
        -a|--app)
            compadd -- ${{(f)"$({program} completion:values apps 2> /dev/null)"}}; return ;;
        -r|--remote)
            compadd -- ${{(f)"$(git remote 2> /dev/null)"}}; return ;;
        -p|--pipeline)
            if [[ "$flags" == *--pipeline:* ]]; then
                compadd -- ${{(f)"$({program} completion:values pipelines 2> /dev/null)"}}; return
            fi ;;
    esac
    if [[ $PREFIX == -* ]]; then
        _describe -o -t flags flag flags
    else
        _files
    fi
}}
if [[ $funcstack[1] == _{program} ]]; then
    _{program} "$@"
else
    compdef _{program} {program}
fi
"""


@command(
    "completion",
    "SHELL",
    examples=(
        "hostctl completion bash > /etc/bash_completion.d/hostctl",
        'eval "$(hostctl completion bash)"',
        'hostctl completion zsh > "${fpath[1]}/_hostctl"',
        "hostctl completion fish > ~/.config/fish/completions/hostctl.fish",
    ),
)
def completion(call: Call) -> None:
    """Print a completion script for bash, zsh or fish.

    It knows commands and flags by itself, and asks the server for the names of apps and pipelines.
    """
    make = SCRIPTS.get(call.words[0])
    if make is None:
        raise Usage(f"There is completion for {', '.join(SCRIPTS)}, not for {call.words[0]!r}.")
    call.write(make().encode())


@command(
    "completion:values",
    "KIND",
    examples=("hostctl completion:values apps",),
)
def values(call: Call) -> None:
    """Print the names of the apps, or the pipelines, that you may see: what completion scripts ask for."""
    kind = call.words[0]
    if kind not in KINDS:
        raise Usage(f"There are names of {' and '.join(KINDS)}, not of {kind!r}.")
    call.print(*(str(each["name"]) for each in call.client.get(path(kind))))


def bash() -> str:
    """The script for bash."""
    names = " ".join([*COMMANDS, *_aliases()])
    cases = "\n".join(
        f"        {'|'.join(_names(known))}) flags="
        f'"{" ".join(f"--{option.name}" for option in known.options)}" ;;'
        for known in everything()
    )
    return _BASH.format(program=PROGRAM, names=names, cases=cases)


def zsh() -> str:
    """The script for zsh: a file of $fpath, or to be evaluated."""
    known = everything()
    names = [(name, each.summary) for each in known for name in _names(each)]
    cases = "\n".join(
        f"        {'|'.join(_names(each))}) flags=("
        f"{' '.join(_described(f'--{option.name}', option.help) for option in each.options)}) ;;"
        for each in known
    )
    described = "\n".join(f"            {_described(name, summary)}" for name, summary in names)
    return _ZSH.format(program=PROGRAM, names=described, cases=cases)


def fish() -> str:
    """The script for fish."""
    first = f"complete -c {PROGRAM} -n 'test (count (commandline -opc)) -eq 1'"
    lines = []
    for each in everything():
        lines += [f"{first} -f -a {_single(name)} -d {_single(_brief(each.summary))}" for name in _names(each)]
        after = f"complete -c {PROGRAM} -n {_single('__fish_seen_subcommand_from ' + ' '.join(_names(each)))}"
        lines += [f"{after} {_fish_flag(option)}" for option in each.options]
    return "\n".join([f"# Completion of {PROGRAM} for fish", *lines, ""])


KINDS = ("apps", "pipelines")
ASKED_FOR = {
    "app": f"{PROGRAM} completion:values apps",
    "pipeline": f"{PROGRAM} completion:values pipelines",
    "remote": "git remote",
}
"""What prints the values that a flag may have."""
SCRIPTS: dict[str, Callable[[], str]] = {"bash": bash, "zsh": zsh, "fish": fish}


def _aliases() -> list[str]:
    return [alias for alias in ALIASES if not alias.startswith("-")]


def _names(known: Command) -> tuple[str, ...]:
    return (known.name, *old_names(known.name))


def _brief(text: str) -> str:
    return text.removesuffix(".")


def _described(word: str, text: str) -> str:
    """`word:text` for zsh's _describe."""
    return _single(f"{word.replace(':', chr(92) + ':')}:{_brief(text)}", escape="'\\''")


def _fish_flag(option: Option) -> str:
    short = f" -s {option.short}" if option.short else ""
    value = " -r" if option.metavar else ""
    if option.name in ASKED_FOR:
        value = f" -x -a {_single(f'({ASKED_FOR[option.name]} 2> /dev/null)')}"
    return f"-l {option.name}{short}{value} -d {_single(option.help)}"


def _single(text: str, escape: str = "\\'") -> str:
    """In single quotes; in those fish takes a backslash before a quote, zsh ends the quotes for one."""
    if escape == "\\'":
        text = text.replace(chr(92), chr(92) * 2)
    return "'" + text.replace("'", escape) + "'"
