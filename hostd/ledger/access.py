"""Who may use an app: its owner, its collaborators, and admins."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from hostd.errors import Conflict, Forbidden, NotFound
from hostd.ledger.apps import App, Apps
from hostd.ledger.database import Database, moments
from hostd.ledger.users import User, Users


@dataclass(frozen=True, slots=True)
class Collaborator:
    """A user who may work on an app that is not theirs."""

    app_id: str
    user_id: str
    created_at: datetime


class Access:
    """The table of collaborators, and the questions answered from it."""

    def __init__(self, database: Database, users: Users, apps: Apps) -> None:
        self._database = database
        self._users = users
        self._apps = apps

    def add(self, app_id: str, user_id: str) -> Collaborator:
        """Make a user a collaborator; once more changes nothing. Raises Conflict for the owner."""
        with self._database.transaction():
            app, user = self._apps.get(app_id), self._users.get(user_id)
            if app.owner_id == user.id:
                raise Conflict(f"{user.email} owns {app.name} and needs no access to be added.")
            for known in self.list(app.id):
                if known.user_id == user.id:
                    return known
            collaborator = Collaborator(app.id, user.id, self._database.now())
            self._database.insert("collaborators", asdict(collaborator))
        return collaborator

    def remove(self, app_id: str, user_id: str) -> User:
        """End a user's access at once; raises NotFound for one who is no collaborator, Conflict for the owner."""
        with self._database.transaction():
            app, user = self._apps.get(app_id), self._users.get(user_id)
            if app.owner_id == user.id:
                raise Conflict(f"{user.email} owns {app.name}: an owner's access cannot be removed.")
            removed = self._database.write(
                "DELETE FROM collaborators WHERE app_id = ? AND user_id = ?", app.id, user.id
            )
            if not removed:
                raise NotFound(f"{user.email} is not a collaborator of {app.name}.")
        return user

    def list(self, app_id: str) -> list[Collaborator]:
        """An app's collaborators, by address; the owner is not among them."""
        records = self._database.select(
            "SELECT app_id, user_id, collaborators.created_at FROM collaborators JOIN users ON users.id = user_id "
            "WHERE app_id = ? ORDER BY email",
            app_id,
        )
        return [Collaborator(**moments(record)) for record in records]

    def allowed(self, app: App, user: User) -> bool:
        """Whether a user may see, deploy and configure an app."""
        if user.admin or app.owner_id == user.id:
            return True
        found = self._database.first("SELECT 1 FROM collaborators WHERE app_id = ? AND user_id = ?", app.id, user.id)
        return found is not None

    def check(self, app: App, user: User) -> None:
        """Raise Forbidden unless the user may use the app."""
        if not self.allowed(app, user):
            raise Forbidden(
                f"You have no access to {app.name}. Its owner can give it with: "
                f"hostctl access:add {user.email} -a {app.name}"
            )

    def check_owner(self, app: App, user: User) -> None:
        """Raise Forbidden unless the user may destroy, rename or give away the app: its owner and admins."""
        if not (user.admin or app.owner_id == user.id):
            raise Forbidden(f"Only the owner of {app.name} or an admin may do that.")
