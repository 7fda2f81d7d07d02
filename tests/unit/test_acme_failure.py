"""Why there is no certificate, in words; and what an authority asks for."""

from datetime import timedelta

import pytest
from tls_kit import DAY, NOW

from hostd.acme.failure import LONGEST, LONGEST_WAIT, Failure, moment_of, problem

URN = "urn:ietf:params:acme:error:"


@pytest.mark.parametrize(("code", "general", "unknown"), [
    ("connection", False, False), ("dns", False, False), ("unauthorized", False, False), ("caa", False, False),
    ("rejectedIdentifier", False, False), ("rateLimited", False, False), ("serverInternal", True, False),
    ("badNonce", True, False), ("accountDoesNotExist", True, True), ("userActionRequired", True, False),
])  # fmt: skip
def test_whose_fault_a_problem_is(code, general, unknown):
    found = problem(URN + code, "Something. Was wrong.")
    assert (found.reason, found.general, found.unknown) == (f"Something. Was wrong ({code})", general, unknown)


def test_what_is_told_is_one_line_and_not_too_long():
    assert Failure("a\x1b[31m\nb\t c.").reason == "a [31m b c"
    assert len(Failure("x" * 1000).reason) == LONGEST
    assert problem(f"{URN}dns", "").reason == "no reason given (dns)"


@pytest.mark.parametrize(("code", "unproven"), [
    ("connection", True), ("unauthorized", True), ("tls", True), ("incorrectResponse", True), ("dns", False),
    ("caa", False), ("rejectedIdentifier", False), ("rateLimited", False), ("serverInternal", False),
])  # fmt: skip
def test_what_another_proof_may_mend(code, unproven):
    assert problem(URN + code, "No.").unproven is unproven


@pytest.mark.parametrize(("text", "then"), [
    ("120", NOW + timedelta(seconds=120)),
    (" 0 ", NOW),
    ("9" * 50, NOW + LONGEST_WAIT),
    ("Mon, 02 Mar 2026 12:00:00 GMT", NOW + DAY),
    ("Mon, 01 Mar 2027 12:00:00 GMT", NOW + LONGEST_WAIT),
    ("Sat, 28 Feb 2026 12:00:00 GMT", None),
    ("soon", None), ("", None), (None, None), ("-5", None), ("\u0662", None),
])  # fmt: skip
def test_when_the_authority_wants_to_be_asked_again(text, then):
    assert moment_of(text, NOW) == then
