"""Domains: the names of their own under which apps answer, one app a name."""

from __future__ import annotations

import builtins
import uuid
from dataclasses import asdict, dataclass
from datetime import datetime

from hostd.domain_names import base_of, is_wildcard, wildcards_over
from hostd.errors import Invalid, NotFound
from hostd.ledger.access import Access
from hostd.ledger.apps import App, Apps
from hostd.ledger.database import Database, moments
from hostd.ledger.users import User

MOST = 1000
"""Domains that an app may have (Heroku's limit)."""


@dataclass(frozen=True, slots=True)
class Domain:
    """A name of an app, as `hostd.domain_names.domain_name` writes it; `user_id` is who added it."""

    id: str
    app_id: str
    hostname: str
    user_id: str
    created_at: datetime
    removed_at: datetime | None = None


class Domains:
    """The table of domains. One that is removed stays in it as history, and its name is free."""

    def __init__(self, database: Database, apps: Apps, access: Access) -> None:
        self._database = database
        self._apps = apps
        self._access = access

    def add(self, app_id: str, hostname: str, user: User) -> Domain:
        """Give an app a name; `hostname` comes from `domain_name`.

        Raises Invalid, as Heroku answers with 422, for one that an app has, for one that a wildcard of somebody else's
        app takes in, and for a wildcard that would take in names of somebody else's apps (Heroku's rule; admins may do
        the last two); and beyond the limit.
        """
        with self._database.transaction():
            app = self._apps.get(app_id)
            if holder := self.holder(hostname):
                raise Invalid(self._taken(hostname, holder, app, user))
            overlap = self.overlap(app.id, hostname, user)
            if overlap and not user.admin:
                raise Invalid(f"{overlap} Only somebody who owns both apps, or an admin, can do that.")
            if len(self.list(app.id)) >= MOST:
                raise Invalid(f"{app.name} has {MOST} domains, which is the limit. A wildcard may take their place.")
            domain = Domain(str(uuid.uuid4()), app.id, hostname, user.id, self._database.now())
            self._database.insert("domains", asdict(domain))
        return domain

    def get(self, app_id: str, hostname_or_id: str) -> Domain:
        """A domain of the app; raises NotFound."""
        found = self._select("app_id = ?1 AND (hostname = ?2 OR id = ?2)", app_id, hostname_or_id)
        if not found:
            raise NotFound(f"Couldn't find that domain: {hostname_or_id[:253]!r}.")
        return found[0]

    def holder(self, hostname: str) -> Domain | None:
        """The domain of exactly this name, of whatever app."""
        return next(iter(self._select("hostname = ?", hostname)), None)

    def list(self, app_id: str) -> list[Domain]:
        """The app's domains, in the order in which they were added."""
        return self._select("app_id = ?", app_id)

    def remove(self, app_id: str, hostname_or_id: str) -> Domain:
        """Take a name away from the app; raises NotFound."""
        with self._database.transaction():
            domain = self.get(app_id, hostname_or_id)
            self._database.write("UPDATE domains SET removed_at = ? WHERE id = ?", self._database.now(), domain.id)
        return domain

    def clear(self, app_id: str) -> builtins.list[Domain]:
        """Take all names away from the app; those that it had."""
        with self._database.transaction():
            domains = self.list(app_id)
            now, sql = self._database.now(), "UPDATE domains SET removed_at = ? WHERE app_id = ? AND removed_at IS NULL"
            self._database.write(sql, now, app_id)
        return domains

    def overlap(self, app_id: str, hostname: str, user: User) -> str | None:
        """In words for a user: the domain of somebody else's app with which a new one would share names, if any."""
        app, above = self._apps.get(app_id), wildcards_over(hostname)
        for domain in self._select(f"hostname IN ({', '.join('?' * len(above))})", *above):
            if self._foreign(domain, app):
                return f"{hostname} is on the ground of {domain.hostname}, a domain of {self._app_of(domain, user)}."
        if is_wildcard(hostname):
            for domain in self._select("(hostname = ?1 OR hostname LIKE '%.' || ?1)", base_of(hostname)):
                if self._foreign(domain, app):
                    return f"{hostname} would take in {domain.hostname}, a domain of {self._app_of(domain, user)}."
        return None

    def _foreign(self, domain: Domain, app: App) -> bool:
        return self._apps.get(domain.app_id).owner_id != app.owner_id

    def _taken(self, hostname: str, holder: Domain, app: App, user: User) -> str:
        if holder.app_id == app.id:
            return f"{app.name} has the domain {hostname} already."
        return (
            f"{hostname} is in use by {self._app_of(holder, user)}. A domain belongs to one app only: "
            "it must be removed there first."
        )

    def _app_of(self, domain: Domain, user: User) -> str:
        """How to speak of a domain's app to somebody who perhaps may not see it."""
        app = self._apps.get(domain.app_id)
        return f"the app {app.name}" if self._access.rights(app, user) else "an app of somebody else"

    def _select(self, condition: str, *parameters: object) -> builtins.list[Domain]:
        records = self._database.select(f"{_DOMAINS} AND {condition} ORDER BY sequence", *parameters)
        return [Domain(**moments(record)) for record in records]


_DOMAINS = "SELECT id, app_id, hostname, user_id, created_at, removed_at FROM domains WHERE removed_at IS NULL"
