"""The commands `hostctl box start|stop|status|shell`."""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from hostd.box.box import BOXES, Box, clean_environment
from hostd.box.errors import BoxError

DESCRIPTION = """\
The box is a real systemd of its own on a machine whose PID 1 is something else. It boots the machine's own
root, copy-on-write, shares its network, and keeps its changes on disk across stops."""
UNITS = {"K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status. Data goes to stdout, progress and errors to stderr."""
    words = list(sys.argv[1:] if argv is None else argv)
    options = _parser().parse_args(words)
    try:
        box = Box(options.name, options.directory)
        return int(options.action(box, options))
    except BoxError as error:
        print(f" !     {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def parse_size(text: str) -> int:
    """Bytes of a size such as 20G, 512M or 1073741824."""
    digits, unit = (text[:-1], text[-1].upper()) if text[-1:].upper() in UNITS else (text, "")
    if not digits.isdigit() or int(digits) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write for example 20G or 512M")
    return int(digits) * UNITS.get(unit, 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hostctl box", description=DESCRIPTION)
    parser.add_argument("--name", default=os.environ.get("HOSTD_BOX", "hostd"), help="which box (default: %(default)s)")
    directory = os.environ.get("HOSTD_BOX_DIRECTORY")
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path(directory) if directory else None,
        help=f"where the box lies (default: {directory or f'{BOXES}/<name>'})",
    )
    topics = parser.add_subparsers(required=True, metavar="start|stop|status|shell|remove")
    start = topics.add_parser("start", help="boot the box and wait until it is ready")
    start.add_argument("--pool-size", type=parse_size, metavar="SIZE", help="size of its btrfs pool, such as 20G")
    start.set_defaults(action=_start)
    stop = topics.add_parser("stop", help="shut the box down; its data stays")
    stop.add_argument("--timeout", type=float, default=60.0, metavar="S", help="seconds before force (default: 60)")
    stop.set_defaults(action=_stop)
    status = topics.add_parser("status", help="show whether the box runs; exit status 3 if it does not")
    status.add_argument("--json", action="store_true", help="print JSON")
    status.set_defaults(action=_status)
    shell = topics.add_parser("shell", help="a root shell in the box, or one command: shell -- CMD ARG...")
    shell.add_argument("command", nargs="*", metavar="CMD", help="the command and its arguments, after --")
    shell.set_defaults(action=_shell)
    remove = topics.add_parser("remove", help="stop the box and delete it with all its data")
    remove.add_argument("--yes", action="store_true", required=True, help="yes, delete everything in it")
    remove.set_defaults(action=_remove)
    return parser


def _start(box: Box, options: argparse.Namespace) -> int:
    began = time.monotonic()
    print(f"Starting box {box.name}... ", end="", file=sys.stderr, flush=True)
    started = box.start(pool_size=options.pool_size)
    print(f"done ({time.monotonic() - began:.1f} s)" if started else "it is running already", file=sys.stderr)
    return 0


def _stop(box: Box, options: argparse.Namespace) -> int:
    began = time.monotonic()
    print(f"Stopping box {box.name}... ", end="", file=sys.stderr, flush=True)
    clean = box.stop(seconds=options.timeout)
    how = "done" if clean else f"ended by force after {options.timeout:g} s"
    print(f"{how} ({time.monotonic() - began:.1f} s)", file=sys.stderr)
    return 0


def _status(box: Box, options: argparse.Namespace) -> int:
    status = box.status()
    if options.json:
        print(json.dumps(status.as_json(), indent=2))
    else:
        state = "running" if status.running else "stopped" if status.installed else "not made yet"
        print(f"=== box {status.name}")
        print(f"State:      {state}")
        print(f"Directory:  {status.directory}")
        print(f"Network:    {box.network}")
        if status.leader is not None:
            print(f"PID 1:      {status.leader} on the machine")
        if status.pool_size is not None:
            print(f"Pool:       {status.pool_size / 1024**3:.1f} GiB at most, {box.image}")
    return 0 if status.running else 3


def _shell(box: Box, options: argparse.Namespace) -> int:
    command = box.command(options.command or ["/bin/bash", "--login"])
    sys.stdout.flush()
    os.execvpe(command[0], command, clean_environment())  # noqa: S606 (no shell is what is wanted)


def _remove(box: Box, options: argparse.Namespace) -> int:
    box.remove()
    print(f"Removed box {box.name} and {box.directory}.", file=sys.stderr)
    return 0
