"""Transfers: apps on their way to another owner, who has to accept them."""

from __future__ import annotations

import enum
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from hostd.errors import Conflict, Invalid, NotFound
from hostd.ledger.access import Access, Right
from hostd.ledger.apps import App, Apps
from hostd.ledger.database import Database, Record, moments
from hostd.ledger.users import User, Users


class TransferState(enum.Enum):
    """How far a transfer is. All but pending are for good."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Transfer:
    """An app that is offered: by `requester_id`, of the one who owned it then, to the recipient."""

    id: str
    app_id: str
    owner_id: str
    recipient_id: str
    requester_id: str
    state: TransferState
    created_at: datetime
    updated_at: datetime


class Transfers:
    """The table of transfers."""

    def __init__(self, database: Database, users: Users, apps: Apps, access: Access) -> None:
        self._database = database
        self._users = users
        self._apps = apps
        self._access = access

    def offer(self, app: App, recipient: User, requester: User) -> Transfer:
        """Offer an app to a user. Raises Invalid if they own it, Conflict while it is offered already."""
        with self._database.transaction():
            app = self._apps.get(app.id)
            if recipient.id == app.owner_id:
                raise Invalid(f"{recipient.email} owns {app.name} already.")
            if known := self._select("app_id = ? AND state = 'pending'", app.id):
                to = self._users.get(known[0].recipient_id).email
                raise Conflict(
                    f"{app.name} is offered to {to} already. Take that back first: hostctl apps:transfers:cancel "
                    f"-a {app.name}"
                )
            now = self._database.now()
            made = Transfer(
                str(uuid.uuid4()), app.id, app.owner_id, recipient.id, requester.id, TransferState.PENDING, now, now
            )
            self._database.insert("app_transfers", asdict(made) | {"state": made.state.value})
        return made

    def get(self, id: str) -> Transfer:
        """A transfer by its id. Raises NotFound."""
        found = self._select("id = ?", id)
        if not found:
            raise NotFound(f"There is no transfer {id[:60]!r}. Yours: hostctl apps:transfers")
        return found[0]

    def pending(self, app_id: str) -> Transfer | None:
        """The offer of an app that waits for an answer, if there is one."""
        return next(iter(self._select("app_id = ? AND state = 'pending'", app_id)), None)

    def list_for(self, user: User) -> Sequence[Transfer]:
        """Those of a user, oldest first: offers of their apps, by them, and to them; for an admin all."""
        if user.admin:
            return self._select("TRUE")
        return self._select("?1 IN (owner_id, recipient_id, requester_id)", user.id)

    def accept(self, id: str) -> tuple[Transfer, App]:
        """Make the recipient the owner; the owner until now stays a collaborator. Raises Conflict unless it waits."""
        with self._database.transaction():
            offered = self.get(id)
            if offered.state is TransferState.PENDING:
                requester = self._users.get(offered.requester_id)
                if Right.MANAGE not in self._access.rights(self._apps.get(offered.app_id), requester):
                    raise Conflict(f"{requester.email} may not give this app away any more.")
            made = self._decide(id, TransferState.ACCEPTED)
            before = self._apps.get(made.app_id)
            app = self._apps.transfer(made.app_id, made.recipient_id)
            self._access.add(app.id, before.owner_id)
        return made, app

    def decline(self, id: str) -> Transfer:
        """The recipient does not want it. Raises Conflict unless it waits."""
        return self._decide(id, TransferState.DECLINED)

    def cancel(self, id: str) -> Transfer:
        """Take the offer back. Raises Conflict unless it waits."""
        return self._decide(id, TransferState.CANCELLED)

    def _decide(self, id: str, state: TransferState) -> Transfer:
        with self._database.transaction():
            made = self.get(id)
            if made.state is not TransferState.PENDING:
                raise Conflict(f"This transfer was {made.state.value} already.")
            self._database.write(
                "UPDATE app_transfers SET state = ?, updated_at = ? WHERE id = ?",
                state.value,
                self._database.now(),
                made.id,
            )
            return self.get(id)

    def _select(self, condition: str, *parameters: object) -> Sequence[Transfer]:
        return [
            _transfer(record) for record in self._database.select(f"{_TRANSFERS} WHERE {condition}", *parameters)
        ]


_TRANSFERS = (
    "SELECT id, app_id, owner_id, recipient_id, requester_id, state, created_at, updated_at FROM "
    "(SELECT * FROM app_transfers ORDER BY sequence)"
)


def _transfer(record: Record) -> Transfer:
    return Transfer(**moments(record) | {"state": TransferState(record["state"])})
