"""Assembling: the parts of alerts, put together as the settings say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hostd.alerts.alerts import Alerts
from hostd.alerts.keeper import AlertKeeper
from hostd.alerts.metrics import ByType
from hostd.alerts.notify.https import Poster
from hostd.alerts.notify.mail import Mailer, MailServer
from hostd.alerts.notify.notifier import Notifier
from hostd.alerts.notify.programs import Programs, Units
from hostd.alerts.outbox import Outbox
from hostd.alerts.readings import Readings, Term
from hostd.alerts.ring import Ring
from hostd.certificates.keeper import CertificateKeeper
from hostd.events import Events
from hostd.ledger import Ledger
from hostd.metrics.store import Store
from hostd.settings import Settings
from hostd.settings_rules import networks
from units.systemd import Systemd


@dataclass(frozen=True, slots=True)
class _Term:
    """How long a certificate is valid."""

    starts_at: datetime
    expires_at: datetime


def assemble_alerts(
    *,
    settings: Settings,
    ledger: Ledger,
    events: Events,
    systemd: Systemd,
    store: Store,
    certificates: CertificateKeeper,
    full: Callable[[], float],
) -> Alerts:
    """Make them; nothing is started. `full` says how full the disk of all dynos is, in percent."""
    units, disk = Units(systemd), Ring(settings.alerts_dir / "disk")
    programs = Programs(settings.alert_programs, units)
    mailer = Mailer(mail_server(settings), settings.mail_from or f"hostd@{settings.domain}", units.run_unconfined)
    poster = Poster((settings.http_port, settings.https_port), networks(settings.alert_networks))
    outbox = Outbox(ledger=ledger, events=events, notifier=Notifier(mail=mailer, https=poster, programs=programs))

    def terms(app_id: str | None) -> Sequence[Term]:
        if app_id is not None:
            return ledger.certificates.list(app_id)
        own = certificates.platform()
        return [_Term(datetime.fromtimestamp(0, UTC), own.expires_at)] if own else []

    keeper = AlertKeeper(
        ledger=ledger,
        outbox=outbox,
        readings=Readings(ByType(store), disk, terms),
        disk=disk,
        full=full,
        server=settings.domain,
    )
    return Alerts(
        ledger=ledger, keeper=keeper, outbox=outbox, mailer=mailer, programs=programs, server=settings.domain
    )


def mail_server(settings: Settings) -> MailServer | None:
    """The mail server that the settings name, if they do."""
    if not settings.mail_server:
        return None
    host, _, port = settings.mail_server.rpartition(":")
    login = Path(settings.mail_login_file) if settings.mail_login_file else None
    return MailServer(host.strip("[]"), int(port), settings.mail_security, login)
