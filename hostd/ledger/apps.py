"""Apps: a name, an owner, a uid, and everything else hangs on them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hostd import names
from hostd.errors import Invalid, NotFound
from hostd.ledger.database import Database, Record, moments
from hostd.ledger.releases import Releases
from hostd.ledger.users import User, Users

HOST_STACK = "host"


@dataclass(frozen=True, slots=True)
class App:
    """An app; `released_at` is the time of its last release, `destroyed_at` is set on the rest of a destroyed one.

    `stack` is the name of what its next build is for; `build_timeout` in seconds, None for that of the settings.
    """

    id: str
    name: str
    owner_id: str
    uid: int
    stack: str
    host: int
    maintenance: bool
    created_at: datetime
    updated_at: datetime
    released_at: datetime | None
    destroyed_at: datetime | None = None
    build_timeout: int | None = None


class Apps:
    """The table of apps."""

    def __init__(self, database: Database, users: Users, releases: Releases, *, uid_base: int) -> None:
        self._database = database
        self._users = users
        self._releases = releases
        self._uid_base = uid_base

    def create(self, name: str | None, owner_id: str, stack: str = HOST_STACK) -> App:
        """A new app with a uid of its own and the release v1 `Initial release`; without a name it gets a generated one.

        Raises Invalid for a bad name and for one that an app has.
        """
        if name is not None:
            names.app_name(name)
        with self._database.transaction():
            owner = self._users.get(owner_id)
            if name is None:
                name = names.generated_app_name(self._is_taken)
            self._refuse_taken(name)
            app_id, now = str(uuid.uuid4()), self._database.now()
            self._database.insert(
                "apps",
                {
                    "id": app_id,
                    "name": name,
                    "owner_id": owner.id,
                    "uid": self._database.next("uid", at_least=self._uid_base),
                    "stack": stack,
                    "created_at": now,
                    "updated_at": now,
                },
            )
            self._releases.append(app_id, slug_id=None, config={}, description="Initial release", user=owner)
            return self.get(app_id)

    def get(self, name_or_id: str) -> App:
        """The app with that name or id; raises NotFound, also for one that was destroyed."""
        record = self._database.first(_APPS + "WHERE (name = ?1 OR id = ?1) AND destroyed_at IS NULL", name_or_id)
        if record is None:
            raise NotFound(f"There is no app {name_or_id[:60]!r}.")
        return _app(record)

    def once(self, app_id: str) -> App:
        """The app with that id, also one that was destroyed. Raises NotFound."""
        found = self._select("id = ?", app_id)
        if not found:
            raise NotFound(f"There never was an app {app_id[:60]!r}.")
        return found[0]

    def list(self) -> list[App]:
        """All apps, by name."""
        return list(self._select("destroyed_at IS NULL ORDER BY name"))

    def in_order(self) -> Sequence[App]:
        """All apps, in the order they were made."""
        return self._select("destroyed_at IS NULL ORDER BY sequence")

    def list_for(self, user: User) -> Sequence[App]:
        """The apps a user may use, by name: their own, those they collaborate on, and for an admin all."""
        if user.admin:
            return self.list()
        mine = "owner_id = ?1 OR id IN (SELECT app_id FROM collaborators WHERE user_id = ?1)"
        return self._select(f"destroyed_at IS NULL AND ({mine}) ORDER BY name", user.id)

    def destroyed(self) -> Sequence[App]:
        """What is left of destroyed apps, in the order they were made: a cleaner may remove their files."""
        return self._select("destroyed_at IS NOT NULL ORDER BY sequence")

    def rename(self, app_id: str, name: str) -> App:
        """Give an app another name; raises Invalid, also for one that an app has, or NotFound."""
        names.app_name(name)
        with self._database.transaction():
            if self.get(app_id).name == name:
                return self.get(app_id)
            self._refuse_taken(name)
            return self._update(app_id, "UPDATE apps SET name = ?, updated_at = ? WHERE id = ?", name)

    def set_maintenance(self, app_id: str, on: bool) -> App:
        """Switch maintenance mode."""
        return self._update(app_id, "UPDATE apps SET maintenance = ?, updated_at = ? WHERE id = ?", on)

    def set_stack(self, app_id: str, stack: str) -> App:
        """Choose the stack for the app's next build, by its name."""
        return self._update(app_id, "UPDATE apps SET stack = ?, updated_at = ? WHERE id = ?", stack)

    def set_build_timeout(self, app_id: str, seconds: int | None) -> App:
        """Bound the time of the app's builds; None: as the settings say."""
        return self._update(app_id, "UPDATE apps SET build_timeout = ?, updated_at = ? WHERE id = ?", seconds)

    def transfer(self, app_id: str, user_id: str) -> App:
        """Give an app to another user, who stops being a mere collaborator."""
        with self._database.transaction():
            user = self._users.get(user_id)
            self._database.write("DELETE FROM collaborators WHERE app_id = ? AND user_id = ?", app_id, user.id)
            return self._update(app_id, "UPDATE apps SET owner_id = ?, updated_at = ? WHERE id = ?", user.id)

    def destroy(self, app_id: str) -> App:
        """Mark an app as destroyed: releases, slugs and builds stay as history, its name is free for a new app."""
        with self._database.transaction():
            app = self.get(app_id)
            self._database.write("DELETE FROM formation WHERE app_id = ?", app.id)
            self._database.write("DELETE FROM buildpacks WHERE app_id = ?", app.id)
            self._database.write("DELETE FROM checks WHERE app_id = ?", app.id)
            self._database.write("DELETE FROM jobs WHERE app_id = ?", app.id)
            self._database.write("DELETE FROM idling WHERE app_id = ?", app.id)
            self._database.write("DELETE FROM certificates WHERE app_id = ?", app.id)
            self._database.write("DELETE FROM acm WHERE app_id = ?", app.id)
            self._database.write("DELETE FROM acm_names WHERE app_id = ?", app.id)
            self._database.write("DELETE FROM https WHERE app_id = ?", app.id)
            self._database.write("DELETE FROM gate_users WHERE app_id = ?", app.id)
            self._database.write("DELETE FROM gate_networks WHERE app_id = ?", app.id)
            self._database.write("DELETE FROM masks WHERE app_id = ?", app.id)
            self._database.write("DELETE FROM features WHERE app_id = ?", app.id)
            self._database.write("DELETE FROM pauses WHERE app_id = ?", app.id)
            self._database.write("DELETE FROM drains WHERE app_id = ?", app.id)
            self._database.write("DELETE FROM alerts WHERE app_id = ?", app.id)
            self._database.write(
                "UPDATE app_transfers SET state = 'cancelled', updated_at = ? WHERE app_id = ? AND state = 'pending'",
                self._database.now(),
                app.id,
            )
            self._database.write(
                "UPDATE domains SET removed_at = ? WHERE app_id = ? AND removed_at IS NULL",
                self._database.now(),
                app.id,
            )
            self._database.write(
                "UPDATE apps SET destroyed_at = ?1, updated_at = ?1 WHERE id = ?2",
                self._database.now(),
                app.id,
            )
            # Last: the webhooks of the pipeline hear of the end if its owner may view the app.
            self._database.write("DELETE FROM pipeline_couplings WHERE app_id = ?", app.id)
            self._database.write("DELETE FROM collaborators WHERE app_id = ?", app.id)
            return self._select("id = ?", app.id)[0]

    def _update(self, app_id: str, sql: str, value: object) -> App:
        with self._database.transaction():
            app = self.get(app_id)
            self._database.write(sql, value, self._database.now(), app.id)
            return self.get(app.id)

    def _is_taken(self, name: str) -> bool:
        return self._database.first("SELECT 1 FROM apps WHERE name = ? AND destroyed_at IS NULL", name) is not None

    def _refuse_taken(self, name: str) -> None:
        if self._is_taken(name):
            raise Invalid(f"Name {name} is already taken. Choose another.")

    def _select(self, condition: str, *parameters: object) -> Sequence[App]:
        return [_app(record) for record in self._database.select(f"{_APPS} WHERE {condition}", *parameters)]


_APPS = (
    "SELECT id, name, owner_id, uid, stack, host, maintenance, created_at, updated_at, released_at, destroyed_at, "
    "build_timeout FROM apps "
)


def _app(record: Record) -> App:
    return App(**moments(record) | {"maintenance": bool(record["maintenance"])})
