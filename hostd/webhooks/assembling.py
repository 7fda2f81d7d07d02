"""Assembling: the parts of webhooks, put together as the settings say."""

from __future__ import annotations

from collections.abc import Callable

from hostd.events import Events
from hostd.ledger import Ledger
from hostd.manager.dyno import Dyno
from hostd.settings import Settings
from hostd.settings_rules import networks
from hostd.webhooks.payloads import Payloads
from hostd.webhooks.sending import Sender
from hostd.webhooks.worker import WebhookWorker


def assemble_webhooks(
    settings: Settings, ledger: Ledger, events: Events, dynos: Callable[[str], list[Dyno]]
) -> WebhookWorker:
    """Make the worker, which hears what others are told too; nothing is started. `dynos` are an app's."""
    sender = Sender((settings.http_port, settings.https_port), networks(settings.webhook_networks))
    worker = WebhookWorker(ledger=ledger, payloads=Payloads(ledger, settings, dynos), sender=sender)
    before = events.heard

    def heard(app_id: str, process: str, text: str) -> None:
        before(app_id, process, text)
        worker.hear(app_id, process, text)

    events.heard = heard
    return worker
