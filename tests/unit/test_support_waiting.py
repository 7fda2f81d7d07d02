import pytest

from tests.support.waiting import wait_until


def test_waits_for_a_true_answer():
    answers = iter([None, 0, "yes"])
    assert wait_until(lambda: next(answers), 5, every=0.001) == "yes"


def test_tells_the_last_answer():
    with pytest.raises(AssertionError, match=r"the dyno did not hold within 0.01 s; last answer: 0"):
        wait_until(lambda: 0, 0.01, every=0.001, what="the dyno")
