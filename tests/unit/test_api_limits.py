"""Limits: a bucket of calls for each account, and waits for who guesses."""

import pytest

from hostd.api import limits
from hostd.api.limits import Lockout, Quota


class Clock:
    def __init__(self):
        self.at = 1000.0

    def __call__(self):
        return self.at


@pytest.fixture
def clock():
    return Clock()


def test_an_account_has_so_many_calls_and_gets_them_anew_evenly(clock):
    quota = Quota(clock, calls=3600)
    assert all(quota.take("kate") for _ in range(3600))
    assert (quota.take("kate"), quota.remaining("kate"), quota.wait("kate")) == (False, 0, 1)
    assert (quota.take("ann"), quota.remaining("ann"), quota.wait("ann")) == (True, 3599, 0)
    clock.at += 10
    assert quota.remaining("kate") == 10
    clock.at += 10_000
    assert quota.remaining("kate") == 3600


def test_as_many_as_heroku_gives(clock):
    quota = Quota(clock)
    quota.take("kate")
    assert quota.remaining("kate") == 4499
    clock.at += 1
    assert quota.remaining("kate") == 4500


def guess(lockout, times, address="192.0.2.1", start=0):
    for number in range(start, start + times):
        lockout.wrong(address, f"token-{number}")


def test_who_guesses_waits_twice_as_long_each_time_and_others_do_not(clock):
    lockout = Lockout(clock)
    guess(lockout, 9)
    assert lockout.wait("192.0.2.1") == 0
    waits = []
    for number in range(10, 24):
        guess(lockout, 1, start=number)
        waits.append(lockout.wait("192.0.2.1"))
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600]
    assert lockout.wait("192.0.2.2") == 0
    clock.at += 3600
    assert lockout.wait("192.0.2.1") == 0
    clock.at += 3601
    guess(lockout, 1, start=99)
    assert lockout.wait("192.0.2.1") == 0


def test_guesses_are_forgotten_after_an_hour(clock):
    lockout = Lockout(clock)
    guess(lockout, 9)
    clock.at += 3601
    guess(lockout, 9, start=9)
    assert lockout.wait("192.0.2.1") == 0
    guess(lockout, 1, start=18)
    assert lockout.wait("192.0.2.1") == 1


def test_the_same_token_again_is_no_guess(clock):
    lockout = Lockout(clock)
    for _ in range(100):
        lockout.wrong("192.0.2.1", "an old one")
    assert lockout.wait("192.0.2.1") == 0


def test_an_ipv6_network_is_one_guesser(clock):
    lockout = Lockout(clock)
    for number in range(12):
        lockout.wrong(f"2001:db8::{number:x}", f"token-{number}")
    assert lockout.wait("2001:db8::ffff") > 0
    assert lockout.wait("2001:db8:0:1::1") == 0
    guess(lockout, 12, "unknown")
    assert lockout.wait("unknown") > 0


def test_memory_is_bounded(clock, monkeypatch):
    monkeypatch.setattr(limits, "MOST_REMEMBERED", 3)
    lockout, quota = Lockout(clock), Quota(clock)
    for number in range(10):
        lockout.wrong(f"192.0.2.{number}", "x")
        quota.take(str(number))
    assert (len(lockout._guessers), len(quota._buckets)) == (3, 3)
