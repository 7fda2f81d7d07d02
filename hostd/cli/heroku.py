"""heroku: Heroku's own CLI, unmodified, with this server in Heroku's place; heroku:setup: what it needs to know."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hostd.cli.authorizations import expires_in
from hostd.cli.call import Call
from hostd.cli.client import Client, path
from hostd.cli.command import JSON, Option, Refused, command
from hostd.errors import HostdError

PROGRAM = "heroku"
LIFETIME = 3600
"""Seconds that the token of one call is good for; it is revoked when the call ends."""
NO_PROGRAM = (
    "Heroku's CLI is not in PATH. Install it (npm install -g heroku), or see "
    "https://devcenter.heroku.com/articles/heroku-cli"
)
SERVER = Option("server", None, "go by ssh to this server: HOST or HOST:PORT; else HOSTD_SSH", "HOST")
RENDEZVOUS_HEADER = "Hostd-Rendezvous"


@command(
    "heroku",
    "[ARGS...]",
    options=(SERVER,),
    examples=(
        "hostctl heroku -- apps",
        "hostctl heroku -- run bash -a hello",
        "hostctl heroku --server example.com:2222 -- logs --tail -a hello",
    ),
    verbatim=True,
    local=True,
)
def heroku(call: Call) -> int:
    """Run Heroku's own CLI with this server in Heroku's place.

    It must be installed. It gets a token that is good for this one call, and for an hour at most. On the server it
    speaks to the API's port; from elsewhere through a tunnel of ssh with your key: to --server, else to HOSTD_SSH, else
    to the server that you are logged in to, else to that of the checkout's git remote.
    """
    import shutil

    program = shutil.which(PROGRAM, path=call.around.env.get("PATH"))
    if program is None:
        raise Refused(NO_PROGRAM)
    with contextlib.ExitStack() as cleanup:
        import tempfile

        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="hostctl-heroku-")))
        setup, ports = cleanup.enter_context(_reached(call, folder))
        environment = variables(setup, ports, folder / "authorities.pem")
        _write_authorities(folder / "authorities.pem", setup["authority"], call.around.env)
        return _run([program, *call.words], merged(call.around.env, environment))


@command(
    "heroku:setup",
    options=(
        Option("expires-in", "e", f"how many seconds its token is good for (default: {LIFETIME})", "SECONDS"),
        JSON,
    ),
    examples=("ssh git@HOST heroku:setup",),
)
def setup(call: Call) -> None:
    """Print, as JSON, what it takes to reach this server's API through a tunnel: ports, a new token, a certificate.

    This is what hostctl heroku asks a server for. The certificate is of the authority that the server shows at
    localhost.
    """
    call.print_json(_made(call.client, expires_in(call) or LIFETIME))


def variables(setup: Mapping[str, Any], ports: tuple[int, int], authorities: Path) -> dict[str, str]:
    """The variables with which Heroku's CLI goes to `localhost`, at the first port for the API.

    Pure. At the second is the rendezvous; `setup` is what heroku:setup prints.
    """
    address = f"http://localhost:{ports[0]}"
    https = "" if setup["https_port"] == 443 else f":{setup['https_port']}"
    return {
        "HEROKU_HOST": address,
        "HEROKU_API_KEY": setup["token"],
        "HEROKU_HEADERS": json.dumps({RENDEZVOUS_HEADER: f"localhost:{ports[1]}"}),
        # Without these it would wait for hosts of Heroku's, or send them its token.
        "HEROKU_PARTICLEBOARD_URL": address,
        "HEROKU_STATUS_HOST": address,
        "HEROKU_BUILDPACK_REGISTRY_URL": address,
        "HEROKU_DATA_HOST": "localhost",
        "HEROKU_GIT_HOST": f"git.{setup['domain']}{https}",
        "NODE_EXTRA_CA_CERTS": str(authorities),
        "DISABLE_TELEMETRY": "true",
        "HEROKU_SKIP_NEW_VERSION_CHECK": "true",
    }


def merged(env: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, str]:
    """The environment of the CLI: the user's, ours on top; of headers theirs too."""
    both = {**env, **ours}
    with contextlib.suppress(ValueError):
        theirs = json.loads(env.get("HEROKU_HEADERS") or "{}")
        if isinstance(theirs, dict):
            both["HEROKU_HEADERS"] = json.dumps({**theirs, **json.loads(ours["HEROKU_HEADERS"])})
    return both


@contextlib.contextmanager
def _reached(call: Call, folder: Path) -> Iterator[tuple[Mapping[str, Any], tuple[int, int]]]:
    """What the server says of itself, and the ports on this machine that lead to its API and its rendezvous."""
    from hostd.cli import tunnel

    server = tunnel.server_of(call, call.text("server"))
    if server is None:
        made = _made(call.client, LIFETIME)
        try:
            yield made, (made["api_port"], made["rendezvous_port"])
        finally:
            _revoke(call, made["authorization"])
        return
    with tunnel.opened(server, folder) as way:
        made = json.loads(way.ask("heroku:setup"))
        try:
            yield made, (way.forward(made["api_port"]), way.forward(made["rendezvous_port"]))
        finally:
            way.ask("authorizations:revoke", made["authorization"])


def _made(client: Client, seconds: int) -> dict[str, Any]:
    doors = client.get(path("hostd", "doors"))
    if not doors["api_port"]:
        raise Refused("This server has no port for its API: its admin can set api_port.")
    wanted = {"description": "hostctl heroku", "expires_in": seconds}
    made = client.request("POST", path("oauth", "authorizations"), wanted).data
    return {**doors, "token": made["access_token"]["token"], "authorization": made["id"]}


def _revoke(call: Call, authorization: str) -> None:
    try:
        call.client.request("DELETE", path("oauth", "authorizations", authorization))
    except HostdError as error:
        call.warn(f"The token could not be revoked, and stays good for an hour: {error.message}")


def _write_authorities(file: Path, authority: str, env: Mapping[str, str]) -> None:
    """The server's authority, and those that the user has named already."""
    theirs = env.get("NODE_EXTRA_CA_CERTS")
    known = ""
    if theirs:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            known = Path(theirs).read_text().rstrip() + "\n"
    file.write_text(known + authority)


def _run(argv: list[str], env: Mapping[str, str]) -> int:
    """Run it at our terminal, to which Ctrl-C goes, too; its exit status as a shell shows it."""
    import signal
    import subprocess

    # It is for the CLI to say what that does. A handler, not SIG_IGN, which the CLI would begin with.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        with subprocess.Popen(argv, env=dict(env)) as program:
            ended = signal.signal(signal.SIGTERM, lambda *_: program.terminate())
            try:
                status = program.wait()
            finally:
                signal.signal(signal.SIGTERM, ended)
    finally:
        signal.signal(signal.SIGINT, before)
    return status if status >= 0 else 128 - status
