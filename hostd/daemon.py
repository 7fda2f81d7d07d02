"""hostd, the control plane's process: starts the parts, says that it is ready, and ends when told."""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import signal
import sys

from hostd import settings as settings_module
from hostd.alone import only_one
from hostd.api import build_api
from hostd.api import serve as serve_api
from hostd.assembly import Parts, assemble
from hostd.errors import HostdError, to_terminal
from hostd.events import Subject
from hostd.listening import inherited, notify
from hostd.log_room import LogRoom, apps_writing, bytes_free
from hostd.manager.attach import AttachServer
from hostd.settings import Settings
from slugs.errors import SlugsError
from units.leftovers import Leftovers

log = logging.getLogger(__name__)


def main() -> None:
    """Run hostd in the foreground, as hostd.service does."""
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stderr)
    try:
        asyncio.run(serve(settings_module.load()))
    except HostdError as error:
        text, code = to_terminal(error)
        print(text, file=sys.stderr)
        sys.exit(code)
    except SlugsError as error:
        sys.exit(f"{error}.")


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Dynos, router and logs go on when this ends."""
    alone = only_one(settings.lock_file)
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    parts = assemble(settings)
    sockets = inherited()
    await _start(parts)
    attach = AttachServer(sockets["attach"], (parts.manager.one_offs, parts.manager.visits), parts.manager.forwards)
    attach.start()
    doors = [sockets[name] for name in ("api", "door") if name in sockets]
    runner = await serve_api(build_api(parts.context), *doors)
    # What was loaded so far stays for good: looking through it again each time would be a pause of 80 ms.
    gc.freeze()
    notify("READY=1")
    log.info("ready: %d apps", len(parts.ledger.apps.list()))
    works = (
        _clean(parts), parts.garbage.run(), parts.journals.keep(), _log_room(parts).run(),
        Leftovers("hostd-*.service").run(), parts.context.draining.renew(),
    )  # fmt: skip
    tasks = [asyncio.create_task(work) for work in works]
    await stop.wait()
    notify("STOPPING=1")
    for task in tasks:
        task.cancel()
    await parts.stacks.close()
    await parts.promoter.close()
    await parts.setups.close()
    await parts.deploys.close()
    await runner.cleanup()
    await attach.close()
    await _close(parts)
    alone.close()


def _log_room(parts: Parts) -> LogRoom:
    say = parts.context.events.platform
    writing = functools.partial(apps_writing, parts.systemd)
    return LogRoom(bytes_free, writing, lambda app_id, text: say(Subject(app_id), "logplex", text))


async def _start(parts: Parts) -> None:
    await parts.stacks.recover()
    await parts.garbage.recover()
    parts.promoter.recover()
    parts.journals.prepare()
    await parts.networks.start()
    parts.certificates.stock()
    await parts.manager.start()
    await parts.context.metrics.start()
    parts.stacks.go_on()
    parts.setups.start()
    parts.scheduler.start()
    parts.sleeper.start()
    parts.pauser.start()
    parts.certificates.start()
    parts.automatic.start()
    parts.pages.start()
    parts.alerts.start()
    parts.webhooks.start()


async def _close(parts: Parts) -> None:
    """When nobody can ask for anything any more."""
    await parts.webhooks.close()
    await parts.alerts.close()
    await parts.pages.close()
    await parts.automatic.close()
    await parts.certificates.close()
    await parts.pauser.close()
    await parts.sleeper.close()
    await parts.scheduler.close()
    await parts.manager.close()
    await parts.context.metrics.close()
    await parts.context.events.close()
    await parts.networks.close()
    parts.writers.close()
    parts.systemd.close()
    parts.ledger.close()


async def _clean(parts: Parts) -> None:
    """Take away what an earlier hostd left of apps that were being destroyed when it ended."""
    try:
        await parts.manager.strays_gone()
        await parts.garbage.finish_destroyed()
    except Exception as error:
        # Nobody waits for this task: what it does not log itself nobody would ever hear of.
        log.exception("something of a destroyed app is left (%s); the next start tries again", error)
