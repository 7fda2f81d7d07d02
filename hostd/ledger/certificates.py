"""Certificates: what apps show to browsers, and the private keys that belong to it, encrypted."""

from __future__ import annotations

import builtins
import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from hostd import names
from hostd.errors import Invalid, NotFound
from hostd.ledger.apps import Apps
from hostd.ledger.database import Database, Record, moments
from hostd.ledger.vault import Vault

MOST = 1000
"""Certificates that an app may have."""


def content_of(text: str) -> str:
    """What tells a text in PEM from every other, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate of an app. `chain` is PEM; `names` are the hosts it is for; `warned_days` what was told of its end.

    `fingerprint` tells any two apart: SHA-256 in hex. An `automatic` one was got for its name by itself (ACM).
    """

    id: str
    app_id: str
    name: str
    display_name: str | None
    chain: str
    fingerprint: str
    names: tuple[str, ...]
    starts_at: datetime
    expires_at: datetime
    created_at: datetime
    updated_at: datetime
    warned_days: int | None = None
    automatic: bool = False

    @property
    def content(self) -> str:
        """What tells its chain from every other, in hex: under this name the router has chain and key."""
        return content_of(self.chain)


class Judged(Protocol):
    """What is needed of `hostd.certificates.checking.Checked`."""

    @property
    def chain(self) -> str:
        """PEM, the certificate itself first."""

    @property
    def key(self) -> str:
        """PEM, not encrypted."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, in hex."""

    @property
    def names(self) -> tuple[str, ...]:
        """The hosts it is for."""

    @property
    def starts_at(self) -> datetime:
        """From when on it is valid."""

    @property
    def expires_at(self) -> datetime:
        """Until when it is valid."""


class Certificates:
    """The table of certificates. What stands in it was judged before."""

    def __init__(self, database: Database, apps: Apps, vault: Vault) -> None:
        self._database = database
        self._apps = apps
        self._vault = vault

    def add(
        self, app_id: str, judged: Judged, display_name: str | None = None, *, automatic: bool = False
    ) -> Certificate:
        """A new certificate for an app. Raises Invalid for one that it has, and beyond the limit."""
        with self._database.transaction():
            app = self._apps.get(app_id)
            known = self.list(app.id)
            self._refuse_twice(known, judged)
            if len(known) >= MOST:
                raise Invalid(f"{app.name} has {MOST} certificates, which is the limit. Remove one: hostctl certs")
            taken = {each.name for each in known}
            made, now = str(uuid.uuid4()), self._database.now()
            self._database.insert(
                "certificates",
                {
                    "id": made,
                    "app_id": app.id,
                    "name": names.generated_app_name(taken.__contains__),
                    "display_name": display_name,
                    "created_at": now,
                    "updated_at": now,
                    "automatic": automatic,
                    **self._columns(made, judged),
                },
            )
            return self.get(app.id, made)

    def update(self, app_id: str, name_or_id: str, judged: Judged) -> Certificate:
        """Put another certificate in the place of one. Raises NotFound; Invalid for one that the app has."""
        with self._database.transaction():
            old = self.get(app_id, name_or_id)
            self._refuse_twice([each for each in self.list(app_id) if each.id != old.id], judged)
            fresh = self._columns(old.id, judged)
            self._database.write(
                "UPDATE certificates SET chain = ?, private_key = ?, fingerprint = ?, names = ?, starts_at = ?, "
                "expires_at = ?, updated_at = ?, warned_days = NULL WHERE id = ?",
                *fresh.values(),
                self._database.now(),
                old.id,
            )
            return self.get(app_id, old.id)

    def prefer(self, app_id: str, name_or_id: str) -> Certificate:
        """Let a certificate be the one that was touched last, and so served before others. Raises NotFound."""
        with self._database.transaction():
            found = self.get(app_id, name_or_id)
            self._database.write(
                "UPDATE certificates SET updated_at = ? WHERE id = ?", self._database.now(), found.id
            )
            return self.get(app_id, found.id)

    def rename(self, app_id: str, name_or_id: str, display_name: str | None) -> Certificate:
        """Give a certificate a name for people. Raises NotFound."""
        with self._database.transaction():
            found = self.get(app_id, name_or_id)
            self._database.write("UPDATE certificates SET display_name = ? WHERE id = ?", display_name, found.id)
            return self.get(app_id, found.id)

    def get(self, app_id: str, name_or_id: str) -> Certificate:
        """A certificate of an app; raises NotFound."""
        for found in self._select("app_id = ?1 AND (name = ?2 OR id = ?2)", app_id, name_or_id):
            return found
        raise NotFound(f"There is no certificate {name_or_id[:60]!r}. The app's certificates: hostctl certs")

    def list(self, app_id: str) -> builtins.list[Certificate]:
        """An app's certificates, those first that were not touched for longest."""
        return self._select("app_id = ? ORDER BY updated_at, sequence", app_id)

    def every(self) -> builtins.list[Certificate]:
        """All certificates of all apps."""
        return self._select("1 ORDER BY sequence")

    def key(self, certificate: Certificate) -> str:
        """The private key of a certificate, as PEM. Raises Internal if it was changed."""
        record = self._database.first("SELECT private_key FROM certificates WHERE id = ?", certificate.id)
        if record is None:
            raise NotFound(f"There is no certificate {certificate.name} any more.")
        return self._vault.decrypt(record["private_key"], _place(certificate.id))["key"]

    def remove(self, app_id: str, name_or_id: str) -> Certificate:
        """Forget a certificate and its key. Raises NotFound."""
        with self._database.transaction():
            found = self.get(app_id, name_or_id)
            self._database.write("DELETE FROM certificates WHERE id = ?", found.id)
            return found

    def warned(self, certificate: Certificate, days: int) -> None:
        """Note that people were told that a certificate expires within so many days."""
        self._database.write("UPDATE certificates SET warned_days = ? WHERE id = ?", days, certificate.id)

    def _columns(self, certificate_id: str, judged: Judged) -> Record:
        return {
            "chain": judged.chain,
            "private_key": self._vault.encrypt({"key": judged.key}, _place(certificate_id)),
            "fingerprint": judged.fingerprint,
            "names": json.dumps(judged.names),
            "starts_at": judged.starts_at,
            "expires_at": judged.expires_at,
        }

    @staticmethod
    def _refuse_twice(known: builtins.list[Certificate], judged: Judged) -> None:
        for each in known:
            if each.fingerprint == judged.fingerprint:
                raise Invalid(f"The app has this certificate already: {each.name}.")

    def _select(self, condition: str, *parameters: object) -> builtins.list[Certificate]:
        return [
            Certificate(
                **moments(record)
                | {"names": tuple(json.loads(record["names"])), "automatic": bool(record["automatic"])}
            )
            for record in self._database.select(f"{_CERTIFICATES} WHERE {condition}", *parameters)
        ]


_CERTIFICATES = (
    "SELECT id, app_id, name, display_name, chain, fingerprint, names, starts_at, expires_at, created_at, updated_at, "
    "warned_days, automatic FROM certificates"
)


def _place(certificate_id: str) -> str:
    return f"certificate {certificate_id}"
