import threading

import pytest

from hostd.errors import Invalid
from hostd.logplex import patterns
from hostd.logplex.patterns import TooCostly, compile_pattern


def found(pattern, text, **options):
    return compile_pattern(pattern, **options).matches(text)


def test_patterns_are_those_of_pcre2():
    assert found(r"status=5\d\d", b"at=error status=503 bytes=0")
    assert not found(r"status=5\d\d", b"status=200")
    assert found(r"(?i)ERROR", b"Error") and found("error", b"ERROR", ignore_case=True) and not found("error", b"ERROR")
    assert found("ÉCOLE", "école".encode(), ignore_case=True)
    assert found(r"(?<=user )kate(?! s)", b"user kate")


def test_rows_of_an_entry_begin_and_end_lines():
    assert found("^KeyError$", b"Traceback\nKeyError\nmore") and not found("^Error", b"KeyError")
    assert found("(?s)Trace.*Key", b"Traceback\nKeyError")


def test_bytes_that_are_no_text_are_no_obstacle():
    assert found("after", b"\xff\xfe\0 after") and found(r"a\x00b", b"a\0b") and not found("é", b"\xe9")
    assert not found("x", b"")


@pytest.mark.parametrize(
    ("pattern", "place"),
    [
        ("(a", "at character 2: (a<here>"),
        ("*", "at character 0: <here>*"),
        ("école(", "at character 6: école(<here>"),
        ("[z-a]", "at character 3: [z-<here>a]"),
        ("\\", "at character 1"),
        ("a\\C", "not supported|disabled|\\\\C"),
    ],
)
def test_a_mistake_is_named_with_its_place(pattern, place):
    import re

    with pytest.raises(Invalid, match=place if "|" in place else re.escape(place)):
        compile_pattern(pattern)


def test_patterns_have_limits():
    with pytest.raises(Invalid, match="empty"):
        compile_pattern("")
    with pytest.raises(Invalid, match="longer than 1000 bytes"):
        compile_pattern("é" * 501)
    with pytest.raises(Invalid, match="cannot be read"):
        compile_pattern("(((x{1,999}){1,999}){1,999}){1,999}")


@pytest.mark.parametrize("pattern", ["(a+)+$", "(*LIMIT_MATCH=4000000000)(a+)+$", "(a|aa)+$", "^(?:.*?a){30}[cd]"])
def test_a_pattern_that_would_run_away_is_stopped(pattern):
    with pytest.raises(TooCostly, match="stopped"):
        found(pattern, b"a" * 5000 + b"b")


def test_each_thread_has_its_own_and_time_is_counted():
    one = compile_pattern("a(b)?c")
    other = one.again()
    results = []
    threads = [
        threading.Thread(target=lambda mine=mine: results.append(sum(mine.matches(b"xxabc") for _ in range(2000))))
        for mine in (one, other)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [2000, 2000]
    assert one.spent > 0 and other.spent > 0


def test_without_the_library_the_cause_is_said(monkeypatch):
    from hostd.errors import Unavailable

    monkeypatch.setattr(patterns, "LIBRARY", "libnothing.so.0")
    with pytest.raises(Unavailable, match="is missing"):
        patterns._library.__wrapped__()
