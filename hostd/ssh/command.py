"""`hostd-ssh USER KEY`: the forced command of each key. Git for apps' repositories, hostctl for all else, no shell."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from hostd.cli.client import ADDRESS, Client, path, run_dir
from hostd.errors import HostdError, NotFound, to_terminal
from hostd.ssh.request import BadRequest, GitRequest, HostctlRequest, parse

GREETING = "Hi {user}: hostd knows your key, and gives no shell. Try: ssh git@HOST help"
KEPT_FOR_HOSTCTL = ("TERM", "LANG", "LC_ALL", "TZ", "HOSTD_RUN_DIR")


def main(argv: Sequence[str] | None = None) -> int:
    """Do what SSH_ORIGINAL_COMMAND says, as the user that sshd's key look-up named; return the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    # Connections of before an upgrade name no key.
    if len(words) not in (1, 2):
        sys.stderr.write(" !    hostd-ssh is run by sshd, with a user's e-mail address and the id of their key.\n")
        return 2
    user = words[0]
    try:
        request = parse(os.environ.get("SSH_ORIGINAL_COMMAND", ""))
        if isinstance(request, GitRequest):
            return _git(request, user)
        return _hostctl(request, user)
    except BadRequest as error:
        sys.stderr.write(f" !    {error}\n")
        return 2
    except HostdError as error:
        sys.stderr.write(f"{to_terminal(error)[0]}\n")
        return 1


def _hostctl(request: HostctlRequest, user: str) -> int:
    if not request.words:
        sys.stderr.write(GREETING.format(user=user) + "\n")
        return 1
    from hostd import cli
    from hostd.cli.call import Surroundings

    signal.signal(signal.SIGTERM, _ended)
    env = _scrubbed(os.environ) | _from(os.environ)
    return cli.main(request.words, Surroundings.of_process(user, env))


def _ended(_number: int, _frame: object) -> None:
    """Say why there is no more: hostd ends the sessions of who may have them no more, and a server its own."""
    os.write(sys.stderr.fileno(), b"\n !    The server ended this session: it stops, or your rights have changed.\n")
    os._exit(128 + signal.SIGTERM)


def _git(request: GitRequest, user: str) -> int:
    if os.isatty(sys.stdin.fileno()):
        raise BadRequest("Git needs no terminal: leave out -t.")
    from hostd.ssh import git

    client = Client(run_dir(os.environ), address=_from(os.environ).get(ADDRESS))
    body = {"app": request.app, "user": user, "service": request.service}
    try:
        found = client.request("POST", path("hostd", "ssh", "repositories"), body).data
    except NotFound as error:
        if error.message.startswith("Couldn't find that app"):
            error.message = (
                f"Couldn't find that app: {request.app}. "
                f"Your apps: ssh git@HOST apps. A new one: ssh git@HOST apps:create {request.app}. "
                f"Somebody else's: they let you in with access:add {user}"
            )
        raise
    job = git.Job(request.service, Path(found["path"]), str(found["app_id"]), request.app, user)
    return git.serve(job, Path(sys.argv[0]).absolute().parent, os.environ)


def _from(env: Mapping[str, str]) -> dict[str, str]:
    """The client's address, which the audit log names: sshd says it (sshd(8)), the client cannot."""
    connection = env.get("SSH_CONNECTION", "").split()
    return {ADDRESS: connection[0]} if connection else {}


def _scrubbed(env: Mapping[str, str]) -> dict[str, str]:
    return {name: env[name] for name in KEPT_FOR_HOSTCTL if name in env}
