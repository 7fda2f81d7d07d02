"""Runs inside the box: drains to real receivers. `python -c <this> <scenario> ...` prints JSON."""

import base64
import contextlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.box.drain_receivers import (
    LIBRARIES,
    SETTINGS,
    App,
    Scripted,
    account,
    app,
    beside,
    certificates,
    error_with,
    free_port,
    hostctl,
    kill,
    listens,
    receiver,
    rows_of,
    rsyslog,
    run,
    trusted,
    until,
)

# Settings


def allow() -> Any:
    """Let drains lead to this machine, and lose what is older than a few seconds."""
    text = SETTINGS.read_text()
    Path("/run/drains-test.toml").write_text(text)
    text = text.replace('drain_networks = ""', 'drain_networks = "127.0.0.1/32"')
    SETTINGS.write_text(text.replace("drain_patience = 60", "drain_patience = 5"))
    run("systemctl", "restart", "hostd")
    return "127.0.0.1/32" in SETTINGS.read_text()


def restore() -> Any:
    SETTINGS.write_text(Path("/run/drains-test.toml").read_text())
    run("systemctl", "restart", "hostd")
    return True


# Scenarios


def answers() -> Any:
    """Everything an endpoint may do but take a frame; then it takes it."""
    scripts = (
        [500, (429, {"Retry-After": "2"}), 200, 503],
        [(301, {"Location": "http://127.0.0.1:1/"}), "garbage"],
        ["hang up", "half an answer"],
    )
    endpoints = [Scripted(*script) for script in scripts]
    with app() as made:
        urls = [f"http://kate:pa55w0rd@127.0.0.1:{each.port}/in?key=k3y" for each in endpoints]
        drains = [made.add(url, "--source", "app") for url in urls]
        made.count(1, 300)
        for each in endpoints:
            until(lambda each=each: len(each.numbers()) >= 300, "300 lines")
        made.count(301, 600)
        for each in endpoints:
            until(lambda each=each: len(each.numbers()) >= 600, "600 lines")
        first = [headers for each in endpoints for headers, _ in each.requests[:3]]
        return {
            "ids of the first three": [
                len({headers["Logplex-Frame-Id"] for headers, _ in each.requests[:3]}) for each in endpoints
            ],
            "ids": all(len({headers["Logplex-Frame-Id"] for headers, _ in each.requests}) > 1 for each in endpoints),
            "in order, once": [each.numbers() == list(range(1, 601)) for each in endpoints],
            "counts": all(
                int(headers["Logplex-Msg-Count"]) == len(texts)
                for each in endpoints
                for headers, texts in each.requests
            ),
            "tokens": {headers["Logplex-Drain-Token"] for headers in first} == {drain["token"] for drain in drains},
            "types": sorted({headers["Content-Type"] for headers in first}),
            "authorization": base64.b64decode(first[0]["Authorization"].removeprefix("Basic ")).decode(),
            "lost": [made.status(drain)["lost"] for drain in drains],
        }


def final() -> Any:
    """A 4xx loses its frame, and the next one says so."""
    endpoint = Scripted(404)
    with app() as made:
        drain = made.add(f"http://127.0.0.1:{endpoint.port}/", "--source", "app")
        made.count(1, 50)
        until(lambda: made.status(drain)["state"] == "rejected" or endpoint.taken, "a refusal")
        lost = len(endpoint.requests[0][1])
        made.count(51, 100)
        until(lambda: endpoint.numbers() and endpoint.numbers()[-1] == 100, "the others")
        told = [text.partition(" - ")[2] for text in endpoint.taken if "L10" in text]
        return {
            "told": [text.split(" since ")[0] for text in told],
            "expected": f"Error L10 (Drain buffer overflow) -> This drain dropped {lost} messages",
            "adds up": lost + len(endpoint.numbers()) == 100 and made.status(drain)["lost"] == lost,
            "in the log": bool(
                until(lambda: [row for row in made.log("-s", "heroku") if f"{drain['token']} dropped" in row], "an L10")
            ),
        }


def killed() -> Any:
    """kill -9 of the logplex, hostd and the receivers while lines are written to drains of two kinds."""
    last = 30_000
    with app() as made, receiver("http") as web, receiver("syslog") as syslog:
        sinks = (web, syslog)
        for sink in sinks:
            made.add(sink.url, "--source", "app")
        made.count(1, last, pause=0.05, wait=False)
        for victim, at in (("hostd-logplex", 3000), ("sinks", 7000), ("hostd", 10_000), ("hostd-logplex", 13_000)):
            for sink in sinks:
                until(lambda at=at, sink=sink: max(sink.numbers(), default=0) > at, f"{at} lines")
            if victim == "sinks":
                for sink in sinks:
                    sink.kill()
                    sink.start()
            else:
                kill(victim)
        for sink in sinks:
            until(lambda sink=sink: max(sink.numbers(), default=0) == last, "the last line")
        return {sink.kind: account(sink.numbers(), last) | {"dropped": sink.dropped()} for sink in sinks}


def dead() -> Any:
    """A receiver that is away for long, beside one that is not: the account is exact, and nobody waits."""
    last = 6000
    with app() as made, receiver("http") as well, receiver("http") as sink:
        drain = made.add(sink.url, "--source", "app")
        made.add(well.url, "--source", "app")
        made.count(1, 100)
        until(lambda: len(sink.numbers()) == 100, "the first hundred")
        sink.kill()
        made.count(101, last)
        until(lambda: max(well.numbers(), default=0) == last, "the other drain")
        until(lambda: told_lost(made), "an L10")
        while_dead = made.status(drain)
        sink.start()
        until(lambda: max(sink.numbers(), default=0) == last, "the newest lines")
        numbers, lost = sink.numbers(), made.status(drain)["lost"]
        # Another line about the same comes a minute later only.
        until(lambda: told_lost(made) == lost, "the whole loss in the log", seconds=90)
        return {
            "the other": account(well.numbers(), last) | {"dropped": well.dropped()},
            "waiting": while_dead["waiting"],
            "state": while_dead["state"],
            "adds up": len(numbers) + sink.dropped() == last,
            "without a gap": numbers[100:] == list(range(101 + lost, last + 1)),
            "dropped": sink.dropped(),
            "lost": lost,
        }


def told_lost(made: App) -> int:
    """How many messages the app's log says that drains have lost."""
    rows = [row for row in made.log("-s", "heroku") if "Error L10 (Drain buffer overflow)" in row]
    return sum(int(row.split("dropped ")[1].split()[0]) for row in rows)


def https() -> Any:
    """An HTTPS endpoint that takes its time for each frame: nothing is lost, and another drain does not wait."""
    last = 6000
    with app() as made, receiver("http") as well, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        certificates(folder)
        with trusted(folder):
            endpoint = Scripted(delay=0.25, certificate=folder)
            drain = made.add(f"https://kate:pa55w0rd@localhost:{endpoint.port}/", "--source", "app")
            made.add(well.url, "--source", "app")
            made.count(1, last)
            until(lambda: max(well.numbers(), default=0) == last, "the other drain")
            ahead = len(endpoint.numbers()) < last
            until(lambda: len(endpoint.numbers()) >= last, "all lines")
            return {
                "the other was ahead": ahead,
                "in order, once": endpoint.numbers() == list(range(1, last + 1)),
                "lost": made.status(drain)["lost"],
            }


def syslog() -> Any:
    port = free_port()
    with app() as made, beside("rsyslog") as folder, rsyslog(folder, port, tls=False) as kept:
        drain = made.add(f"syslog://127.0.0.1:{port}", "--process", "web")
        made.write("print('caf\\u00e9 \\u65e5\\u672c'); print('x' * 20000)")
        made.count(1, 2000)
        rows = until(lambda: rows_of(kept)[2002:] and rows_of(kept), "2,003 messages")
        heads = {row.partition(" ")[2].partition(" ")[2].rpartition(" - ")[0] for row in rows}
        return {
            "heads": [head.replace(drain["token"], "TOKEN") for head in sorted(heads)],
            "priorities": sorted({row.partition(" ")[0] for row in rows}),
            "first": rows[0].rpartition(" - ")[2].strip(),
            "lengths": [len(row.rpartition(" - ")[2].strip()) for row in rows[1:3]],
            "numbers": [int(row.rpartition(" ")[2]) for row in rows[3:]] == list(range(1, 2001)),
        }


def tls() -> Any:
    """A certificate that nobody vouches for gets nothing; when its authority is trusted, everything, from then on."""
    port = free_port()
    with app() as made, beside("rsyslog") as folder:
        certificates(folder)
        with rsyslog(folder, port, tls=True) as kept:
            drain = made.add(f"syslog+tls://localhost:{port}", "--source", "app")
            wrong = made.add(f"syslog+tls://127.0.0.1:{port}", "--source", "app")
            made.count(1, 200)
            # Until rsyslog listens, the connection is refused.
            error = until(lambda: error_with(made, drain, "certificate"), "a refused certificate")
            told = until(lambda: [row for row in made.log("-s", "heroku") if "Error L14" in row], "an L14")
            nothing = rows_of(kept)
            with trusted(folder):
                rows = until(lambda: rows_of(kept)[199:] and rows_of(kept), "200 messages")
                name = until(lambda: error_with(made, wrong, "IP address mismatch"), "the wrong name") is not None
            return {
                "error": error.replace(str(port), "PORT"),
                "told": drain["token"] in str(told),
                "before": nothing,
                "numbers": [int(row.rpartition(" ")[2]) for row in rows] == list(range(1, 201)),
                "wrong name": name,
            }


def file() -> Any:
    """A file that an operator moves away, and one that is full."""
    kept = Path("/var/log/hostd/test-of-drains.log")
    with app() as made:
        made.add("file:///test-of-drains.log", "--source", "app")
        made.count(1, 100)
        until(lambda: len(rows_of(kept)) == 100, "100 lines")
        kept.rename(kept.with_suffix(".old"))
        made.count(101, 200)
        until(lambda: len(rows_of(kept)) == 100, "100 lines more")
        found = {
            "form": rows_of(kept)[0].partition(" ")[2],
            "mode": oct(kept.stat().st_mode & 0o777),
            "owner": kept.owner(),
            "numbers": [int(row.rpartition(" ")[2]) for row in [*rows_of(kept.with_suffix(".old")), *rows_of(kept)]]
            == list(range(1, 201)),
        }
        kept.unlink()
        kept.with_suffix(".old").unlink()
        return found


def journal() -> Any:
    """systemd-journal-remote, Debian's."""
    port = free_port()
    with app() as made, beside("journal-remote") as folder:
        certificates(folder)
        output = folder / "kept.journal"
        program = next(path for path in folder.rglob("systemd-journal-remote") if path.is_file() and os.access(path, 1))
        process = subprocess.Popen(
            [str(program), f"--listen-https=127.0.0.1:{port}", f"--key={folder}/key.pem", f"--cert={folder}/cert.pem",
             f"--output={output}", "--split-mode=none"],
            env={"LD_LIBRARY_PATH": f"{folder / LIBRARIES}:/usr/lib/systemd", "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        try:
            until(lambda: listens(port), "journal-remote")
            with trusted(folder):
                made.add(f"journal+https://localhost:{port}", "--source", "app")
                made.count(1, 100)

                def entries() -> list[dict[str, str]]:
                    shown = subprocess.run(
                        ["journalctl", f"--file={output}", "-o", "json"], capture_output=True, text=True, check=False
                    )
                    return [json.loads(row) for row in shown.stdout.splitlines() if row.startswith("{")]

                found = until(lambda: entries()[99:] and entries(), "100 entries")
        finally:
            process.terminate()
            process.wait()
        return {
            "numbers": [int(entry["MESSAGE"].rpartition(" ")[2]) for entry in found] == list(range(1, 101)),
            "app": {entry["HOSTD_APP"] for entry in found} == {made.id},
            "process": sorted({entry["HOSTD_PROCESS"] for entry in found}),
        }


def secrets() -> Any:
    """Whatever becomes of a drain, its secrets are nowhere to be seen."""
    secret = f"s{uuid.uuid4().hex}"
    url = f"http://kate:{secret}@127.0.0.1:{free_port()}/in/{secret}?key={secret}"
    since = f"@{int(time.time()) - 1}"
    with app() as made:
        done = subprocess.run(
            ["hostctl", "drains:add", "-", "--json", "-a", made.name], input=url, capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        drain = json.loads(done.stdout)
        made.count(1, 10)
        until(lambda: made.status(drain)["state"] == "retrying")
        twice = subprocess.run(
            ["hostctl", "drains:add", "-", "-a", made.name], input=url, capture_output=True, text=True, check=False
        )
        bad = subprocess.run(
            ["hostctl", "drains:add", "-", "-a", made.name], input=f"{url} x", capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        kill("hostd-logplex")
        seen = {
            "answers": done.stdout + done.stderr + twice.stdout + twice.stderr + bad.stdout + bad.stderr,
            "lists": hostctl("drains", "-a", made.name) + hostctl("drains", "--json", "-a", made.name),
            "info": hostctl("drains:info", drain["token"], "-a", made.name),
            "log": "\n".join(made.log()),
            "journals": run("journalctl", "--namespace=*", "--since", since, "-o", "export", errors="replace"),
            "processes": run("ps", "axeww", "-o", "args"),
            "units": run("systemctl", "show", "*"),
        }
        readable = [
            str(path)
            for path in itertools.chain(Path("/run/hostd").rglob("*"), Path("/var/lib/hostd-logplex").rglob("*"))
            if path.is_file() and secret in path.read_text(errors="replace")
        ]
        document = Path("/run/hostd/logplex/drains.json").stat()
        ledger = b"".join(path.read_bytes() for path in Path("/var/lib/hostd/master").glob("ledger.db*"))
        return {
            "seen": [name for name, text in seen.items() if secret in text],
            "empty": [name for name, text in seen.items() if not text],
            "status of the bad ones": [twice.returncode, bad.returncode],
            "files": readable,
            "mode": oct(document.st_mode & 0o777),
            "ledger": secret.encode() in ledger,
        }


def refused() -> Any:
    """Addresses inside: by number at once, by name when they are connected to."""
    with app() as made:
        urls = [f"syslog://{host}:514" for host in ("10.0.0.1", "169.254.169.254", "[::1]", "0.0.0.0", "127.9")]
        said = [
            subprocess.run(["hostctl", "drains:add", url, "-a", made.name], capture_output=True, text=True, check=False)
            for url in urls
        ]
        numbers = [" ".join(done.stderr.split()).partition(" is ")[2] for done in said if done.returncode == 1]
        with named("inside.test", "10.0.0.1"):
            drain = made.add("syslog://inside.test:514", "--source", "heroku")
            error = until(lambda: made.status(drain)["last_error"], "an error")
        return [*numbers, error["message"].partition(" is ")[2] + "."]


@contextlib.contextmanager
def named(name: str, address: str) -> Iterator[None]:
    """A name that leads to an address, as long as the block runs."""
    hosts = Path("/etc/hosts")
    before = hosts.read_text()
    hosts.write_text(f"{before}\n{address} {name}\n")
    try:
        yield
    finally:
        hosts.write_text(before)


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
