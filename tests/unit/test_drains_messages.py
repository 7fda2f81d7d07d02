"""What drains send, byte by byte; where they lead; which lines they get. Pure."""

import pytest
from drains_kit import item

from hostd.errors import Invalid
from hostd.logplex.drains.backoff import LONGEST, Backoff
from hostd.logplex.drains.choices import Choice, choice
from hostd.logplex.drains.destinations import Kind, destination, masked
from hostd.logplex.drains.messages import export, logplex, overflow, plain, priority, syslog

STAMP = "2026-01-27T10:48:08.000001+00:00"


def parsed(data):
    """Octet-counted messages, taken apart as a receiver does."""
    found = []
    while data:
        length, _, rest = data.partition(b" ")
        found.append(rest[: int(length)])
        data = rest[int(length) :]
    return found


def test_a_syslog_message_is_as_heroku_writes_it():
    assert syslog([item(1, "Listening on 20001")], "d.1b2c") == (
        f"79 <190>1 {STAMP} d.1b2c app web.1 - - Listening on 20001".encode()
    )


def test_a_batch_has_no_structured_data_and_line_ends():
    assert logplex([item(1, "hello"), item(1, "at=info", "heroku", "router")]) == (
        f"63 <190>1 {STAMP} host app web.1 - hello\n69 <158>1 {STAMP} host heroku router - at=info\n".encode()
    )


@pytest.mark.parametrize(
    "text", ["caf\u00e9", "\u65e5\u672c\u8a9e \U0001f600", "", "x" * 9_999, "a\tb", "12 <1>1 - - - - - - trick"]
)
def test_lengths_count_bytes_whatever_the_text(text):
    for made in (syslog([item(1, text), item(2, "after")], "d.1"), logplex([item(1, text), item(2, "after")])):
        first, second = parsed(made)
        assert first.decode().rstrip("\n").endswith(f"- {text}")
        assert second.decode().rstrip("\n").endswith("- after")


def test_each_line_of_a_text_is_a_message_and_control_characters_are_spelled_out():
    several = item(1, "Traceback:\n  File \x1b[2Jx\0")
    assert several.count == 2
    assert [row.split(b" - - ")[1] for row in parsed(syslog([several], "d.1"))] == [b"Traceback:", b"  File \\e[2Jx\\0"]


def test_long_lines_are_split_as_in_the_log():
    long = item(1, "\u00e9" * 12_000)
    assert [len(text.encode()) for text in long.texts] == [10_000, 10_000, 4_000]


def test_a_process_with_blanks_cannot_break_the_header():
    (row,) = parsed(syslog([item(1, "x", process="a b\u00e9\n" + "c" * 200)], "d.1"))
    assert row.split(b" ")[4].startswith(b"a_b__c") and len(row.split(b" ")[4]) == 128


def test_priorities_are_herokus():
    asked = [("app", "web.1"), ("heroku", "router"), ("heroku", "logplex"), ("heroku", "web.1")]
    assert [priority(*each) for each in asked] == [190, 158, 172, 45]


def test_overflow_says_the_number_and_since_when():
    assert overflow(41, 1_769_510_888_000_001) == (
        f"Error L10 (Drain buffer overflow) -> This drain dropped 41 messages since {STAMP}."
    )
    assert "Drain d.1 dropped 1 message since" in overflow(1, 0, "d.1")


def test_plain_and_exported_entries():
    assert plain([item(1, "hi")]) == f"{STAMP} app[web.1]: hi\n".encode()
    text = export([item(7, "hi")], "some-app").decode()
    assert text.endswith("MESSAGE=hi\n\n")
    assert "__REALTIME_TIMESTAMP=1769510888000007\n__MONOTONIC_TIMESTAMP=7\n" in text
    assert f"_BOOT_ID={'b' * 32}\n" in text


@pytest.mark.parametrize(
    ("url", "kind", "host", "port", "target"),
    [
        ("syslog://logs.example.com:5140", Kind.SYSLOG, "logs.example.com", 5140, ""),
        ("syslog://logs.example.com", Kind.SYSLOG, "logs.example.com", 514, ""),
        ("syslog+tls://[2001:db8::1]:7000/", Kind.SYSLOG_TLS, "2001:db8::1", 7000, ""),
        ("https://u:p@h.example/a/b?c=d", Kind.HTTPS, "h.example", 443, "/a/b?c=d"),
        ("http://h", Kind.HTTP, "h", 80, "/"),
        ("journal+https://h", Kind.JOURNAL, "h", 19532, "/upload"),
        ("file:///apps/hello.log", Kind.FILE, "", 0, "apps/hello.log"),
    ],
)
def test_addresses_are_taken_apart(url, kind, host, port, target):
    found = destination(url)
    assert (found.kind, found.host, found.port, found.target) == (kind, host, port, target)


def test_user_and_password_become_basic_authentication():
    assert destination("https://kate:a%40b@h/").credentials == "Basic a2F0ZTphQGI="
    assert "a2F0" not in repr(destination("https://kate:a%40b@h/secret")) and "secret" not in repr(
        destination("https://h/secret")
    )


@pytest.mark.parametrize(
    "url",
    [
        "", "logs.example.com", "ftp://h/", "syslog://", "syslog://h:0", "syslog://h:70000", "syslog://h:x", "https:///x",
        "syslog://u:p@h:514", "syslog://h:514/path", "syslog://h?x=1", "https://h/#part", "https://h/ x",
        "https://h/\r\nX: y",
        "https://b\u00fccher.example/", "https://[::1", "https://[fe80::1%25eth0]/", "file:///../etc/passwd", "file://host/x",
        "file:///.hidden", "file:///a//b", "file:///", "https://h\\@x/", "https://-h/", "x" * 3000,
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_drain_is_refused_without_being_repeated(url):
    with pytest.raises(Invalid) as refused:
        destination(url)
    assert "u:p" not in refused.value.message and "X: y" not in refused.value.message


def test_masked_addresses_show_no_secret():
    assert masked("https://kate:pw@logs.example.com/a?token=t0k3n&x&v=1") == (
        "https://***@logs.example.com/a?token=***&***&v=***"
    )
    assert masked("https://token@h:8443/") == "https://***@h:8443/"
    assert masked("https://h/services/T024BE7LD0A1B2C3D4/b") == "https://h/services/***/b"
    for plain_url in ("syslog+tls://logs.example.com:6514", "https://in.example.com/heroku/logs", "file:///hello-2026-11.log"):
        assert masked(plain_url) == plain_url


def test_choices_by_source_process_and_exclusion():
    assert Choice().accepts("app", "web.1")
    web = Choice(source="app", processes=("web",), excluded=("web.2",))
    asked = [("app", "web.1"), ("app", "web.2"), ("heroku", "web.1"), ("app", "worker.1"), ("app", "website.1")]
    assert [web.accepts(*each) for each in asked] == [True, False, False, False, False]
    assert web.accepts("heroku", "logplex", "web.1") and not web.accepts("heroku", "logplex", "worker.1")
    assert not Choice(excluded=("router",)).accepts("heroku", "router")
    assert choice(web.to_json()) == web


@pytest.mark.parametrize(
    "value",
    [
        {"source": "x"}, {"processes": "web"}, {"excluded": [1]}, {"other": 1}, {"processes": ["a b"]},
        {"processes": ["x"] * 51},
    ],
)  # fmt: skip
def test_bad_choices_are_refused(value):
    with pytest.raises(Invalid):
        choice(value)


def test_backing_off_doubles_up_to_minutes_and_begins_anew():
    backoff = Backoff(lambda: 1.0)
    assert [backoff.pause() for _ in range(11)] == [1, 2, 4, 8, 16, 32, 64, 128, 256, LONGEST, LONGEST]
    backoff.well()
    assert backoff.pause() == 1
    assert backoff.pause(asked=120) == 120
    assert backoff.pause(asked=10**9) == 3600
    assert all(0.75 <= Backoff().pause() <= 1.0 for _ in range(50))
