"""Many dynos: `python3 benchmarks/formation.py [--apps 30] [--web 5] [--workers 5] [--idle 60] [--no-boot]`.

Small apps of its own are made, started, restarted, deployed, stopped and removed. A web dyno is a dozen lines of perl,
a worker `sleep infinity`, each of the size 64M. Times end when every dyno is up, and served if it is a web dyno, or
when the last one is gone. Meanwhile the API is asked for one app's dynos, and the router for the pages of all apps in
turn, 20 times a second each: the slowest answer shows for how long they were busy with something else. In a box, which
can be booted, a third of the dynos are also timed after that, from the start of PID 1.
"""

from __future__ import annotations

import argparse
import http.client
import os
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import footprint
from kit import HOSTCTL, Api, hostctl, inside

SIZE = "64M"
PROCFILE = "web: exec perl server.pl {name}\nworker: exec sleep infinity\n"
SERVER = r"""
use Socket;
my $page = "$ARGV[0]\n";
socket(my $listener, PF_INET, SOCK_STREAM, 0) or die $!;
setsockopt($listener, SOL_SOCKET, SO_REUSEADDR, 1);
bind($listener, sockaddr_in($ENV{PORT}, INADDR_ANY)) && listen($listener, 128) or die $!;
while (1) {
  accept(my $visitor, $listener) or next;
  my $head = "";
  while (sysread($visitor, my $more, 8192)) { $head .= $more; last if $head =~ /\r\n\r\n/ }
  my $answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " . length($page) . "\r\n\r\n$page";
  syswrite($visitor, $answer) if $head;
}
"""
LOOK_SECONDS = 0.05
VISIT_SECONDS = 90.0
LARGE = 10
"""Dynos of each type of the larger app that is deployed."""
BOOT_SHARE = 3


class Formation:
    """The benchmark's apps, and what is done to all of them at once."""

    def __init__(self, api: Api, apps: Sequence[dict[str, Any]], web: int, workers: int) -> None:
        self.api = api
        self.apps = [app["name"] for app in apps]
        self.hosts = {app["name"]: app["web_url"].removeprefix("http://").rstrip("/") for app in apps}
        self.web, self.workers = web, workers

    def each(self, work: Callable[[str], object]) -> None:
        """Do something to every app, all at once."""
        with ThreadPoolExecutor(len(self.apps)) as pool:
            list(pool.map(work, self.apps))

    def scale(self, app: str, web: int, workers: int) -> None:
        sizes = [{"type": type_, "quantity": n, "size": SIZE} for type_, n in (("web", web), ("worker", workers))]
        self.api.ask("PATCH", f"/apps/{app}/formation", {"updates": sizes})

    def start(self, app: str) -> None:
        self.scale(app, self.web, self.workers)
        self.wait(app, self.web + self.workers)

    def stop(self, app: str) -> None:
        self.scale(app, 0, 0)
        self.wait(app, 0)

    def restart(self, app: str) -> None:
        self.api.ask("DELETE", f"/apps/{app}/dynos")
        self.wait(app, self.web + self.workers)

    def release(self, app: str) -> None:
        self.api.ask("PATCH", f"/apps/{app}/config-vars", {"ROUND": str(time.monotonic())})
        self.wait(app, self.web + self.workers)

    def wait(self, app: str, count: int) -> None:
        """Wait until the app has so many dynos of its newest release, all up and served, and no others."""
        while self.api.ask("GET", f"/hostd/apps/{app}/dynos/missing?seconds=60"):
            pass
        while len(self.api.ask("GET", f"/apps/{app}/dynos")) != count:
            time.sleep(LOOK_SECONDS)


class Watch:
    """Asks the API and the router for as long as something lasts."""

    def __init__(self, formation: Formation) -> None:
        self._formation = formation
        self._over = threading.Event()
        self.api: list[float] = []
        self.router: list[float] = []
        self.answers: Counter[str] = Counter()

    def ask(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            began = time.monotonic()
            self._formation.api.ask("GET", f"/apps/{self._formation.apps[0]}/dynos")
            self.api.append(time.monotonic() - began)

    def visit(self) -> None:
        while True:
            for app in self._formation.apps:
                if self._over.wait(LOOK_SECONDS):
                    return
                began = time.monotonic()
                self.answers[page(self._formation.hosts[app], app)] += 1
                self.router.append(time.monotonic() - began)

    def end(self) -> None:
        self._over.set()


def page(host: str, app: str) -> str:
    """What a visitor of the app gets: `ok` for its page."""
    connection = http.client.HTTPConnection("127.0.0.1", int(host.partition(":")[2] or 80), timeout=VISIT_SECONDS)
    try:
        connection.request("GET", "/", headers={"Host": host})
        answer = connection.getresponse()
        text = answer.read().decode()
    except OSError as error:
        return type(error).__name__
    finally:
        connection.close()
    if answer.status != http.client.OK:
        return str(answer.status)
    return "ok" if text == f"{app}\n" else "another app's page"


@contextmanager
def watched(formation: Formation, *, pages: bool) -> Iterator[Watch]:
    """Ask the API, and with `pages` the router too, while the block lasts."""
    watch = Watch(formation)
    threads = [threading.Thread(target=work) for work in ([watch.ask, watch.visit] if pages else [watch.ask])]
    for thread in threads:
        thread.start()
    try:
        yield watch
    finally:
        watch.end()
        for thread in threads:
            thread.join()


def timed(name: str, formation: Formation, work: Callable[[str], object], *, pages: bool) -> None:
    """Do something to all apps, and print how long it took and what others saw meanwhile."""
    with watched(formation, pages=pages) as watch:
        began = time.monotonic()
        formation.each(work)
        took = time.monotonic() - began
    print(f"{name:<34} {took:7.1f} s   API {slowest(watch.api)}", end="")
    if pages:
        failed = watch.answers.total() - watch.answers["ok"]
        wrong = f" {dict(watch.answers)}" if failed else ""
        print(f"   router {slowest(watch.router)}, {failed} of {watch.answers.total()} failed{wrong}", end="")
    print(f"   load {os.getloadavg()[0]:.1f}", flush=True)


def slowest(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds) * 1e3:.0f}, at most {max(seconds) * 1e3:.0f} ms"


@contextmanager
def made(api: Api, count: int, web: int, workers: int) -> Iterator[Formation]:
    """So many apps, deployed and without dynos; destroyed at the end."""
    with ExitStack() as stack:
        apps = []
        for _ in range(count):
            app = api.ask("POST", "/apps", {})
            apps.append(app)
            stack.callback(
                subprocess.run, [HOSTCTL, "apps:destroy", "-a", app["name"], "--confirm", app["name"]],
                check=False, capture_output=True,
            )  # fmt: skip
        formation = Formation(api, apps, web, workers)
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(deploy, formation.apps))
        formation.each(formation.stop)
        yield formation


def deploy(app: str) -> float:
    """Deploy the app's files; the seconds until hostctl has returned."""
    folder = Path(tempfile.mkdtemp(prefix="hostd-benchmark-"))
    try:
        (folder / "Procfile").write_text(PROCFILE.format(name=app))
        (folder / "server.pl").write_text(SERVER)
        began = time.monotonic()
        hostctl("deploy", str(folder), "-a", app)
        return time.monotonic() - began
    finally:
        shutil.rmtree(folder)


def deploys(formation: Formation) -> None:
    """Time the deploy of an app with one dyno, and of one with many, while the others run."""
    app = formation.apps[0]
    for web, workers in ((1, 0), (LARGE, LARGE)):
        formation.scale(app, web, workers)
        formation.wait(app, web + workers)
        took = [deploy(app) for _ in range(3)]
        formation.wait(app, web + workers)
        name, middle = f"deploy of {web + workers} dynos", statistics.median(took)
        print(f"{name:<34} {middle:7.1f} s   load {os.getloadavg()[0]:.1f}", flush=True)
    formation.start(app)


def killed(formation: Formation) -> None:
    """Time until a hostd that was killed knows all dynos again."""
    before = footprint.read().dynos
    with watched_pages(formation) as watch:
        began = time.monotonic()
        inside(["systemctl", "kill", "--signal=KILL", "hostd.service"])
        formation.each(lambda app: formation.wait(app, formation.web + formation.workers))
        took = time.monotonic() - began
    after = footprint.read().dynos
    same = sum(before[unit] == after.get(unit) for unit in before)
    failed = watch.answers.total() - watch.answers["ok"]
    print(
        f"{'kill -9 hostd, until all known':<34} {took:7.1f} s   {len(before) - same} of {len(before)} dynos restarted"
        f"   router {slowest(watch.router)}, {failed} of {watch.answers.total()} failed"
    )


@contextmanager
def watched_pages(formation: Formation) -> Iterator[Watch]:
    """Ask the router only: nobody else answers."""
    watch = Watch(formation)
    thread = threading.Thread(target=watch.visit)
    thread.start()
    try:
        yield watch
    finally:
        watch.end()
        thread.join()


def booted(formation: Formation) -> None:
    """Time what comes after a boot of the box, from the start of its PID 1, and see in which order dynos start."""
    rest = formation.apps[len(formation.apps) // BOOT_SHARE :]
    Formation.each(_part(formation, rest), formation.stop)
    few = _part(formation, formation.apps[: len(formation.apps) // BOOT_SHARE])
    hostctl("box", "stop")
    with watched_pages(few) as watch:
        hostctl("box", "start")
        formation.api.find()
        few.each(lambda app: few.wait(app, few.web + few.workers))
        up = time.monotonic()
    shown = inside(["systemctl", "show", "--property=UserspaceTimestampMonotonic", "--value"])
    dynos = footprint.read().dynos
    first, last = (pick(at for _, at in dynos.values()) / 1e6 for pick in (min, max))
    began = int(shown) / 1e6
    print(
        f"{f'{len(dynos)} dynos after a boot of the box':<34} {up - began:7.1f} s   "
        f"the first started after {first - began:.1f} s, the last after {last - began:.1f} s"
        f"   router {dict(watch.answers)}"
    )
    order = [few.apps.index(app) for app in by_start(dynos, few.apps)]
    late = max(place - wanted for place, wanted in zip(order, sorted(order), strict=True))
    print(f"{'':<34} by the ledger's order a dyno started at most {late} apps too early")


def troubles(since: float) -> int:
    """How many crashes and errors of dynos the log of all apps has since then."""
    words = ["--namespace=*", f"--since=@{since:.0f}", "--grep=Error R|to crashed", "--output=cat", "--quiet"]
    found = inside(["sh", "-c", 'journalctl "$@" || true', "sh", *words])
    return len(found.splitlines())


def by_start(dynos: dict[str, tuple[int, int]], apps: Sequence[str]) -> list[str]:
    """The app of each dyno, in the order in which they were started."""
    units = sorted(dynos, key=lambda unit: dynos[unit][1])
    return [next(app for app in apps if unit.startswith(f"hostd-{app}-w")) for unit in units]


def _part(formation: Formation, apps: Sequence[str]) -> Formation:
    """Some of the apps."""
    found = [{"name": app, "web_url": f"http://{formation.hosts[app]}/"} for app in apps]
    return Formation(formation.api, found, formation.web, formation.workers)


def main() -> None:
    parser = argparse.ArgumentParser(description="many dynos at once")
    parser.add_argument("--apps", type=int, default=30)
    parser.add_argument("--web", type=int, default=5, help="web dynos of each app")
    parser.add_argument("--workers", type=int, default=5, help="other dynos of each app")
    parser.add_argument("--idle", type=float, default=60.0, help="seconds for which they are idle")
    parser.add_argument("--no-boot", action="store_true", help="do not boot the box")
    options = parser.parse_args()
    api, began = Api(), time.time()
    with made(api, options.apps, options.web, options.workers) as formation:
        count = options.apps * (options.web + options.workers)
        own = footprint.bare(SERVER, options.apps * options.web, options.apps * options.workers)
        empty = footprint.read()
        timed(f"start {count} dynos", formation, formation.start, pages=False)
        time.sleep(options.idle / 2)
        first, last = footprint.idle(options.idle)
        footprint.processor(first, last)
        footprint.memory(empty, last, own)
        timed("a release of every app", formation, formation.release, pages=True)
        timed("ps:restart of every app", formation, formation.restart, pages=True)
        killed(formation)
        deploys(formation)
        timed(f"stop {count} dynos", formation, formation.stop, pages=False)
        if api.box and not options.no_boot:
            formation.each(formation.start)
            booted(formation)
        print(f"crashes and errors of dynos in the log of all apps: {troubles(began)}")


if __name__ == "__main__":
    main()
