import json

from hostd.logplex.lines import Line
from hostd.logplex.rendering import Form, renderer, request_fields

AT = 1_769_510_888_123_456
STAMP = "2026-01-27T10:48:08.123456+00:00"
ROUTER = (
    'at=error code=H12 desc="Request timeout" method=GET path="/a b\\"c" host=hello.localhost request_id=4f1c '
    'fwd="1.2.3.4" dyno=web.1 connect=1ms service=30001ms status=503 bytes=0 protocol=http'
)


def shown(message, form=Form.TEXT, events=False, source="app", process="web.1"):
    made = renderer(form, events).line(Line("c1", AT, "app", source, process, message))
    return made.decode("utf-8", "surrogateescape")


def test_an_entry_stays_together():
    assert shown(b"a\nb") == f"{STAMP} app[web.1]: a\n{STAMP} app[web.1]: b\n"
    assert shown(b"a\nb", events=True) == f"id: c1\ndata: {STAMP} app[web.1]: a\ndata: {STAMP} app[web.1]: b\n\n"


def test_json_holds_what_was_written():
    text = shown(b"caf\xe9 \x1b[2J\0\x7f \xc2\x9b\nsecond", Form.JSON)
    assert text.isprintable() or text[:-1].isprintable()
    assert json.loads(text) == {
        "time": STAMP,
        "source": "app",
        "process": "web.1",
        "message": "caf\N{REPLACEMENT CHARACTER} \x1b[2J\0\x7f \x9b\nsecond",
    }
    assert shown(b"a\nb", Form.JSON, events=True).count("data: ") == 1


def test_json_takes_the_routers_lines_apart():
    found = json.loads(shown(ROUTER.encode(), Form.JSON, source="heroku", process="router"))["request"]
    assert found["path"] == '/a b\\"c' and found["desc"] == "Request timeout" and found["code"] == "H12"
    assert (found["status"], found["bytes"], found["connect"], found["service"]) == (503, 0, 1, 30001)
    assert "request" not in json.loads(shown(ROUTER.encode(), Form.JSON))
    assert request_fields("status=x bytes= connect=ms alone") == {"status": "x", "bytes": "", "connect": "ms"}


def test_raw_is_byte_for_byte():
    assert shown(b"\x1b[2J\xff\0\r", Form.RAW) == f"{STAMP} app[web.1]: \x1b[2J\udcff\0\r\n"
    rows = shown(b"x" * 25_000, Form.RAW).splitlines()
    assert [len(row.partition(": ")[2]) for row in rows] == [10_000, 10_000, 5_000]


def test_remarks_are_events_of_their_own_or_not_there():
    plain, events = renderer(Form.TEXT, False), renderer(Form.TEXT, True)
    assert plain.progress("x") == plain.notice("x") == b""
    assert events.progress("at work") == b"event: progress\ndata: at work\n\n"
    assert events.notice("note") == b"event: notice\ndata: note\n\n"
    assert events.failure(AT, "why") == b"event: failure\ndata: why\n\n"
    assert plain.failure(AT, "why").decode() == f"{STAMP} heroku[logplex]: Error: why\n"
    assert events.said(AT, "lost").decode() == f"data: {STAMP} heroku[logplex]: lost\n\n"
