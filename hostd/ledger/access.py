"""Who may do what with an app: its owner, its collaborators with their rights, and admins."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from hostd.errors import Conflict, Forbidden, Invalid, NotFound
from hostd.ledger.apps import App, Apps
from hostd.ledger.database import Database, Record, moments
from hostd.ledger.users import User, Users


class Right(enum.Enum):
    """What somebody may do with an app. The names are those of Heroku's permissions."""

    DEPLOY = "deploy"
    MANAGE = "manage"
    OPERATE = "operate"
    VIEW = "view"

    @property
    def description(self) -> str:
        """What it lets its holder do, for people."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    Right.DEPLOY: "Push code, build, release and roll back",
    Right.MANAGE: "Add and remove collaborators, rename, transfer and destroy the app; has all other rights too",
    Right.OPERATE: "Config vars, scale, restart, run, domains, certificates, drains, maintenance mode, add-ons",
    Right.VIEW: "See the app: its dynos, releases, builds, logs, metrics and code",
}

ALL = frozenset(Right)
"""The rights of owners and admins."""
USUAL = frozenset({Right.VIEW, Right.DEPLOY, Right.OPERATE})
"""The rights of a collaborator for whom none are named."""


def with_what_they_bring(rights: Iterable[Right]) -> frozenset[Right]:
    """The rights with those that they bring along: any lets see, and who manages could take all others."""
    named = frozenset(rights)
    return ALL if Right.MANAGE in named else named | {Right.VIEW}


def rights_named(names: Collection[str]) -> frozenset[Right]:
    """The rights of these names, with what they bring. Raises Invalid, also for none."""
    known = {right.value: right for right in Right}
    if unknown := sorted(set(names) - known.keys()):
        raise Invalid(f"There is no right {unknown[0][:40]!r}. There are: {', '.join(sorted(known))}.")
    if not names:
        raise Invalid(f"Name at least one right: {', '.join(sorted(known))}. To take all away: hostctl access:remove")
    return with_what_they_bring(known[name] for name in names)


def sorted_names(rights: Iterable[Right]) -> list[str]:
    """The names of rights in the order in which they are always shown."""
    return sorted(right.value for right in rights)


@dataclass(frozen=True, slots=True)
class Collaborator:
    """A user who may work on an app that is not theirs."""

    app_id: str
    user_id: str
    rights: frozenset[Right]
    created_at: datetime
    updated_at: datetime


class Access:
    """The table of collaborators, and the questions answered from it."""

    def __init__(self, database: Database, users: Users, apps: Apps) -> None:
        self._database = database
        self._users = users
        self._apps = apps

    def add(self, app_id: str, user_id: str, rights: Iterable[Right] | None = None) -> Collaborator:
        """Make a user a collaborator; for one who is already only named rights change anything.

        Raises Conflict for the owner, NotFound for no app or user.
        """
        with self._database.transaction():
            app, user = self._apps.get(app_id), self._users.get(user_id)
            if app.owner_id == user.id:
                raise Conflict(f"{user.email} owns {app.name} and needs no access to be added.")
            if any(known.user_id == user.id for known in self.list(app.id)):
                return self.update(app_id, user_id, rights) if rights is not None else self.get(app.id, user.id)
            now = self._database.now()
            record = {
                "app_id": app.id,
                "user_id": user.id,
                "rights": _text(USUAL if rights is None else rights),
                "created_at": now,
                "updated_at": now,
            }
            self._database.insert("collaborators", record)
            return self.get(app.id, user.id)

    def update(self, app_id: str, user_id: str, rights: Iterable[Right]) -> Collaborator:
        """Let a collaborator have these rights and no others. Raises NotFound, and Conflict for the owner."""
        with self._database.transaction():
            known = self.get(app_id, user_id)
            self._database.write(
                "UPDATE collaborators SET rights = ?, updated_at = ? WHERE app_id = ? AND user_id = ?",
                _text(rights),
                self._database.now(),
                known.app_id,
                known.user_id,
            )
            return self.get(app_id, user_id)

    def remove(self, app_id: str, user_id: str) -> User:
        """End a user's access at once; raises NotFound for one who is no collaborator, Conflict for the owner."""
        with self._database.transaction():
            known = self.get(app_id, user_id)
            self._database.write(
                "DELETE FROM collaborators WHERE app_id = ? AND user_id = ?", known.app_id, known.user_id
            )
            return self._users.get(known.user_id)

    def get(self, app_id: str, user_id: str) -> Collaborator:
        """One collaborator, by address or id. Raises NotFound, and Conflict for the owner."""
        app, user = self._apps.get(app_id), self._users.get(user_id)
        if app.owner_id == user.id:
            raise Conflict(f"{user.email} owns {app.name}: an owner's access cannot be changed or removed.")
        record = self._database.first(f"{_COLLABORATORS} WHERE app_id = ? AND user_id = ?", app.id, user.id)
        if record is None:
            raise NotFound(f"{user.email} is not a collaborator of {app.name}.")
        return _collaborator(record)

    def list(self, app_id: str) -> list[Collaborator]:
        """An app's collaborators, by address; the owner is not among them."""
        records = self._database.select(
            f"{_COLLABORATORS} JOIN users ON users.id = user_id WHERE app_id = ? ORDER BY email", app_id
        )
        return [_collaborator(record) for record in records]

    def rights(self, app: App, user: User) -> frozenset[Right]:
        """What a user may do with an app; nothing for a stranger."""
        if user.admin or app.owner_id == user.id:
            return ALL
        found = self._database.first(
            "SELECT rights FROM collaborators WHERE app_id = ? AND user_id = ?", app.id, user.id
        )
        return _rights(found["rights"]) if found else frozenset()

    def check(self, app: App, user: User, *any_of: Right) -> None:
        """Raise Forbidden unless the user has one of the rights, naming what lacks and who can give it."""
        held = self.rights(app, user)
        if held.isdisjoint(any_of):
            raise Forbidden(_lacking(app, user, self._users.once(app.owner_id), held, any_of))


_COLLABORATORS = (
    "SELECT app_id, user_id, rights, collaborators.created_at, "
    "coalesce(collaborators.updated_at, collaborators.created_at) AS updated_at FROM collaborators"
)


def _lacking(app: App, user: User, owner: User, held: Collection[Right], any_of: Collection[Right]) -> str:
    wanted = sorted_names(any_of)
    ask = ",".join(sorted_names(with_what_they_bring([*held, min(any_of, key=lambda right: right.value)])))
    return (
        f"You may {_and(sorted_names(held))} {app.name}, and this needs the right to {' or '.join(wanted)} it. "
        f"Its owner {owner.email}, or who may manage it, can give it: "
        f"hostctl access:update {user.email} -p {ask} -a {app.name}"
    )


def _and(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else "not see"


def _text(rights: Iterable[Right]) -> str:
    return ",".join(sorted_names(with_what_they_bring(rights)))


def _rights(text: str) -> frozenset[Right]:
    return frozenset(Right(name) for name in text.split(","))


def _collaborator(record: Record) -> Collaborator:
    return Collaborator(**moments(record) | {"rights": _rights(record["rights"])})
