"""Authorizations: the tokens with which programs speak for users, each with a scope, an end and a last use."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from hostd.errors import Conflict, Invalid, NotFound
from hostd.ledger.database import Database, Record, moments, to_text
from hostd.ledger.users import User, Users

PREFIX = "HRKU-"
"""How tokens begin, as Heroku's do: programs that look for secrets in files know them by it."""
SCOPES = ("global", "identity", "read", "write", "read-protected", "write-protected")
UNNAMED = "Long-lived user authorization"
"""What Heroku calls one that was given no description."""
MOST = 200
"""Authorizations that a user may have."""
LONGEST_DESCRIPTION = 255
LONGEST_LIFE = 10 * 366 * 86400
"""Seconds."""
USE_WRITTEN = timedelta(minutes=1)
"""A use is written down at most so often."""

_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Authorization:
    """A token without the token: what it is good for, until when, and when and from where it was last used."""

    id: str
    user_id: str
    description: str
    scope: tuple[str, ...]
    token_id: str
    token_end: str
    created_at: datetime
    updated_at: datetime
    issued_at: datetime
    expires_at: datetime | None = None
    used_at: datetime | None = None
    used_from: str | None = None


class Authorizations:
    """The table of authorizations."""

    def __init__(self, database: Database, users: Users) -> None:
        self._database = database
        self._users = users

    def add(
        self,
        user_id: str,
        *,
        description: str = UNNAMED,
        scope: Iterable[str] = ("global",),
        expires_in: int | None = None,
    ) -> tuple[Authorization, str]:
        """A new authorization and its token, which is told this once; `expires_in` seconds, None is for ever.

        Raises Invalid, NotFound for no such user, and Conflict for one who has too many.
        """
        now, token = self._database.now(), _new_token()
        made = Authorization(
            id=str(uuid.uuid4()),
            user_id=user_id,
            description=_described(description),
            scope=checked_scope(scope),
            token_id=str(uuid.uuid4()),
            token_end=token[-_SHOWN:],
            created_at=now,
            updated_at=now,
            issued_at=now,
            expires_at=_end(now, expires_in),
        )
        with self._database.transaction():
            self._users.get(user_id)
            self._database.write("DELETE FROM authorizations WHERE expires_at <= ?", now)
            if len(self.list(user_id)) >= MOST:
                raise Conflict(f"You have {MOST} tokens. Revoke those you do not need: hostctl authorizations")
            self._database.insert("authorizations", asdict(made) | {"token_hash": _hash(token)})
        return made, token

    def by_token(self, token: str) -> tuple[Authorization, User] | None:
        """The authorization that has the token, with its user; None for one that is unknown or has ended."""
        wanted = _hash(token)
        record = self._database.first(_AUTHORIZATIONS + "WHERE token_hash = ?", wanted)
        # The index compares hashes, of which nobody can choose the beginning; what decides takes the same time always.
        if record is None or not hmac.compare_digest(record["token_hash"], wanted):
            return None
        found = _authorization(record)
        if found.expires_at is not None and found.expires_at <= self._database.now():
            return None
        return found, self._users.get(found.user_id)

    def used(self, authorization: Authorization, address: str) -> None:
        """Note that it was used just now, from an address; nothing is written within a minute of the last note."""
        now = self._database.now()
        if authorization.used_at is not None and now - authorization.used_at < USE_WRITTEN:
            return
        self._database.write(
            "UPDATE authorizations SET used_at = ?, used_from = ? WHERE id = ?", now, address, authorization.id
        )

    def list(self, user_id: str) -> list[Authorization]:
        """A user's authorizations that have not ended, in the order they were made."""
        records = self._database.select(
            _AUTHORIZATIONS + "WHERE user_id = ? AND (expires_at IS NULL OR expires_at > ?) ORDER BY sequence",
            user_id,
            to_text(self._database.now()),
        )
        return [_authorization(record) for record in records]

    def get(self, user_id: str, authorization_id: str) -> Authorization:
        """One of a user's authorizations, by its id; raises NotFound."""
        for found in self.list(user_id):
            if found.id == authorization_id:
                return found
        raise NotFound("Couldn't find that authorization. Yours: hostctl authorizations", resource="authorization")

    def describe(self, user_id: str, authorization_id: str, description: str) -> Authorization:
        """Give an authorization another description. Raises Invalid and NotFound."""
        description = _described(description)
        with self._database.transaction():
            found = self.get(user_id, authorization_id)
            self._database.write(
                "UPDATE authorizations SET description = ?, updated_at = ? WHERE id = ?",
                description,
                self._database.now(),
                found.id,
            )
        return self.get(user_id, found.id)

    def regenerate(self, user_id: str, authorization_id: str) -> tuple[Authorization, str]:
        """Give an authorization another token; the one before is worth nothing from now on. It lasts as long anew."""
        now, token = self._database.now(), _new_token()
        with self._database.transaction():
            found = self.get(user_id, authorization_id)
            end = now + (found.expires_at - found.issued_at) if found.expires_at else None
            self._database.write(
                "UPDATE authorizations SET token_id = ?, token_hash = ?, token_end = ?, updated_at = ?, issued_at = ?, "
                "expires_at = ?, used_at = NULL, used_from = NULL WHERE id = ?",
                str(uuid.uuid4()),
                _hash(token),
                token[-_SHOWN:],
                now,
                now,
                end,
                found.id,
            )
        return self.get(user_id, found.id), token

    def remove(self, user_id: str, authorization_id: str) -> Authorization:
        """Revoke an authorization: its token is worth nothing from now on. Raises NotFound."""
        with self._database.transaction():
            found = self.get(user_id, authorization_id)
            self._database.write("DELETE FROM authorizations WHERE id = ?", found.id)
        return found


def checked_scope(scope: Iterable[str]) -> tuple[str, ...]:
    """The scopes, each once and in the order of `SCOPES`; raises Invalid for none, or one that there is not."""
    wanted = set(scope)
    unknown = sorted(wanted - set(SCOPES))
    if unknown or not wanted:
        named = f"{unknown[0][:40]!r} is no scope" if unknown else "A token needs a scope"
        raise Invalid(f"{named}. The scopes are: {', '.join(SCOPES)}.")
    return tuple(name for name in SCOPES if name in wanted)


_AUTHORIZATIONS = (
    "SELECT id, user_id, description, scope, token_id, token_hash, token_end, created_at, updated_at, issued_at, "
    "expires_at, used_at, used_from FROM authorizations "
)


def _new_token() -> str:
    return PREFIX + secrets.token_urlsafe(45)


def _hash(token: str) -> str:
    # A token is 360 random bits: there is nothing to guess, and so nothing that a slow hash would make slower.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _described(text: str) -> str:
    if len(text) > LONGEST_DESCRIPTION or not text.isprintable():
        raise Invalid(f"A description must be one line of at most {LONGEST_DESCRIPTION} characters.")
    return text.strip()


def _end(now: datetime, expires_in: int | None) -> datetime | None:
    if expires_in is None:
        return None
    if not 1 <= expires_in <= LONGEST_LIFE:
        raise Invalid(f"expires_in must be a number of seconds, 1 to {LONGEST_LIFE}.")
    return now + timedelta(seconds=expires_in)


def _authorization(record: Record) -> Authorization:
    values = moments({key: value for key, value in record.items() if key != "token_hash"})
    return Authorization(**values | {"scope": tuple(json.loads(record["scope"]))})
