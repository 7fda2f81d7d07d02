"""hostctl logs:info and logs:set, as their users see them."""

import json

import pytest
from cli_fakes import hostctl

LOGS = "/hostd/apps/hello/logs"
FOUND = {
    "namespace": "hostd-1234",
    "size_bytes": 12_582_912,
    "lines": 20_480,
    "oldest_at": "2015-11-17T17:37:41Z",
    "newest_at": "2015-11-17T18:37:41Z",
    "size_mb": 256,
    "retention_days": None,
    "own": {"size_mb": None, "retention_days": None},
    "rate": 5000,
}


def test_a_log_is_described(tmp_path, hostd):
    hostd.on(f"GET {LOGS}", (200, FOUND))
    assert hostctl(tmp_path, "logs:info", "-a", "hello").out == (
        "=== log of hello\n\n"
        "Journal: journalctl --namespace=hostd-1234\n"
        "On disk: 12.0 MB of 256 MB\n"
        "Lines:   20480\n"
        "Oldest:  2015/11/17 17:37:41 +0000 (~ 1h ago)\n"
        "Newest:  2015/11/17 18:37:41 +0000 (~ 0s ago)\n"
        "Kept:    256 MB, as long as there is room\n"
        "Rate:    5000 lines a second from each dyno, on average\n"
    )
    assert json.loads(hostctl(tmp_path, "logs:info", "--json", "-a", "hello").out) == FOUND


def test_an_empty_log_without_a_rate(tmp_path, hostd):
    empty = FOUND | {"lines": 0, "oldest_at": None, "newest_at": None, "rate": 0, "retention_days": 30}
    hostd.on(f"GET {LOGS}", (200, empty))
    said = hostctl(tmp_path, "logs:info", "-a", "hello").out
    assert "Kept:    256 MB, 30 days\n" in said
    assert "Rate:    as fast as a dyno writes\n" in said
    assert "Oldest:\n" in said


def test_limits_are_set(tmp_path, hostd):
    hostd.on(f"PATCH {LOGS}", (200, FOUND | {"size_mb": 64, "retention_days": 7}))
    done = hostctl(tmp_path, "logs:set", "--size", "64", "--retention", "7", "-a", "hello")
    assert done.err == "Setting the limits of the log of hello... done, 64 MB, 7 days\n"
    hostctl(tmp_path, "logs:set", "--size", "default", "-a", "hello")
    assert [request.json for request in hostd.requests] == [{"size_mb": 64, "retention_days": 7}, {"size_mb": None}]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--size, --retention or both"),
        (("--size", "15"), "16 to 1048576, or default, not '15'"),
        (("--size", "lots"), "or default, not 'lots'"),
        (("--retention", "6"), "7 to 3650"),
    ],
)
def test_limits_that_cannot_be_are_not_sent(tmp_path, hostd, words, said):
    done = hostctl(tmp_path, "logs:set", *words, "-a", "hello")
    assert done.status == 2 and said in done.err
    assert hostd.requests == []
