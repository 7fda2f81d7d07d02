"""auth:login (login), auth:logout (logout): a token for a server on another machine, kept in ~/.netrc."""

from __future__ import annotations

from hostd.cli.call import Call
from hostd.cli.client import Client, path
from hostd.cli.command import Option, Refused, Usage, command
from hostd.cli.remote import Address, Remote
from hostd.cli.servers import TOKEN, Servers
from hostd.errors import HostdError, NotFound, Unauthorized

STDIN = "-"
LONGEST_TOKEN = 1024
HOST = Option("host", None, "the server: its domain, or its API's address; else HOSTD_HOST, else it is asked", "HOST")


@command(
    "auth:login",
    "[HOST]",
    options=(
        HOST,
        Option("token", "t", "the token; - reads it from standard input; else HOSTD_TOKEN, else it is asked", "TOKEN"),
    ),
    examples=(
        "hostctl login example.com",
        "ssh git@example.com auth:token | hostctl login example.com --token -",
        "hostctl login --host http://127.0.0.1:7070",
    ),
    local=True,
)
def login(call: Call) -> None:
    """Log in to a server on another machine, with a token.

    A token that lasts comes from authorizations:create on the server or over ssh, one for a day from auth:token. It
    is tried, then kept in ~/.netrc, which only you may read; all else in that file stays as it is. From then on
    hostctl speaks to that server, wherever hostd is not on the machine itself or HOSTD_HOST says another.
    """
    servers = Servers(call.around.env)
    address = _server(call, servers)
    token = _token(call)
    with call.action(f"Logging in to {address}"):
        email = _account(address, token)
        servers.remember(address, email, token)
    call.print(f"Logged in as {email}")


@command(
    "auth:logout",
    "[HOST]",
    options=(HOST, Option("keep-token", "k", "only forget the token here: it stays good")),
    examples=("hostctl logout", "hostctl logout example.com", "hostctl logout --keep-token"),
    local=True,
)
def logout(call: Call) -> None:
    """Log out of a server: revoke the token, and take it out of ~/.netrc.

    Without a HOST: the server that hostctl speaks to.
    """
    servers = Servers(call.around.env)
    given = _given(call)
    address = Address.parse(given) if given else servers.named or servers.last
    if address is None:
        raise Refused("You are logged in to no server.")
    token = servers.token(address)
    with call.action(f"Logging out of {address}"):
        revoked = not token or call.flag("keep-token") or _revoke(Client(Remote(address, token)), token)
        known = servers.forget(address)
    if not known:
        call.warn(f"You were not logged in to {address}.")
    elif not revoked:
        call.warn("The token could not be revoked and is still good. To end it: hostctl authorizations:revoke")


def _server(call: Call, servers: Servers) -> Address:
    given = _given(call)
    if given:
        return Address.parse(given)
    if named := servers.named:
        return named
    if not (call.around.stdin.isatty() and call.around.stderr.isatty()):
        raise Usage("Which server? Say its domain: hostctl login example.com")
    call.say("Server (its domain, such as example.com): ", end="")
    return Address.parse(call.around.stdin.readline())


def _given(call: Call) -> str | None:
    host = call.text("host")
    if call.word and host and call.word != host:
        raise Usage(f"Which server: {call.word} or {host}?")
    return call.word or host


def _token(call: Call) -> str:
    given = call.text("token")
    if given is None:
        given = call.around.env.get(TOKEN)
    if given is None:
        if not (call.around.stdin.isatty() and call.around.stderr.isatty()):
            raise Usage("The token is missing. Give it on standard input: --token -")
        from getpass import getpass

        given = getpass("Token (not shown; from: hostctl authorizations:create): ")
    elif given == STDIN:
        given = call.around.stdin.readline(LONGEST_TOKEN + 2)
    token = given.strip()
    if not token:
        raise Usage("The token is empty.")
    if not (token.isascii() and token.isprintable() and len(token) <= LONGEST_TOKEN) or " " in token:
        raise Usage("That is no token: one has no blanks, such as HRKU-...")
    return token


def _account(address: Address, token: str) -> str:
    try:
        return str(Client(Remote(address, token)).get(path("account"))["email"])
    except Unauthorized as error:
        raise Refused(f"{address} does not know that token. Make one: ssh git@HOST authorizations:create") from error
    except (NotFound, KeyError, TypeError) as error:
        raise Refused(f"{address} is no API of hostd. Say the server's domain, or its API's address.") from error


def _revoke(client: Client, token: str) -> bool:
    """Have the token end; False if that cannot be done."""
    try:
        # Tokens are shown by their last characters.
        mine = [
            known["id"]
            for known in client.get(path("oauth", "authorizations"))
            if (shown := (known.get("access_token") or {}).get("token")) and token.endswith(shown.rpartition("*")[2])
        ]
        if len(mine) != 1:
            return False
        client.request("DELETE", path("oauth", "authorizations", mine[0]))
    except Unauthorized:
        # It has ended already.
        return True
    except HostdError:
        return False
    return True
