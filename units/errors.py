# ruff: noqa: N818 - errors are named for what happened
"""What can go wrong between us and systemd."""


class SystemdError(Exception):
    """systemd refused or failed to do something; the message says what and why."""


class SystemdUnavailable(SystemdError):
    """systemd does not answer: it is not PID 1 here, is re-executing, or took longer than the deadline."""


class UnknownUnit(SystemdError):
    """No unit of that name is loaded."""


class UnitExists(SystemdError):
    """A unit of that name is loaded already: running, or ended and not yet let go of (``unref``)."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"{name} exists already")


class UnitFailed(SystemdError):
    """A unit did not start as asked.

    ``result`` is systemd's word: exit-code, signal, oom-kill, timeout, resources, canceled, ...;
    ``status`` the exit status or signal of its main process, 0 when it had none. Statuses from 200
    are systemd's own (systemd.exec(5), "Process Exit Codes"): 226 the sandbox, 203 no such program.
    """

    def __init__(self, name: str, result: str, status: int = 0) -> None:
        self.name, self.result, self.status = name, result, status
        super().__init__(f"{name} failed: {result}{f', status {status}' if status else ''}")
