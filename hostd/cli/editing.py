"""config:edit: an app's config vars in an editor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, Refused, command

EDITOR = "vi"
"""What is started where neither VISUAL nor EDITOR says."""
NOTHING = "Nothing was changed."


@command(
    "config:edit",
    "[KEY]",
    options=FOR_APP,
    examples=("hostctl config:edit -a hello", "EDITOR=nano hostctl config:edit DATABASE_URL -a hello"),
    local=True,
)
def edit(call: Call) -> None:
    """Change an app's config vars in an editor, those of VISUAL or EDITOR, in one release.

    All of them, one KEY=value a line: a line that is taken out unsets its config var. With KEY that one's value alone,
    as it is. If the config vars have changed meanwhile, nothing is done.
    """
    app, key = call.app, call.words[0] if call.words else None
    before = _config(call, app)
    after = _one_edited(call, before, key) if key is not None else _all_edited(call, before)
    changes = changed(before, after)
    if not changes:
        call.say(NOTHING)
        return
    if _config(call, app) != before:
        raise Refused(f"The config vars of {app} have changed while you edited them. {NOTHING}")
    with call.action(f"Changing {', '.join(changes)} and restarting {call.error_style.app(app)}") as action:
        action.release(call.client.request("PATCH", path("apps", app, "config-vars"), dict(changes)))


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str | None]:
    """What has to be set, and with None unset, to come from the one to the other. Pure."""
    gone = dict.fromkeys(key for key in before if key not in after)
    return {**{key: value for key, value in after.items() if before.get(key) != value}, **gone}


def as_text(values: Mapping[str, str]) -> str:
    """The lines that are edited. Pure. Raises Refused for a value that no line can hold."""
    lines = {key: f"{key}={_quoted(value)}\n" for key, value in sorted(values.items())}
    if odd := [key for key, line in lines.items() if not _is_read_back(line, key, values[key])]:
        raise Refused(
            f"These cannot be edited as lines: {', '.join(odd)}. Name the one that you want: hostctl config:edit KEY"
        )
    return "".join(lines.values())


def _is_read_back(line: str, key: str, value: str) -> bool:
    from hostd.local.environment import EnvError, parse

    try:
        return parse(line, key) == {key: value}
    except EnvError:
        return False


def _quoted(value: str) -> str:
    if value == value.strip() and value[:1] not in ("'", '"') and "\n" not in value and "\r" not in value:
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'


def _one_edited(call: Call, before: Mapping[str, str], key: str) -> dict[str, str]:
    value = _edited(call, before.get(key, ""), "value.txt")
    # An editor ends the last line, which the value had not.
    return {**before, key: value if before.get(key, "").endswith("\n") else value.removesuffix("\n")}


def _all_edited(call: Call, before: Mapping[str, str]) -> dict[str, str]:
    from hostd.local.environment import EnvError, parse

    try:
        return parse(_edited(call, as_text(before), "config.env"), "config.env")
    except EnvError as error:
        raise Refused(f"{error}. {NOTHING}") from error


def _edited(call: Call, text: str, name: str) -> str:
    """The text as somebody has left it in their editor."""
    import shlex
    import subprocess
    import tempfile

    editor = call.around.env.get("VISUAL") or call.around.env.get("EDITOR") or EDITOR
    with tempfile.TemporaryDirectory(prefix="hostctl-config-") as folder:
        file = Path(folder) / name
        file.write_text(text)
        try:
            status = subprocess.run([*shlex.split(editor), str(file)], check=False).returncode
            if status:
                raise Refused(f"{editor} ended with status {status}. {NOTHING}")
            return file.read_text()
        except (OSError, ValueError) as error:
            raise Refused(f"{editor} cannot be used as an editor: {error}. Set EDITOR. {NOTHING}") from error


def _config(call: Call, app: str) -> dict[str, str]:
    return cast(dict[str, str], call.client.get(path("apps", app, "config-vars")))
