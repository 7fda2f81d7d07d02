"""ACME accounts: who we are to a certificate authority, with the private key, encrypted; one for each authority."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hostd.errors import NotFound
from hostd.ledger.database import Database, moments
from hostd.ledger.vault import Vault


@dataclass(frozen=True, slots=True)
class Account:
    """An account with the authority at `directory`; `uri` is its name there, None as long as it has none.

    While the authority cannot be asked for anything, `reason` says why, and `next_at` when it is asked again.
    """

    directory: str
    uri: str | None
    created_at: datetime
    failures: int = 0
    reason: str | None = None
    next_at: datetime | None = None


class AcmeAccounts:
    """The table of accounts."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def get(self, directory: str) -> Account | None:
        """Our account with an authority, if one was begun."""
        record = self._database.first(
            "SELECT directory, uri, created_at, failures, reason, next_at FROM acme_accounts WHERE directory = ?",
            directory,
        )
        return Account(**moments(record)) if record else None

    def make(self, directory: str, key: str) -> Account:
        """Begin an account with this private key (PEM): kept first, so that no account is made twice."""
        now = self._database.now()
        sealed = self._vault.encrypt({"key": key}, _place(directory))
        self._database.insert("acme_accounts", {"directory": directory, "private_key": sealed, "created_at": now})
        return Account(directory, None, now)

    def key(self, account: Account) -> str:
        """The private key, as PEM. Raises Internal if it was changed."""
        record = self._database.first("SELECT private_key FROM acme_accounts WHERE directory = ?", account.directory)
        if record is None:
            raise NotFound(f"There is no account with {account.directory} any more.")
        return self._vault.decrypt(record["private_key"], _place(account.directory))["key"]

    def registered(self, directory: str, uri: str | None) -> None:
        """Note what the authority calls the account; None if it knows none."""
        self._database.write("UPDATE acme_accounts SET uri = ? WHERE directory = ?", uri, directory)

    def hold(self, directory: str, reason: str | None, next_at: datetime | None, failures: int) -> None:
        """Ask the authority for nothing until then; with None all is well again."""
        self._database.write(
            "UPDATE acme_accounts SET reason = ?, next_at = ?, failures = ? WHERE directory = ?",
            reason,
            next_at,
            failures,
            directory,
        )


def _place(directory: str) -> str:
    return f"acme account {directory}"
