"""ps:scale, ps:type."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from hostd import names, sizes
from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, Option, Usage, command
from hostd.cli.output import columns, size_name
from hostd.cli.waiting import WAITING, is_wanted, wait_until_up
from hostd.errors import Invalid

_CORES = re.compile(r"[0-9]{1,4}(\.[0-9]{1,2})?")
MEMORY = Option("memory", "m", "memory of each dyno, such as 700M or 1.5G", "AMOUNT")
CPU = Option("cpu", None, "cores that each dyno may use at most, such as 1.5", "CORES")


@command(
    "ps:scale",
    "[TYPE=NUMBER[:SIZE]...]",
    options=(*WAITING, *FOR_APP, JSON),
    examples=(
        "hostctl ps:scale -a hello",
        "hostctl ps:scale web=2 worker+1 -a hello",
        "hostctl ps:scale web=1:standard-2x -a hello",
        "hostctl ps:scale web=4 --wait -a hello",
    ),
)
def scale(call: Call) -> None:
    """Say how many dynos of each process type shall run, and of which size.

    TYPE=3 sets the number, TYPE+1 and TYPE-1 change it, :SIZE (standard-2x, or memory such as 768M) changes
    the size. Without words it prints the formation, as a line that ps:scale takes back.
    """
    app, updates, waits = call.app, list(map(_update, call.words)), is_wanted(call)
    if not updates:
        formation = _formation(call, app)
        if call.flag("json"):
            call.print_json(formation)
        elif formation:
            call.print(" ".join(f"{p['type']}={p['quantity']}:{size_name(p['size'])}" for p in formation))
        return
    with call.action("Scaling dynos") as action:
        formation = call.client.request("PATCH", path("apps", app, "formation"), {"updates": updates}).data
        changed = {update["type"] for update in updates}
        action.done = "now running " + ", ".join(
            f"{p['type']} at {p['quantity']}:{size_name(p['size'])}" for p in formation if p["type"] in changed
        )
    for name in sorted(changed) if waits else ():
        wait_until_up(call, app, name)
    if call.flag("json"):
        call.print_json(formation)


@command(
    "ps:type",
    "[TYPE=SIZE...]",
    options=(MEMORY, CPU, *FOR_APP, JSON),
    examples=(
        "hostctl ps:type -a hello",
        "hostctl ps:type web=standard-2x worker=1x -a hello",
        "hostctl ps:type performance-m -a hello",
        "hostctl ps:type web --memory 700M --cpu 1.5 -a hello",
    ),
)
def type_(call: Call) -> None:
    """Show or change the dyno sizes of an app's process types.

    Sizes: eco, basic, standard-1x, standard-2x, performance-m, performance-l, the short 1x and 2x, or memory such as
    768M. A SIZE without a TYPE is for all of them. With --memory or --cpu the words are TYPEs (none: all). Dynos are
    started anew with their new size, those of a type one after the other.
    """
    app = call.app
    formation = _formation(call, app)
    updates = _sizes(call, formation)
    if updates and formation:
        with call.action("Resizing dynos and restarting specified processes"):
            formation = call.client.request("PATCH", path("apps", app, "formation"), {"updates": updates}).data
        formation = _scalable(formation)
    if call.flag("json"):
        call.print_json(formation)
    elif formation:
        call.print(*columns(table(formation)))


def table(formation: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """The rows of `ps:type`: what a dyno of each type gets, and what all of them may use together."""
    rows = [("TYPE", "SIZE", "QTY", "MEMORY", "CPU SHARE", "CORES", "MEMORY OF ALL")]
    total = 0
    for process in formation:
        size, quantity = sizes.get(process["size"]), process["quantity"]
        total += size.memory * quantity
        rows.append((
            process["type"],
            size_name(process["size"]),
            str(quantity),
            sizes.amount(size.memory),
            str(size.cpu_weight),
            "any" if size.cpu is None else f"{size.cpu:g}",
            sizes.amount(size.memory * quantity),
        ))  # fmt: skip
    return [*rows, ("", "", str(sum(p["quantity"] for p in formation)), "", "", "", sizes.amount(total))]


def _formation(call: Call, app: str) -> list[dict[str, Any]]:
    formation = _scalable(call.client.get(path("apps", app, "formation")))
    if not formation and not call.flag("json"):
        call.say(f"{call.error_style.app(app)} has no process types yet: push it first, then scale it.")
    return formation


def _scalable(formation: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of a formation that can be scaled: what is printed can be given back."""
    return [process for process in formation if process["type"] not in names.UNSCALABLE]


def _update(word: str) -> dict[str, str]:
    try:
        change = names.scale(word)
    except Invalid as error:
        raise Usage(error.message) from error
    quantity = f"{change.delta:+d}" if change.quantity is None else str(change.quantity)
    update = {"type": change.type, "quantity": quantity}
    return {**update, "size": change.size} if change.size else update


def _sizes(call: Call, formation: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """The changes that are asked for: by words, or by amounts for the types that the words name."""
    now = {process["type"]: process["size"] for process in formation}
    memory, cpu = call.text("memory"), call.text("cpu")
    if memory is None and cpu is None:
        return [update for word in call.words for update in _resized(word, list(now))]
    if wrong := next((word for word in call.words if "=" in word), None):
        raise Usage(f"{wrong!r} names a size; with --memory or --cpu say only the type: ps:type web --memory 700M")
    chosen = call.words or list(now)
    return [{"type": name, "size": _checked(_amounts(now.get(name, sizes.DEFAULT), memory, cpu))} for name in chosen]


def _resized(word: str, types: Sequence[str]) -> list[dict[str, str]]:
    name, equals, size = word.partition("=")
    if equals:
        return [{"type": name, "size": _checked(size)}]
    return [{"type": name, "size": _checked(word)} for name in types]


def _amounts(now: str, memory: str | None, cpu: str | None) -> str:
    """What is not said stays as it is."""
    if cpu and not _CORES.fullmatch(cpu):
        raise Usage(f"{cpu!r} is not a number of cores: write one such as 2 or 1.5.")
    size = sizes.get(now)
    cores = cpu or (size.cpu and f"{size.cpu:g}")
    return (memory or f"{size.memory // sizes.MIB}M") + (f"-{cores}cpu" if cores else "")


def _checked(size: str) -> str:
    try:
        return sizes.get(size).name
    except Invalid as error:
        raise Usage(error.message) from error
