"""The terminal that tests talk to programs through."""

import os
import signal

import pytest

from tests.support.terminal import CTRL_C, open_terminal


def test_a_program_sees_a_terminal_of_the_size_asked_for():
    with open_terminal(["sh", "-c", "tty && stty size"], rows=33, columns=111) as terminal:
        assert terminal.wait() == 0
    assert terminal.text.splitlines()[0].startswith("/dev/pts/")
    assert terminal.text.splitlines()[1] == "33 111"


def test_what_is_expected_is_waited_for_in_order():
    with open_terminal(["cat"]) as terminal:
        terminal.type("one\n")
        terminal.expect("one\r\none\r\n")
        terminal.type("two\n")
        terminal.expect("two")
        with pytest.raises(AssertionError, match="'one' did not appear"):
            terminal.expect("one", seconds=0.01)


def test_ctrl_c_is_a_signal_and_its_number_is_the_status():
    with open_terminal(["sh", "-c", "echo ready; exec cat"]) as terminal:
        terminal.expect("ready")
        terminal.type(CTRL_C)
        assert terminal.wait() == -signal.SIGINT


def test_what_still_runs_is_killed():
    with open_terminal(["sh", "-c", "echo $$; exec cat"]) as terminal:
        terminal.expect("\n")
    with pytest.raises(ProcessLookupError):
        os.kill(int(terminal.text), 0)
