"""completion: a script that teaches the shell hostctl's commands and flags."""

from __future__ import annotations

from hostd.cli.call import Call
from hostd.cli.command import PROGRAM, Usage, command
from hostd.cli.index import ALIASES, COMMANDS, everything, old_names

# readline splits words at colons, and every command has one: hence the part of the word before the colon is
# taken off what is offered.
_SCRIPT = """\
_{program}() {{
    local word=${{COMP_LINE:0:COMP_POINT}} names flags offer
    word=${{word##*[[:space:]]}}
    names="{names}"
    local -a typed; read -ra typed <<< "${{COMP_LINE:0:COMP_POINT}}"
    if [[ $word == -* ]]; then
        case ${{typed[1]}} in
{cases}
        esac
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


@command(
    "completion",
    "SHELL",
    examples=("hostctl completion bash > /etc/bash_completion.d/hostctl", 'eval "$(hostctl completion bash)"'),
)
def completion(call: Call) -> None:
    """Print a completion script for bash."""
    if call.words[0] != "bash":
        raise Usage(f"There is completion for bash only, not for {call.words[0]!r}.")
    call.write(script().encode())


def script() -> str:
    """The script for bash."""
    names = " ".join([*COMMANDS, *(alias for alias in ALIASES if not alias.startswith("-"))])
    cases = "\n".join(
        f"            {'|'.join((known.name, *old_names(known.name)))}) flags="
        f'"{" ".join(f"--{option.name}" for option in known.options)}" ;;'
        for known in everything()
    )
    return _SCRIPT.format(program=PROGRAM, names=names, cases=cases)
