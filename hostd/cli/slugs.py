"""slugs, slugs:info, slugs:export, slugs:gc."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, Option, Refused, Usage, command
from hostd.cli.output import Style, columns, moment, pairs, printable, size

PIECE = 64 * 1024
SHORT = 8
"""Characters of an id or commit that are shown."""
RELEASES = 4
"""Releases of a slug that are named in a list."""


@command(
    "slugs",
    options=(*FOR_APP, JSON),
    examples=("hostctl slugs -a hello", "hostctl slugs -a hello --json"),
)
def slugs(call: Call) -> None:
    """List an app's slugs: what can be rolled back to.

    A slug is what a build made. Those that the newest releases name are kept; how many releases count is the
    setting kept_slugs.
    """
    app = call.app
    found = call.client.get(path("apps", app, "slugs"))
    if call.flag("json"):
        call.print_json(found)
        return
    if not found:
        call.say(f"{call.error_style.app(app)} has no slugs: nothing has been deployed yet.")
        return
    call.print(call.style.heading(f"{call.style.app(app)} Slugs"), "")
    call.print(*_table(found, call.around.clock(), call.style, call.width))


@command(
    "slugs:info",
    "[ID]",
    options=(*FOR_APP, JSON),
    examples=("hostctl slugs:info -a hello", "hostctl slugs:info 01234567 -a hello", "hostctl slugs:info v7 -a hello"),
)
def info(call: Call) -> None:
    """Show one slug: what it was made of, what runs in it, what it takes on disk.

    ID is an id of `slugs` or its first characters, or a release such as v7. Without it: the current one.
    """
    app, wanted = call.app, call.word or "current"
    slug = call.client.get(path("apps", app, "slugs", wanted))
    usage = call.client.get(path("hostd", "apps", app, "slugs", slug["id"], "usage"))
    if call.flag("json"):
        call.print_json({**slug, "usage": usage})
        return
    more = slug["extended"]
    shown = {
        "Commit": slug["commit"] or "-",
        "Buildpack": printable(slug["buildpack_provided_description"] or ""),
        "Stack": "@".join(filter(None, (slug["stack"]["name"], more["stack_version"]))),
        "Created": moment(slug["created_at"], call.around.clock()),
        "Releases": _releases(more["releases"], len(more["releases"])),
        "Size": size(slug["size"]) + _files(more["files"]),
        "On disk": on_disk(usage) if more["stored"] else "deleted",
        "Digest": slug["checksum"],
    }
    types = dict(sorted((name, printable(line)) for name, line in slug["process_types"].items()))
    call.print(call.style.heading(f"Slug {slug['id']}"), "", *pairs(shown, call.style), "")
    call.print(call.style.heading("Process types"), "", *pairs(types, call.style))


@command(
    "slugs:export",
    "ID",
    "[FILE]",
    options=FOR_APP,
    examples=("hostctl slugs:export current hello.tar -a hello", "hostctl slugs:export v7 -a hello | tar -t"),
)
def export(call: Call) -> None:
    """Write a slug's files to a tar archive.

    ID is an id of `slugs` or its first characters, a release such as v7, or current. Without a FILE, or with -,
    the archive goes to the standard output. It is not compressed, and its links are links.
    """
    app, (wanted, *file) = call.app, call.words
    target = file[0] if file and file[0] != "-" else None
    if target is not None and call.where is None:
        raise Usage(f"Over ssh the archive goes to standard output: `... slugs:export {wanted} -a {app} > {target}`.")
    if target is None and call.around.stdout.isatty():
        raise Usage("An archive is nothing for a terminal: name a FILE, or pipe it somewhere.")
    slug = call.client.get(path("apps", app, "slugs", wanted))
    archive = path("hostd", "apps", app, "slugs", slug["id"], "tarball")
    if target is None:
        _copy(call, archive, call.write)
        return
    with call.action(f"Exporting slug {slug['id'][:SHORT]} of {call.error_style.app(app)} to {target}") as action:
        action.done = size(_save(call, archive, Path(target)))


@command(
    "slugs:gc",
    options=(Option("dry-run", "n", "delete nothing, only tell what would be deleted"), JSON),
    examples=("hostctl slugs:gc --dry-run", "hostctl slugs:gc"),
)
def gc(call: Call) -> None:
    """Delete the slugs of all apps that nobody can roll back to.

    hostd does so by itself after each release, every hour, and before a build when space is short. For admins.
    """
    dry = call.flag("dry-run")
    target = path("hostd", "slugs", "garbage")
    found = call.client.get(target) if dry else call.client.request("DELETE", target).data
    if call.flag("json"):
        call.print_json(found)
        return
    if not found:
        call.say("Every slug can be rolled back to: there is nothing to delete.")
        return
    call.print(
        *columns(
            (
                slug["id"][:SHORT],
                slug["app"]["name"] or "(destroyed)",
                slug["commit"][:SHORT] or "-",
                size(slug["size"]),
                _releases(slug["releases"]),
            )
            for slug in found
        )
    )
    one = len(found) == 1
    done = "would be" if dry else "was" if one else "were"
    call.say(f"{len(found)} {'slug' if one else 'slugs'} {done} deleted.")


def on_disk(usage: dict[str, int] | None) -> str:
    """What something takes: `42.1 MB, 38.0 MB of it shared`."""
    if usage is None:
        return "not known: it takes too long to tell"
    shared = f", {size(usage['shared'])} of it shared" if usage["shared"] else ""
    return f"{size(usage['total'])}{shared}"


def _table(found: Sequence[dict[str, Any]], now: float, style: Style, width: int) -> list[str]:
    rows = (
        (
            style.paint(slug["id"][:SHORT], 33),
            slug["commit"][:SHORT] or "-",
            size(slug["size"]),
            _releases(slug["extended"]["releases"]) + _remark(slug["extended"]),
            moment(slug["created_at"], now),
        )
        for slug in found
    )
    return columns(rows, width=width, shorten=(3,))


def _files(count: int | None) -> str:
    return "" if count is None else f" in {count} {'file' if count == 1 else 'files'}"


def _releases(versions: Sequence[int], most: int = RELEASES) -> str:
    """`v9, v8, ...`, newest first."""
    named = [f"v{version}" for version in versions[:most]]
    return ", ".join([*named, "..."] if len(versions) > most else named) or "(no release)"


def _remark(extended: dict[str, Any]) -> str:
    if not extended["stored"]:
        return " (files are missing)"
    return " (current)" if extended["current"] else ""


def _save(call: Call, archive: str, target: Path) -> int:
    """Write the archive to a file that was not there; its size. Nothing is left of one that does not come whole."""
    draft = target.with_name(f".{target.name}.part")
    if target.exists():
        raise Refused(f"{target} is there already.")
    try:
        with draft.open("wb") as file:
            _copy(call, archive, file.write)
        draft.rename(target)
        return target.stat().st_size
    except OSError as error:
        raise Refused(f"{target} cannot be written: {error.strerror}.") from error
    finally:
        draft.unlink(missing_ok=True)


def _copy(call: Call, archive: str, write: Callable[[bytes], object]) -> None:
    with call.client.stream("GET", archive) as response:
        while True:
            try:
                piece = response.read1(PIECE)
            except (OSError, http.client.HTTPException) as error:
                raise Refused("The archive broke off: try again. hostd's log may say why.") from error
            if not piece:
                return
            write(piece)
