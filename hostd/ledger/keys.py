"""Users' public ssh keys: who is at the other end of a `git push`."""

from __future__ import annotations

import builtins
import uuid
from dataclasses import asdict, dataclass
from datetime import datetime

from hostd.errors import Conflict, NotFound
from hostd.ledger import ssh_keys
from hostd.ledger.database import Database, Record, moments
from hostd.ledger.users import User, Users


class KeyTaken(Conflict):
    """The key belongs to a user already; one key is one person."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public ssh key; `public_key` is its type and base64, `fingerprint` is as `ssh-keygen -l` prints it."""

    id: str
    user_id: str
    fingerprint: str
    public_key: str
    comment: str
    created_at: datetime


class Keys:
    """The table of ssh keys."""

    def __init__(self, database: Database, users: Users) -> None:
        self._database = database
        self._users = users

    def add(self, user_id: str, text: str) -> Key:
        """Register a key from the text of its .pub file.

        Raises Invalid for what is no usable public key, KeyTaken for a key known already, NotFound for no user.
        """
        public = ssh_keys.parse(text)
        with self._database.transaction():
            user = self._users.get(user_id)
            taken = self.by_fingerprint(public.fingerprint)
            if taken and taken[1].id == user.id:
                raise KeyTaken(f"You have this key already: {public.fingerprint}.")
            if taken:
                raise KeyTaken(f"The key {public.fingerprint} belongs to another user. Make one of your own.")
            key = Key(
                id=str(uuid.uuid4()),
                user_id=user.id,
                fingerprint=public.fingerprint,
                public_key=public.text,
                comment=public.comment,
                created_at=self._database.now(),
            )
            self._database.insert("keys", asdict(key))
        return key

    def by_blob(self, type: str, b64: str) -> tuple[Key, User] | None:
        """The key with its user, by type and base64 as sshd gives them (%t and %k); None if unknown."""
        return self._owned(self._database.first(_KEYS + "WHERE public_key = ?", f"{type} {b64}"))

    def by_fingerprint(self, fingerprint: str) -> tuple[Key, User] | None:
        """The key with its user, by `SHA256:...`; None if unknown."""
        return self._owned(self._database.first(_KEYS + "WHERE fingerprint = ?", fingerprint))

    def list(self, user_id: str) -> list[Key]:
        """A user's keys in the order they were added."""
        records = self._database.select(_KEYS + "WHERE user_id = ? ORDER BY sequence", user_id)
        return [Key(**moments(record)) for record in records]

    def get(self, user_id: str, fingerprint_or_comment: str) -> Key:
        """A user's key by its fingerprint (with or without `SHA256:`), id or comment.

        Raises NotFound, and Conflict when several keys have that comment.
        """
        wanted = fingerprint_or_comment.strip()
        keys = self.list(user_id)
        found = [key for key in keys if wanted in (key.id, key.fingerprint, key.fingerprint[len("SHA256:") :])]
        found = found or [key for key in keys if wanted and key.comment == wanted]
        if not found:
            raise NotFound(f"You have no ssh key {wanted[:80]!r}. `hostctl keys` lists yours.")
        if len(found) > 1:
            prints = ", ".join(key.fingerprint for key in found)
            raise Conflict(
                f"{len(found)} keys have the comment {wanted[:80]!r}. Name one by its fingerprint: {prints}."
            )
        return found[0]

    def remove(self, user_id: str, fingerprint_or_comment: str) -> Key:
        """Remove a user's key, named as for `get`; it no longer opens anything from this moment."""
        with self._database.transaction():
            key = self.get(user_id, fingerprint_or_comment)
            self._database.write("DELETE FROM keys WHERE id = ?", key.id)
        return key

    def clear(self, user_id: str) -> builtins.list[Key]:
        """Remove all of a user's keys; those that there were."""
        with self._database.transaction():
            keys = self.list(user_id)
            self._database.write("DELETE FROM keys WHERE user_id = ?", user_id)
        return keys

    def _owned(self, record: Record | None) -> tuple[Key, User] | None:
        if record is None:
            return None
        key = Key(**moments(record))
        return key, self._users.get(key.user_id)


_KEYS = "SELECT id, user_id, fingerprint, public_key, comment, created_at FROM keys "
