"""What a long table may be asked for, with Heroku's flags: some of its rows and columns, sorted, or as CSV."""

from __future__ import annotations

from collections.abc import Sequence

from hostd.cli.call import Call
from hostd.cli.command import Option, Usage
from hostd.cli.output import columns

PICKING = (
    Option("columns", None, "only these columns, with commas between them", "NAMES"),
    Option("filter", None, "only rows with this in a column: name=example", "COLUMN=TEXT"),
    Option("sort", None, "sort by a column; -COLUMN the other way round", "COLUMN"),
    Option("csv", "c", "comma-separated values"),
    Option("extended", "x", "more columns"),
)


def picked(call: Call, head: Sequence[str], rows: Sequence[Sequence[str]], shorten: Sequence[int] = ()) -> list[str]:
    """The lines of a table as the flags want them. Raises Usage for columns that it does not have."""
    names, wanted = list(head), [list(row) for row in rows]
    if given := call.text("filter"):
        name, equals, text = given.partition("=")
        if not equals:
            raise Usage(f"--filter must be COLUMN=TEXT, not {given!r}.")
        place = _place(names, name)
        wanted = [row for row in wanted if text.lower() in row[place].lower()]
    if by := call.text("sort"):
        place = _place(names, by.removeprefix("-"))
        wanted.sort(key=lambda row: row[place], reverse=by.startswith("-"))
    places = [_place(names, name) for name in (call.text("columns") or "").split(",") if name.strip()]
    table = [[row[place] for place in places or range(len(names))] for row in [names, *wanted]]
    if call.flag("csv"):
        return _csv(table)
    fitting = [number for number, place in enumerate(places or range(len(names))) if place in shorten]
    return columns(table, width=call.width, shorten=fitting)


def _place(names: Sequence[str], name: str) -> int:
    """Where a column is, by its name or a beginning of one that no other has, in capitals or not."""
    wanted = name.strip().lower()
    exact = [number for number, known in enumerate(names) if known.lower() == wanted]
    near = [number for number, known in enumerate(names) if wanted and known.lower().startswith(wanted)]
    found = exact or near
    if len(found) != 1:
        raise Usage(f"There is no column {name.strip()!r}. The columns are: {', '.join(names)}.")
    return found[0]


def _csv(table: Sequence[Sequence[str]]) -> list[str]:
    import csv
    import io

    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(table)
    return written.getvalue().splitlines()
