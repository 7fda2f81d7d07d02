"""Runs inside the box: real units write, the real logplex is read. `python -c <this> <scenario>` prints JSON."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hostd.journals import namespace, target
from hostd.logplex.key import load_key
from hostd.logplex.sessions import Session, sign
from units.journal import Writer
from units.journald import Limits, config_path, config_text

APP = str(uuid.uuid4())
JOURNAL = namespace(APP)
EVENTS = {"Accept": "text/event-stream"}
PATIENCE = 10.0


def pause() -> None:
    threading.Event().wait(0.05)


def dyno(script: str, *, process: str = "web.1", app: str = APP, wait: bool = True, user: str = "nobody") -> None:
    """Run a script as a unit whose output goes where a dyno's goes."""
    fields = {"HOSTD_APP": app, "HOSTD_SOURCE": "app", "HOSTD_PROCESS": process}
    options = [f"--property=LogExtraFields={name}={value}" for name, value in fields.items()]
    subprocess.run(
        ["systemd-run", "--quiet", "--collect", f"--unit=test-logs-{uuid.uuid4()}",
         f"--property=LogNamespace={JOURNAL}", f"--property=User={user}",
         *(["--wait"] if wait else []), *options, "bash", "-c", script],
        check=True,
    )  # fmt: skip


def platform(text: str, process: str, app: str = APP) -> None:
    Writer(JOURNAL).send(text, HOSTD_APP=app, HOSTD_SOURCE="heroku", HOSTD_PROCESS=process)


def stream(headers: dict[str, str] | None = None, **changes: Any) -> http.client.HTTPResponse:
    session = Session(**({"app": APP, "lines": 1500, "expires": int(time.time()) + 300} | changes))
    connection = http.client.HTTPConnection("logplex", timeout=PATIENCE)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(PATIENCE)
    connection.sock.connect("/run/hostd/logplex.sock")
    connection.request("GET", f"/streams?{sign(session, load_key())}", headers=headers or {})
    return connection.getresponse()


def read(**changes: Any) -> list[str]:
    return stream(**changes).read().decode().splitlines()


def texts(rows: list[str]) -> list[str]:
    return [row.partition(": ")[2] for row in rows]


def settled(count: int, **changes: Any) -> list[str]:
    """The log, as soon as it has that many lines: journald is a moment behind."""
    deadline = time.monotonic() + PATIENCE
    while len(rows := read(**changes)) < count and time.monotonic() < deadline:
        pause()
    return rows


def wait_for(text: str) -> list[str]:
    """The newest line, as soon as it is that text."""
    deadline = time.monotonic() + PATIENCE
    while texts(rows := read(lines=1)) != [text] and time.monotonic() < deadline:
        pause()
    return texts(rows)


def logplex(name: str) -> int:
    return int(subprocess.check_output(["systemctl", "show", "--value", f"--property={name}", "hostd-logplex"]))


def form() -> Any:
    dyno("echo hello; printf 'caf\\xe9 \\033[31mred\\033[0m\\033[2J\\n'; echo error >&2; printf 'no line end'")
    # journald reads what comes by two sockets in any order.
    settled(4)
    platform("Scaled to web@2 by you@example.com", "api")
    return settled(5)


def filters() -> Any:
    dyno("echo one", process="web.1")
    dyno("echo two", process="web.2")
    dyno("echo work", process="worker.1")
    platform("State changed from starting to up", "web.2")
    platform("at=info method=GET", "router")
    settled(5)
    asked: dict[str, dict[str, Any]] = {
        "web.2": {"only": ("web.2",)},
        "web": {"only": ("web",)},
        "heroku": {"source": "heroku"},
        "app worker": {"source": "app", "only": ("worker",)},
        "last two": {"lines": 2},
    }
    return {name: texts(read(**wanted)) for name, wanted in asked.items()}


def short() -> Any:
    for number in range(40):
        dyno(f"echo short {number}", process="run.1234", wait=False)
    return len(settled(40))


def long() -> Any:
    """One line of ten million bytes."""
    dyno("head -c 10000000 /dev/zero | tr '\\0' x; echo; echo after")
    last = wait_for("after")
    last_hundred = texts(read(lines=100))
    return {"last": last, "rows": len(last_hundred), "longest": max(map(len, last_hundred))}


def burst() -> Any:
    follower = stream(tail=True, lines=0)
    dyno("for i in $(seq 20000); do echo line $i; done; echo END", wait=False)
    rows = []
    while not rows or not rows[-1].endswith(": END"):
        rows.append(follower.readline().decode().rstrip())
    return {"in order": texts(rows) == [f"line {number}" for number in range(1, 20_001)] + ["END"]}


def rotated() -> Any:
    """journald begins new files while a tail and a dyno are at work."""
    follower = stream(tail=True, lines=0)
    dyno("for i in $(seq 3000); do echo line $i; ((i % 20)) || sleep 0.01; done; echo END", wait=False)
    rows = []
    while not rows or not rows[-1].endswith(": END"):
        rows.append(follower.readline().decode().rstrip())
        if len(rows) % 700 == 350:
            subprocess.run(["journalctl", f"--namespace={JOURNAL}", "--rotate", "--quiet"], check=True)
    whole = [f"line {number}" for number in range(1, 3001)] + ["END"]
    return {"live": texts(rows) == whole, "afterwards": texts(read(lines=1500)) == whole[-1500:]}


def slow() -> Any:
    """A tail that nobody reads for a while."""
    follower = stream(tail=True, lines=0)
    dyno("for i in $(seq 60000); do echo line $i is long enough to fill the buffers between us; done; echo END")
    wait_for("END")
    rows = []
    while not rows or not rows[-1].endswith(": END"):
        rows.append(follower.readline().decode().rstrip())
    told = [row for row in rows if "Error L11" in row]
    dropped = sum(int(row.partition("dropped ")[2].split()[0]) for row in told)
    return {"told": len(told) > 0, "all accounted for": dropped + len(rows) - len(told) == 60_001}


def forged() -> Any:
    """A dyno that writes to the journal's socket as if it were the platform, about another app."""
    other = str(uuid.uuid4())
    entry = f"HOSTD_APP={other}\\nHOSTD_SOURCE=heroku\\nHOSTD_PROCESS=api\\nMESSAGE=forged\\n"
    for path in ("/run/systemd/journal/socket", f"/run/systemd/journal.{JOURNAL}/socket"):
        dyno(f"printf '{entry}' | python3 -c 'import socket, sys;"
             f' socket.socket(1, 2).sendto(sys.stdin.buffer.read(), "{path}")\'; echo sent')  # fmt: skip
    sent = texts(settled(2))
    stored = subprocess.check_output(["journalctl", f"--namespace={JOURNAL}", "--output=cat", f"HOSTD_APP={other}"])
    return {"sent": sent, "stored": stored.decode().splitlines(), "shown": read(app=other)}


def killed() -> Any:
    """kill -9 of the logplex under a reader that comes back with the last id it saw."""
    dyno("for i in $(seq 300); do echo $i; sleep 0.005; done; echo END", wait=False)
    seen: list[str] = []
    last, connections, deadline = "", 0, time.monotonic() + 2 * PATIENCE
    while seen[-1:] != ["END"] and time.monotonic() < deadline:
        connections += 1
        for cursor, text in events(last):
            last = cursor
            seen.append(text)
            if connections < 3 and len(seen) == 80 * connections:
                os.kill(logplex("MainPID"), signal.SIGKILL)
    whole = [str(number) for number in range(1, 301)] + ["END"]
    return {"each line once, in order": seen == whole, "connections": connections}


def events(last: str) -> Iterator[tuple[str, str]]:
    """Cursor and text of each event until the stream breaks off or says END."""
    try:
        response = stream(EVENTS | ({"Last-Event-ID": last} if last else {}), tail=True)
        cursor = text = ""
        while row := response.readline().decode():
            name, _, value = row.rstrip("\n").partition(": ")
            if name == "id":
                cursor = value
            elif name == "data":
                text = value.partition(": ")[2]
            elif not row.strip() and text:
                yield cursor, text
                if text == "END":
                    return
                text = ""
    except (OSError, http.client.HTTPException):
        pause()


def process() -> Any:
    burst()
    pid = logplex("MainPID")
    memory, facts = (
        dict(row.split(":", 1) for row in Path(f"/proc/{pid}/{name}").read_text().splitlines() if ":" in row)
        for name in ("smaps_rollup", "status")
    )
    return {
        "pss_mb": int(memory["Pss"].split()[0]) / 1024,
        "uid": int(facts["Uid"].split()[0]),
        "capabilities": int(facts["CapEff"], 16),
    }


if __name__ == "__main__":
    config_path(JOURNAL).write_text(config_text(Limits(256), "A test's."))
    subprocess.run(["systemctl", "start", target(APP)], check=True)
    # As that of any app, whose creation is the first line in it, the journal is there before anybody looks.
    Writer(JOURNAL).send("begin")
    subprocess.run(["journalctl", f"--namespace={JOURNAL}", "--sync"], check=True)
    try:
        print(json.dumps(globals()[sys.argv[1]]()))
    finally:
        service = f"systemd-journald@{JOURNAL}.service"
        subprocess.run(["systemctl", "stop", target(APP), service], check=True)
        subprocess.run(["systemctl", "clean", "--what=runtime", "--what=logs", service], check=True)
        config_path(JOURNAL).unlink()
