"""keys, keys:add, keys:remove, keys:clear; and where a public key is read from."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import JSON, Option, Refused, Usage, command
from hostd.cli.output import printable

DEFAULT_FILES = ("id_ed25519.pub", "id_ed25519_sk.pub", "id_ecdsa.pub", "id_ecdsa_sk.pub", "id_rsa.pub")
LARGEST_FILE = 64 * 1024

_LOOKS_LIKE_A_KEY = re.compile(r"(ssh-|ecdsa-|sk-)[a-z0-9@.-]+ +[A-Za-z0-9+/=]{32,}")


@command(
    "keys",
    options=(Option("long", "l", "print the keys in full"), JSON),
    examples=("hostctl keys", "hostctl keys --long"),
)
def keys(call: Call) -> None:
    """List your ssh keys."""
    found = call.client.get(path("account", "keys"))
    if call.flag("json"):
        call.print_json(found)
    elif not found:
        call.say("You have no ssh keys. Add one: hostctl keys:add")
    else:
        shown = str.strip if call.flag("long") else shortened
        call.print(call.style.heading(f"{found[0]['email']} keys"), "", *(shown(_line(key)) for key in found))
        for key in found:
            _warn_of_weak(call, key)


@command(
    "keys:add",
    "[KEY...]",
    options=(Option("yes", "y", "as at Heroku; nothing is asked here anyway"),),
    answers=True,
    examples=("hostctl keys:add", "hostctl keys:add laptop.pub", "ssh git@HOST keys:add - < laptop.pub"),
)
def add(call: Call) -> None:
    """Add an ssh key, which may then push and run commands as you.

    KEY is the file of a public key, - to read it from standard input, or the text of the key itself.
    Without one: the first of ~/.ssh/id_ed25519.pub, id_ecdsa.pub, id_rsa.pub that there is.
    """
    name, text = public_key(call, " ".join(call.words) or None)
    with call.action(f"Uploading {name} SSH key"):
        call.client.request("POST", path("account", "keys"), {"public_key": text})


@command(
    "keys:remove",
    "KEY",
    answers=True,
    examples=("hostctl keys:remove you@laptop", "hostctl keys:remove SHA256:tEf7gLkwT4..."),
)
def remove(call: Call) -> None:
    """Remove an ssh key.

    KEY is its comment (the last word of its line), its fingerprint or its id.
    """
    with call.action(f"Removing {call.words[0]} SSH key"):
        call.client.request("DELETE", path("account", "keys", call.words[0]))


@command(
    "keys:clear",
    options=(Option("confirm", "c", "your address, to go on without being asked", "EMAIL"),),
    answers=True,
    examples=("hostctl keys:clear --confirm you@example.com",),
)
def clear(call: Call) -> None:
    """Remove all of your ssh keys.

    Over ssh nobody knows you after that: an admin has to add a key for you (users:update --key).
    """
    email = str(call.client.get(path("account"))["email"])
    call.confirm(email, "This removes all of your ssh keys: you cannot come by ssh any more.")
    with call.action("Removing all SSH keys"):
        call.client.request("DELETE", path("account", "keys"))


def shortened(public_key: str) -> str:
    """`ssh-ed25519 AAAAC3NzaC...V7iHuYrZxd you@laptop`: enough of a key to know it by."""
    kind, _, rest = public_key.strip().partition(" ")
    blob, _, comment = rest.partition(" ")
    short = f"{blob[:10]}...{blob[-10:]}" if len(blob) > 23 else blob
    return f"{kind} {short} {comment}".strip()


def public_key(call: Call, given: str | None) -> tuple[str, str]:
    """Where a public key comes from, and its text; raises Usage or Refused."""
    if given == "-":
        return "the given", call.around.stdin.read(LARGEST_FILE)
    if given is not None and _LOOKS_LIKE_A_KEY.match(given):
        return "the given", given
    if call.around.over_ssh:
        # A file would be one of the server's.
        raise Usage("Give the text of the key, or - and the key on standard input: keys:add - < KEY.pub")
    if given is not None:
        return given, _read(Path(given).expanduser())
    folder = Path.home() / ".ssh"
    for file in (folder / name for name in DEFAULT_FILES):
        if file.is_file():
            return str(file), _read(file)
    raise Refused(f"There is no public key in {folder}. Make one: ssh-keygen -t ed25519")


def _line(key: dict[str, str]) -> str:
    """The line of a key file."""
    text = " ".join(key["public_key"].split()[:2])
    return f"{text} {printable(key.get('comment') or '')}"


def _warn_of_weak(call: Call, key: dict[str, str]) -> None:
    """Keys that were added when less was asked for go on being good."""
    if key["public_key"].startswith("ssh-rsa "):
        from hostd.rsa_keys import SMALLEST_RSA, rsa_bits

        bits = rsa_bits(key["public_key"]) or 0
        if bits < SMALLEST_RSA:
            name = printable(key.get("comment") or "") or key["fingerprint"]
            call.warn(
                f"{name} is an RSA key of {bits} bits; new ones have at least {SMALLEST_RSA}. "
                f"Add another (ssh-keygen -t ed25519, keys:add), then: keys:remove {key['fingerprint']}"
            )


def _read(file: Path) -> str:
    try:
        if not stat.S_ISREG(file.stat().st_mode) or file.stat().st_size > LARGEST_FILE:
            raise Refused(f"{file} is not the file of a public key.")
        text = file.read_text(errors="replace")
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}.") from error
    if "PRIVATE KEY" in text:
        raise Refused(f"{file} is a private key, which must stay with you. Give the public one: {file}.pub")
    return text
