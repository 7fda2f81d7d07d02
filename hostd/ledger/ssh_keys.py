"""Reading the public ssh key that a user hands in."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from hostd.errors import Invalid
from hostd.rsa_keys import SMALLEST_RSA

ACCEPTED_TYPES = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
)
LARGEST_RSA = 16384  # as OpenSSH itself
LONGEST = 16 * 1024

_MAKE_ONE = "Make one with: ssh-keygen -t ed25519"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public ssh key in OpenSSH's form."""

    type: str
    blob: str
    """The key itself in base64."""
    comment: str
    fingerprint: str
    """As `ssh-keygen -l` prints it: `SHA256:` and base64 without padding."""

    @property
    def text(self) -> str:
        """The line for sshd: type and key, without the comment."""
        return f"{self.type} {self.blob}"


def parse(text: str) -> PublicKey:
    """Read one public key, a line as in `~/.ssh/id_ed25519.pub`; raises Invalid with the reason and the way out."""
    line = _one_line(text)
    kind, _, rest = line.partition(" ")
    encoded, _, comment = rest.strip().partition(" ")
    _check_type(kind, line)
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid(_damaged(kind)) from None
    blob = base64.b64encode(raw).decode()
    _check_strength(kind, blob)
    return PublicKey(kind, blob, _comment(comment.strip()), fingerprint(raw))


def fingerprint(raw: bytes) -> str:
    """The SHA-256 fingerprint of a key's bytes."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")


def _one_line(text: str) -> str:
    if len(text) > LONGEST:
        raise Invalid(f"That is too long for a public ssh key: {len(text)} characters, the limit is {LONGEST}.")
    if "PRIVATE KEY" in text or text.lstrip().startswith("PuTTY-User-Key-File"):
        raise Invalid("That is the private key; give the .pub file. A private key never leaves your machine.")
    if "BEGIN SSH2 PUBLIC KEY" in text or "BEGIN PUBLIC KEY" in text:
        raise Invalid("That key is not in OpenSSH's form. Convert it with: ssh-keygen -i -f KEYFILE")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise Invalid("The public ssh key is empty. Give the text of a file such as ~/.ssh/id_ed25519.pub.")
    if len(lines) > 1:
        raise Invalid(f"That is {len(lines)} lines; a public ssh key is one. Add keys one at a time.")
    return lines[0].replace("\t", " ")


def _check_type(kind: str, line: str) -> None:
    if kind in ACCEPTED_TYPES:
        return
    if kind == "ssh-dss":
        raise Invalid(f"DSA keys are not secure any more, and sshd refuses them. {_MAKE_ONE}")
    if "-cert-v0" in kind:
        raise Invalid("That is an ssh certificate; give the public key it was made for.")
    if any(word in ACCEPTED_TYPES or word == "ssh-dss" for word in line.split(" ")):
        raise Invalid("There are options before the key. Give the key alone: its type, the key and a comment.")
    raise Invalid(f"That is not a public ssh key: it must start with {', '.join(ACCEPTED_TYPES)}. {_MAKE_ONE}")


def _check_strength(kind: str, blob: str) -> None:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key

    try:
        key = load_ssh_public_key(f"{kind} {blob}".encode())
    except (ValueError, UnsupportedAlgorithm):
        raise Invalid(_damaged(kind)) from None
    if isinstance(key, RSAPublicKey) and key.key_size < SMALLEST_RSA:
        raise Invalid(f"That RSA key has {key.key_size} bits; the least is {SMALLEST_RSA}. {_MAKE_ONE}")
    if isinstance(key, RSAPublicKey) and key.key_size > LARGEST_RSA:
        raise Invalid(f"That RSA key has {key.key_size} bits; the most is {LARGEST_RSA}. {_MAKE_ONE}")


def _damaged(kind: str) -> str:
    return f"That {kind} key is damaged: perhaps only a part of the line was copied."


def _comment(text: str) -> str:
    if len(text) > 255 or not text.isprintable():
        raise Invalid("The key's comment must be at most 255 printable characters.")
    return text
