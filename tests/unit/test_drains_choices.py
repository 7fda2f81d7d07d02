"""Which lines a drain gets."""

import pytest

from hostd.logplex.drains.choices import Choice


@pytest.mark.parametrize(
    ("wanted", "gets"),
    [
        (Choice(), True),
        (Choice("app"), True),
        (Choice("heroku"), True),
        (Choice(processes=("web",)), True),
        (Choice(processes=("logplex",)), True),
        (Choice("heroku", processes=("logplex",)), True),
        (Choice(excluded=("router",)), True),
        (Choice("app", processes=("logplex",)), False),
        (Choice("heroku", processes=("router",)), False),
        (Choice(processes=("web.2",)), False),
        (Choice(excluded=("web",)), False),
        (Choice(excluded=("logplex",)), False),
        (Choice(processes=("web",), excluded=("logplex",)), False),
    ],
)
def test_what_was_lost_of_a_dyno_is_for_those_who_get_its_lines_or_the_logs_own(wanted, gets):
    assert wanted.accepts("heroku", "logplex", about="web.1") is gets
