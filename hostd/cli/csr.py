"""certs:generate: a key with a request for a certificate, or with one that signs itself."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from hostd.cli.call import Call
from hostd.cli.command import FOR_APP, Option, Refused, Usage, command

SMALLEST_RSA, LARGEST_RSA = 2048, 8192
DAYS = 365


@command(
    "certs:generate",
    "DOMAIN...",
    options=(
        Option("selfsigned", None, "a certificate that signs itself, not a request for one"),
        Option("days", None, f"how long it is valid (default: {DAYS})", "DAYS"),
        Option("keysize", None, "an RSA key of so many bits (default: an ECDSA key, P-256)", "BITS"),
        Option("owner", None, "the organisation", "NAME"),
        Option("country", None, "its country, two letters", "CODE"),
        Option("area", None, "its state or province", "NAME"),
        Option("city", None, "its city", "NAME"),
        Option("now", None, "as at Heroku; nothing is asked here anyway"),
        *FOR_APP,
    ),
    examples=(
        "hostctl certs:generate www.example.com example.com",
        "hostctl certs:generate '*.example.com' --owner 'Example Ltd' --country GB --keysize 2048",
        "hostctl certs:generate www.example.com --selfsigned",
        "ssh git@HOST certs:generate www.example.com --selfsigned > server.pem",
    ),
)
def generate(call: Call) -> None:
    """Make a private key, and a request for a certificate (CSR) that a certificate authority takes.

    They are written to DOMAIN.key and DOMAIN.csr, or DOMAIN.crt, in this directory; over ssh to standard output, the
    key first. The server keeps neither. All DOMAINs are in the one certificate.
    """
    try:
        from hostd.certificates.pem import key_text
        from hostd.certificates.requests import new_key, self_signed, signing_request, subject_of
        from hostd.domain_names import domain_name
    except ModuleNotFoundError as error:
        raise Refused(f"It takes {error.name}: pip install cryptography idna. Or run it over ssh.") from error
    from hostd.errors import Invalid

    try:
        names = [domain_name(word, platform="") for word in call.words]
    except Invalid as error:
        raise Usage(error.message) from error
    days = call.number("days", DAYS, 1, 3650)
    bits = call.number("keysize", 0, SMALLEST_RSA, LARGEST_RSA)
    try:
        subject = subject_of(names[0], **{word: call.text(word) for word in ("owner", "country", "area", "city")})
    except ValueError as error:
        raise Usage(f"That cannot stand in a certificate: {error}.") from error
    key = new_key(bits or None)
    if call.flag("selfsigned"):
        ending, made = "crt", self_signed(key, subject, names, now=datetime.now(UTC), days=days)
    else:
        ending, made = "csr", signing_request(key, subject, names)
    if call.where is None:
        call.write((key_text(key) + made).encode())
        return
    app = call.app_if_any or "APP"
    base = names[0].replace("*", "wildcard")
    _write(call.where / f"{base}.key", key_text(key), 0o600)
    _write(call.where / f"{base}.{ending}", made, 0o644)
    if ending == "crt":
        call.say(f"Your key and self-signed certificate are in {base}.key and {base}.crt. To use them:")
        call.say(f"  {call.cmd(f'hostctl certs:add {base}.crt {base}.key -a {app}')}")
    else:
        call.say(f"Your key and certificate signing request are in {base}.key and {base}.csr.")
        call.say(f"Submit {base}.csr to a certificate authority. When you have the certificate, run:")
        call.say(f"  {call.cmd(f'hostctl certs:add CERTFILE {base}.key -a {app}')}")


def _write(file: Path, text: str, mode: int) -> None:
    """A new file; what is there already may be the only copy of a key."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except FileExistsError:
        raise Refused(f"{file.name} is there already, and is left as it is. Move it away, or work elsewhere.") from None
    except OSError as error:
        raise Refused(f"{file.name} cannot be written: {error.strerror}.") from error
    with os.fdopen(descriptor, "w") as opened:
        opened.write(text)
