import pytest

from hostd.errors import Invalid
from hostd.logplex.lines import stamp
from hostd.logplex.times import checked_span, moment

NOW = 1_769_510_888_123_456  # 2026-01-27T10:48:08.123456
MINUTE = 60_000_000


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("10m", "2026-01-27T10:38:08.123456"),
        ("90s", "2026-01-27T10:46:38.123456"),
        ("2h ago", "2026-01-27T08:48:08.123456"),
        ("1d", "2026-01-26T10:48:08.123456"),
        ("1w", "2026-01-20T10:48:08.123456"),
        ("999999999w", "1970-01-01T00:00:00.000000"),
        ("now", "2026-01-27T10:48:08.123456"),
        ("Today", "2026-01-27T00:00:00.000000"),
        ("yesterday", "2026-01-26T00:00:00.000000"),
        ("09:30", "2026-01-27T09:30:00.000000"),
        ("09:30:01+01:00", "2026-01-27T08:30:01.000000"),
        ("2026-01-02", "2026-01-02T00:00:00.000000"),
        ("2026-01-02 03:04", "2026-01-02T03:04:00.000000"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000"),
        ("2026-01-02T03:04:05.678901+00:00", "2026-01-02T03:04:05.678901"),
        ("2026-01-02T03:04:05+0200", "2026-01-02T01:04:05.000000"),
        ("1969-01-01", "1970-01-01T00:00:00.000000"),
    ],
)
def test_moments(text, found):
    assert stamp(moment(text, NOW)) == f"{found}+00:00"


@pytest.mark.parametrize(
    "text", ["", "10", "10x", "m", "-10m", "2026-13-01", "25:00", "tomorrow", "next\nline", "9" * 99]
)
def test_what_is_no_time_is_said_with_examples(text):
    with pytest.raises(Invalid, match=r"is not a time. Times are 10m, 2h"):
        moment(text, NOW)


def test_spans():
    checked_span(None, None, NOW)
    checked_span(NOW - MINUTE, NOW + MINUTE, NOW)
    with pytest.raises(Invalid, match="still to come"):
        checked_span(NOW + 1, None, NOW)
    with pytest.raises(Invalid, match="nothing lies between"):
        checked_span(NOW - 1, NOW - 2, NOW)
