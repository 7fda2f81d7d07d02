"""Ranges: what a header asks for, and the pages that answer it."""

import pytest
from api_fakes import running_api
from hypothesis import given
from hypothesis import strategies as some

from hostd.api.ranges import LARGEST_PAGE, Range, page, parse
from hostd.errors import BadRange

HAS = ("id", "name", "version")


@pytest.mark.parametrize(
    ("header", "asked"),
    [
        ("version ..; max=1, order=desc", Range("version", most=1, descending=True)),
        ("version ..; order=desc,max=1", Range("version", most=1, descending=True)),
        ("version ..;order=desc", Range("version", descending=True)),
        ("id ..; max=1000;", Range("id", most=1000)),
        ("id ..", Range("id")),
        ("id  ..  ", Range("id")),
        ("name my-app..", Range("name", "my-app")),
        ("name ]my-app..; max=200", Range("name", "my-app", after=True, most=200)),
        ("name a..m", Range("name", "a", "m")),
        ("name [a..m]; order=asc", Range("name", "a", "m")),
        ("name a..m[", Range("name", "a", "m", before=True)),
        ("version ]5..; max=99999", Range("version", "5", after=True, most=LARGEST_PAGE)),
        ("", None),
        ("  ", None),
        ("bytes=0-100", None),
    ],
)
def test_headers(header, asked):
    assert parse(header, HAS) == asked


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("colour ..", "no range by 'colour'. It has: id, name, version"),
        ("id", "cannot be read"),
        ("id ..; max=0", "1 or more"),
        ("id ..; max=many", "a number"),
        ("id ..; order=up", "asc or desc"),
        ("id ..; limit=5", "no option"),
        ("id ..; max", "no option"),
        ("id " + "x" * 600 + "..", "cannot be read"),
        ("]..;", "cannot be read"),
    ],
)
def test_headers_that_cannot_be(header, why):
    with pytest.raises(BadRange, match=why):
        parse(header, HAS)


def test_the_bounds_of_numbers_are_numbers():
    assert page([9, 10, 11], Range("version", "10"), int).rows == [10, 11]
    with pytest.raises(BadRange, match="not a number"):
        page([1], Range("version", "x"), int)


def test_bounds_hold_in_the_order_that_is_asked_for():
    letters = list("bdac")
    assert page(letters, Range("name", "b", "c"), str).rows == ["b", "c"]
    assert page(letters, Range("name", "b", "c", after=True, before=True), str).rows == []
    assert page(letters, Range("name", "c", descending=True), str).rows == ["c", "b", "a"]
    assert page(letters, Range("name", "d", "b", after=True, descending=True), str).rows == ["c", "b"]
    assert page([], Range("name"), str).next is None


@given(some.sets(some.integers(0, 10**6), max_size=60), some.integers(1, 20), some.booleans())
def test_pages_one_after_the_other_are_the_whole_list(rows, most, descending):
    asked, seen, times = Range("version", most=most, descending=descending), [], 0
    while asked is not None:
        found = page(rows, asked, int)
        seen += found.rows
        times += 1
        asked = parse(found.next, HAS) if found.next else None
        assert asked is None or (asked.most, asked.descending) == (most, descending)
    assert seen == sorted(rows, reverse=descending)
    assert times == max(1, -(-len(rows) // most))


@given(some.text(max_size=80))
def test_any_header_is_read_or_refused(header):
    try:
        asked = parse(header, HAS)
    except BadRange as error:
        assert error.status == 416
    else:
        assert asked is None or asked.by in HAS


async def test_a_list_comes_in_pages(tmp_path):
    async with running_api(tmp_path) as api:
        token = api.token()
        for number in range(5):
            api.ledger.apps.create(f"app-{number}", api.users["you"].id)
        whole = await api.with_token(token, "GET", "/apps")
        assert whole.status == 200 and "Next-Range" not in whole.headers
        assert whole.headers["Accept-Ranges"] == "name, id"
        first = await api.with_token(token, "GET", "/apps", headers={"Range": "name ..; max=2"})
        assert first.status == 206
        assert first.headers["Content-Range"] == "name app-0..app-1; max=2"
        assert first.headers["Next-Range"] == "name ]app-1..; max=2"
        names, more = [app["name"] for app in first.data], first.headers["Next-Range"]
        while more:
            rest = await api.with_token(token, "GET", "/apps", headers={"Range": more})
            names += [app["name"] for app in rest.data]
            more = rest.headers.get("Next-Range")
        assert names == [app["name"] for app in whole.data] and rest.status == 200
        refused = await api.with_token(token, "GET", "/apps", headers={"Range": "size .."})
        assert (refused.status, refused.data["id"]) == (416, "requested_range_not_satisfiable")
        assert (await api.with_token(token, "GET", "/apps", headers={"Range": ""})).status == 200


async def test_the_newest_releases_as_herokus_command_line_asks_for_them(tmp_path):
    async with running_api(tmp_path) as api:
        app, token = api.ledger.apps.create("hello", api.users["you"].id), api.token()
        for _ in range(3):
            api.deployed(app)
        for header, versions, status in (
            ("version ..; max=1, order=desc", [4], 206),
            ("version ..; order=desc,max=10", [4, 3, 2, 1], 200),
            ("version ]3..; order=desc,max=1", [2], 206),
            ("version 2..3", [2, 3], 200),
        ):
            found = await api.with_token(token, "GET", "/apps/hello/releases", headers={"Range": header})
            assert ([each["version"] for each in found.data], found.status) == (versions, status)
        next_range = "version ]4..; max=1,order=desc"
        newest = await api("GET", "/apps/hello/releases", headers={"Range": "version ..; max=1, order=desc"})
        assert newest.headers["Next-Range"] == next_range


async def test_more_than_a_page_without_a_word_of_ranges(tmp_path, monkeypatch):
    monkeypatch.setattr("hostd.api.ranges.LARGEST_PAGE", 2)
    async with running_api(tmp_path) as api:
        for number in range(3):
            api.ledger.apps.create(f"app-{number}", api.users["you"].id)
        assert len((await api("GET", "/apps")).data) == 3
        answer = await api.with_token(api.token(), "GET", "/apps")
        assert "max=1000" in answer.headers["Content-Range"]
