"""Https: what an app wants of clients that come over http, and what it tells browsers of https."""

from __future__ import annotations

from dataclasses import dataclass

from hostd.ledger.apps import Apps
from hostd.ledger.database import Database


@dataclass(frozen=True, slots=True)
class Hsts:
    """What browsers are to do for so many seconds: use https alone (RFC 6797)."""

    seconds: int
    subdomains: bool = False
    preload: bool = False

    @property
    def header(self) -> str:
        """As it stands in Strict-Transport-Security."""
        return f"max-age={self.seconds}{'; includeSubDomains' * self.subdomains}{'; preload' * self.preload}"


@dataclass(frozen=True, slots=True)
class Https:
    """Whether requests over http are sent to https, and what is said over https; None is nothing."""

    redirect: bool = False
    hsts: Hsts | None = None


class HttpsSettings:
    """The table of what apps want of https."""

    def __init__(self, database: Database, apps: Apps) -> None:
        self._database = database
        self._apps = apps

    def get(self, app_id: str) -> Https:
        """What an app wants; without anything set: nothing."""
        record = self._database.first(
            "SELECT redirect, hsts_seconds, hsts_subdomains, hsts_preload FROM https WHERE app_id = ?", app_id
        )
        if record is None:
            return Https()
        seconds = record["hsts_seconds"]
        hsts = Hsts(seconds, bool(record["hsts_subdomains"]), bool(record["hsts_preload"]))
        return Https(bool(record["redirect"]), None if seconds is None else hsts)

    def set(self, app_id: str, https: Https) -> None:
        """Let an app want this from now on. Raises NotFound."""
        hsts = https.hsts
        with self._database.transaction():
            self._database.write(
                "INSERT OR REPLACE INTO https (app_id, redirect, hsts_seconds, hsts_subdomains, hsts_preload) "
                "VALUES (?, ?, ?, ?, ?)",
                self._apps.get(app_id).id,
                https.redirect,
                hsts.seconds if hsts else None,
                bool(hsts and hsts.subdomains),
                bool(hsts and hsts.preload),
            )
