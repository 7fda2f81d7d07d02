"""Users: the people who may use the platform, known by their e-mail address."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from datetime import datetime

from hostd import names
from hostd.errors import Conflict, NotFound
from hostd.ledger.database import Database, Record, moments


@dataclass(frozen=True, slots=True)
class User:
    """A user; `removed_at` is set for one who was removed and lives on in the history only."""

    id: str
    email: str
    name: str
    admin: bool
    created_at: datetime
    removed_at: datetime | None = None


class Users:
    """The table of users."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, email: str, admin: bool = False, name: str | None = None) -> User:
        """A new user; raises Invalid for a bad address and Conflict for one that is taken."""
        email = names.email(email)
        user = User(str(uuid.uuid4()), email, name or email.partition("@")[0], admin, self._database.now())
        with self._database.transaction():
            if self._database.first("SELECT 1 FROM users WHERE email = ? AND removed_at IS NULL", email):
                raise Conflict(f"{email} is a user already.")
            self._database.insert("users", asdict(user))
        return user

    def get(self, email_or_id: str) -> User:
        """The user with that address (in any case) or id; raises NotFound, also for one who was removed."""
        record = self._database.first(
            _USERS + "WHERE (email = ? OR id = ?) AND removed_at IS NULL",
            email_or_id.lower(),
            email_or_id,
        )
        if record is None:
            raise NotFound(f"There is no user {email_or_id[:254]!r}.")
        return _user(record)

    def once(self, user_id: str) -> User:
        """The user with that id, also one who was removed: the history goes on naming them. Raises NotFound."""
        record = self._database.first(_USERS + "WHERE id = ?", user_id)
        if record is None:
            raise NotFound(f"There never was a user {user_id[:60]!r}.")
        return _user(record)

    def list(self) -> list[User]:
        """All users who are not removed, by address."""
        records = self._database.select(_USERS + "WHERE removed_at IS NULL ORDER BY email")
        return [_user(record) for record in records]

    def first_admin(self) -> User | None:
        """The admin who was added first: root on the machine acts as this user."""
        record = self._database.first(_USERS + "WHERE admin = 1 AND removed_at IS NULL ORDER BY sequence LIMIT 1")
        return None if record is None else _user(record)

    def rename(self, user_id: str, name: str) -> User:
        """Call a user by another name; raises NotFound, and Invalid for what is no name."""
        name = names.person(name)
        with self._database.transaction():
            user = self.get(user_id)
            self._database.write("UPDATE users SET name = ? WHERE id = ?", name, user.id)
        return self.get(user.id)

    def remove(self, user_id: str) -> User:
        """Remove a user with their ssh keys, tokens and access; their name stays in the history.

        Raises NotFound, and Conflict for the owner of apps and for the last admin.
        """
        with self._database.transaction():
            user = self.get(user_id)
            pipelines = self._database.select("SELECT name FROM pipelines WHERE owner_id = ? ORDER BY name", user.id)
            if pipelines:
                raise Conflict(
                    f"{user.email} owns the pipelines {', '.join(each['name'] for each in pipelines)}. Give each to "
                    "somebody else (hostctl pipelines:transfer) or destroy it first."
                )
            owned = self._database.select(
                "SELECT name FROM apps WHERE owner_id = ? AND destroyed_at IS NULL ORDER BY name", user.id
            )
            if owned:
                apps = ", ".join(app["name"] for app in owned)
                raise Conflict(
                    f"{user.email} owns {apps}. Give each to somebody else (hostctl apps:transfer) or destroy it first."
                )
            self._refuse_last_admin(user)
            self._database.write("DELETE FROM keys WHERE user_id = ?", user.id)
            self._database.write("DELETE FROM authorizations WHERE user_id = ?", user.id)
            self._database.write("DELETE FROM authorizations WHERE user_id = ?", user.id)
            self._database.write("DELETE FROM collaborators WHERE user_id = ?", user.id)
            self._database.write(
                "UPDATE app_transfers SET state = 'cancelled', updated_at = ?1 "
                "WHERE state = 'pending' AND ?2 IN (owner_id, recipient_id, requester_id)",
                self._database.now(),
                user.id,
            )
            self._database.write("UPDATE users SET removed_at = ? WHERE id = ?", self._database.now(), user.id)
        return user

    def set_admin(self, user_id: str, admin: bool) -> User:
        """Make a user an admin, or one no more. Raises NotFound, and Conflict for the last admin."""
        with self._database.transaction():
            user = self.get(user_id)
            if not admin:
                self._refuse_last_admin(user)
            self._database.write("UPDATE users SET admin = ? WHERE id = ?", admin, user.id)
            return self.get(user.id)

    def _refuse_last_admin(self, user: User) -> None:
        if user.admin and not any(other.admin and other.id != user.id for other in self.list()):
            raise Conflict(f"{user.email} is the only admin. Add another admin first.")


_USERS = "SELECT id, email, name, admin, created_at, removed_at FROM users "


def _user(record: Record) -> User:
    return User(**moments(record) | {"admin": bool(record["admin"])})
