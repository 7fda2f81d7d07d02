"""The end of an app: nothing of it runs, its name is free, its files are gone. The ledger keeps its releases."""

from __future__ import annotations

from hostd.context import Deploys, Manager, Scheduler
from hostd.draining import Draining
from hostd.ledger import Ledger
from hostd.ledger.apps import App


async def destroy(
    app: App, *, ledger: Ledger, scheduler: Scheduler, draining: Draining, manager: Manager, deploys: Deploys
) -> None:
    """Destroy an app. Nobody may be deploying it."""
    ledger.apps.destroy(app.id)
    scheduler.nudge()
    await draining.renew()
    await manager.forget(app)
    await deploys.destroyed(app)
