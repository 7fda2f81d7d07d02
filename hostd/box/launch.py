"""Start a program that outlives its starter: `launch.py LOG GROUP... -- PROGRAM ARG...`.

Prints the program's pid. Run as a file by `hostd.box.boot`, in a process of its own: a process enters a
control group as a whole, and nspawn must be inside before it clones the box's first process.
"""

import os
import sys
from pathlib import Path


def launch(log: Path, groups: list[Path], argv: list[str]) -> int:  # noqa: RET503 (exec never returns)
    """Fork a child in a session of its own, inside `groups`, that becomes `argv`; return its pid."""
    pid = os.fork()
    if pid:
        return pid
    os.setsid()
    for group in groups:
        group.write_text("0", encoding="ascii")
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir("/")
    os.execvp(argv[0], argv)  # noqa: S606 (no shell is what is wanted)


if __name__ == "__main__":
    split = sys.argv.index("--")
    print(launch(Path(sys.argv[1]), [Path(word) for word in sys.argv[2:split]], sys.argv[split + 1 :]))
