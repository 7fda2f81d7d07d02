"""Which host is served with which certificate."""

from dataclasses import dataclass
from datetime import datetime

import pytest
from tls_kit import DAY, NOW

from hostd.certificates.matching import assign, covering, covers


@dataclass(frozen=True)
class One:
    names: tuple[str, ...]
    starts_at: datetime = NOW - DAY
    expires_at: datetime = NOW + DAY
    automatic: bool = False


@pytest.mark.parametrize(("name", "host", "good"), [
    ("a.test", "a.test", True),
    ("a.test", "b.a.test", False),
    ("*.a.test", "b.a.test", True),
    ("*.a.test", "c.b.a.test", False),
    ("*.a.test", "a.test", False),
    ("*.a.test", "*.a.test", True),
    ("*.a.test", "*.b.a.test", False),
    ("*.test", "*.test", True),
    ("b.a.test", "*.a.test", False),
    ("*", "test", False),
])  # fmt: skip
def test_names_and_hosts(name, host, good):
    assert covers(name, host) is good


def test_the_hosts_of_a_certificate():
    assert covering(One(("a.test", "*.b.test")), ["x.b.test", "c.test", "a.test"]) == ["x.b.test", "a.test"]


def test_hosts_without_any_are_left_out():
    assert assign([One(("a.test",))], ["b.test"], NOW) == {}


def test_the_later_one_is_taken():
    old, new = One(("a.test",)), One(("a.test",), expires_at=NOW + 2 * DAY)
    assert assign([new, old], ["a.test"], NOW) == {"a.test": old}
    assert assign([old, new], ["a.test"], NOW) == {"a.test": new}


def test_one_that_names_the_host_comes_before_a_wildcard():
    exact, wild = One(("b.a.test",)), One(("*.a.test",))
    assert assign([exact, wild], ["b.a.test", "c.a.test"], NOW) == {"b.a.test": exact, "c.a.test": wild}


def test_one_that_somebody_added_comes_before_an_automatic_one():
    added, automatic = One(("*.a.test",)), One(("b.a.test",), automatic=True)
    assert assign([added, automatic], ["b.a.test"], NOW) == {"b.a.test": added}
    expired = One(("b.a.test",), expires_at=NOW)
    assert assign([expired, automatic], ["b.a.test"], NOW) == {"b.a.test": automatic}


def test_one_that_is_valid_comes_first_and_an_expired_one_before_none():
    expired, wild = One(("b.a.test",), expires_at=NOW), One(("*.a.test",))
    future = One(("b.a.test",), starts_at=NOW + DAY)
    assert assign([wild, expired, future], ["b.a.test"], NOW) == {"b.a.test": wild}
    assert assign([expired], ["b.a.test"], NOW) == {"b.a.test": expired}
