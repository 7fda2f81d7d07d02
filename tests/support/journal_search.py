"""Search of all journals of a machine, for what must not be in them."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.support.platform import PYTHON, Platform

_SEARCH = """\
import json, subprocess, sys, tempfile
since, marks = json.load(sys.stdin)
found = []
with tempfile.NamedTemporaryFile("w") as wanted:
    wanted.write("".join(f"{mark}\\n" for mark in marks))
    wanted.flush()
    for which in ([], ["--namespace=*"]):
        read = ["journalctl", "--all", "--output=export", f"--since=@{since}", *which]
        written = subprocess.Popen(read, stdout=subprocess.PIPE)
        search = ["grep", "--text", "--fixed-strings", f"--file={wanted.name}"]
        lines = subprocess.run(search, stdin=written.stdout, stdout=subprocess.PIPE).stdout.splitlines()
        found += [line.decode(errors="replace")[:300] for line in lines]
print(json.dumps(found))
"""


def journal_lines(platform: Platform, since: int, marks: Sequence[str]) -> list[str]:
    """The lines of any field of any entry since a time (seconds), in any namespace, in which one of the marks is."""
    asked = json.dumps([since, list(marks)])
    found: list[str] = json.loads(platform.run([PYTHON, "-c", _SEARCH], input=asked, timeout=300).stdout)
    return found


def key_lines(text: str) -> list[str]:
    """The lines of the private keys in a text of PEM, by which each would be known."""
    lines, keys, inside = text.splitlines(), [], False
    for line in lines:
        if line.startswith("-----"):
            inside = line.startswith("-----BEGIN") and "PRIVATE KEY" in line
        elif inside and len(line) >= 20:
            keys.append(line)
    return keys
