"""Runs inside the box: real receivers for the real logplex. `python -c <this> <scenario> ...` prints JSON."""

import base64
import http.server
import itertools
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE = 60.0
SETTINGS = Path("/etc/hostd/hostd.toml")
PACKAGES = {
    "rsyslog": ("rsyslog", "rsyslog-gnutls", "libestr0", "libfastjson4", "liblognorm5"),
    "journal-remote": ("systemd-journal-remote", "libmicrohttpd12"),
}
LIBRARIES = "usr/lib/x86_64-linux-gnu"

# Takes what drains send, writes each message and the frame it came in to a file, and only then answers.
RECEIVER = r"""
import http.server, json, socket, socketserver, sys
kind, port, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
kept = open(path, "a", buffering=1)

def messages(data):
    while data:
        length, _, rest = data.partition(b" ")
        yield rest[:int(length)].decode()
        data = rest[int(length):]

class Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kept.write(json.dumps([self.headers["Logplex-Frame-Id"], list(messages(body))]) + "\n")
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass

class Syslog(socketserver.StreamRequestHandler):
    def handle(self):
        while True:
            digits = b""
            while (byte := self.rfile.read(1)) not in (b" ", b""):
                digits += byte
            if not digits:
                return
            kept.write(json.dumps(["", [self.rfile.read(int(digits)).decode()]]) + "\n")

class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

Server(("127.0.0.1", port), Web if kind == "http" else Syslog).serve_forever()
"""


def run(*argv: str, **more: Any) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, **more)
    assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done.stdout


def hostctl(*words: str) -> str:
    return run("hostctl", *words)


def until(condition: Callable[[], Any], what: str = "", seconds: float = PATIENCE) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"it never came to that: {what}"
        threading.Event().wait(0.05)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class App:
    """An app, and what it writes."""

    def __init__(self) -> None:
        self.name = f"t-{uuid.uuid4().hex[:10]}"
        hostctl("apps:create", self.name, "--no-remote")
        self.id = json.loads(hostctl("apps:info", "--json", "-a", self.name))["app"]["id"]

    def write(self, script: str, *, wait: bool = True, process: str = "web.1") -> None:
        """Run a script as a unit whose output goes where a dyno's goes."""
        fields = {"HOSTD_APP": self.id, "HOSTD_SOURCE": "app", "HOSTD_PROCESS": process}
        options = [f"--property=LogExtraFields={name}={value}" for name, value in fields.items()]
        run(
            "systemd-run", "--quiet", "--collect", f"--unit=test-drains-{uuid.uuid4()}", *options,
            f"--property=LogNamespace=hostd-{self.id}", "--property=User=nobody", *(["--wait"] if wait else []),
            sys.executable, "-c", script,
        )  # fmt: skip

    def count(self, first: int, last: int, pause: float = 0.0, wait: bool = True) -> None:
        """Write numbered lines, with a pause after each hundred."""
        self.write(
            "import time\n"
            f"for number in range({first}, {last + 1}):\n"
            "    print('line', number, flush=number % 100 == 0)\n"
            f"    number % 100 or time.sleep({pause})",
            wait=wait,
        )

    def add(self, url: str, *words: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(hostctl("drains:add", url, "--json", "-a", self.name, *words))
        return found

    def status(self, drain: dict[str, Any]) -> dict[str, Any]:
        shown = json.loads(hostctl("drains:info", drain["token"], "--json", "-a", self.name))
        found: dict[str, Any] = shown["extended"]["status"]
        return found

    def log(self, *words: str) -> list[str]:
        return hostctl("logs", "-n", "1500", "-a", self.name, *words).splitlines()

    def destroy(self) -> None:
        hostctl("apps:destroy", "-a", self.name, "--confirm", self.name)


@contextmanager
def app() -> Iterator[App]:
    made = App()
    try:
        yield made
    finally:
        made.destroy()


class Receiver:
    """A receiver in a process of its own."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self.port, self.file = kind, free_port(), folder / f"{uuid.uuid4()}.json"
        self.file.touch()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        argv = [sys.executable, "-c", RECEIVER, self.kind, str(self.port), str(self.file)]
        self.process = subprocess.Popen(argv)
        until(lambda: listens(self.port), "the receiver")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    @property
    def url(self) -> str:
        return f"{'http' if self.kind == 'http' else 'syslog'}://127.0.0.1:{self.port}"

    def frames(self) -> list[tuple[str, list[str]]]:
        # The last line may be half written, by a receiver that was killed: it was not answered then.
        whole = self.file.read_text().rpartition("\n")[0].splitlines()
        return [(frame, texts) for frame, texts in map(json.loads, filter(lambda row: row.endswith("]"), whole))]

    def texts(self) -> list[str]:
        return [text.rstrip("\n") for _, texts in self.frames() for text in texts]

    def numbers(self) -> list[int]:
        return [int(text.rpartition(" ")[2]) for text in self.texts() if " app web.1 " in text]

    def dropped(self) -> int:
        return sum(int(text.split("dropped ")[1].split()[0]) for text in self.texts() if "Error L10" in text)


@contextmanager
def receiver(kind: str) -> Iterator[Receiver]:
    with tempfile.TemporaryDirectory() as folder:
        made = Receiver(kind, Path(folder))
        made.start()
        try:
            yield made
        finally:
            made.kill()


class Scripted:
    """An HTTP endpoint that meets each request as a script says; when that is at its end it takes everything."""

    def __init__(self, *script: Any, delay: float = 0.0, certificate: Path | None = None) -> None:
        self.requests: list[tuple[dict[str, str], list[str]]] = []
        self.taken: list[str] = []
        steps = iter(script)
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                texts = []
                while body:
                    length, _, rest = body.partition(b" ")
                    texts.append(rest[: int(length)].decode().rstrip("\n"))
                    body = rest[int(length) :]
                outer.requests.append((dict(self.headers), texts))
                threading.Event().wait(delay)
                step = next(steps, 200)
                if step == "garbage":
                    self.wfile.write(b"\x16\x03 this is not HTTP\r\n\r\n")
                    self.close_connection = True
                elif step == "hang up":
                    self.close_connection = True
                elif step == "half an answer":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Le")
                    self.close_connection = True
                else:
                    status, headers = step if isinstance(step, tuple) else (step, {})
                    if 200 <= status < 300:
                        outer.taken += texts
                    self.send_response(status)
                    for name, value in ({"Content-Length": "0"} | headers).items():
                        self.send_header(name, value)
                    self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if certificate is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def numbers(self) -> list[int]:
        return [int(text.rpartition(" ")[2]) for text in self.taken if " app web.1 " in text]


def main_pid(unit: str) -> int:
    return int(run("systemctl", "show", "--value", "--property=MainPID", unit))


def kill(unit: str) -> None:
    """kill -9 a service, and wait for the next one."""
    old = main_pid(unit)
    os.kill(old, signal.SIGKILL)
    until(lambda: main_pid(unit) not in (0, old), unit)


def account(numbers: list[int], last: int) -> dict[str, Any]:
    """What became of lines 1 to `last`: whether all came, in order but for repeats, and how many came twice."""
    first_times = list(dict.fromkeys(numbers))
    return {
        "missing": last - len(set(numbers)),
        "in order": first_times == sorted(first_times),
        "twice": len(numbers) - len(first_times),
    }


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


def killed(kind: str) -> Any:
    """kill -9 of the logplex, hostd and the receiver while lines are written."""
    last = 30_000
    with app() as made, receiver(kind) as sink:
        made.add(sink.url, "--source", "app")
        made.count(1, last, pause=0.05, wait=False)
        for victim, at in (("hostd-logplex", 3000), ("sink", 7000), ("hostd", 10_000), ("hostd-logplex", 13_000)):
            until(lambda at=at: max(sink.numbers(), default=0) > at, f"{at} lines")
            if victim == "sink":
                sink.kill()
                sink.start()
            else:
                kill(victim)
        until(lambda: max(sink.numbers(), default=0) == last, "the last line")
        found = account(sink.numbers(), last)
        return found | {"dropped": sink.dropped()}


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


@contextmanager
def beside(what: str) -> Iterator[Path]:
    """Debian's packages, unpacked and not installed."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        run("apt-get", "-qq", "download", *PACKAGES[what], cwd=folder)
        for package in Path(folder).glob("*.deb"):
            run("dpkg", "-x", str(package), folder)
        yield Path(folder)


def certificates(folder: Path) -> None:
    """An authority, and a certificate of its for `localhost`."""
    ca = ("-x509", "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=Test of drains", "-days", "2")
    new = ("req", "-newkey", "rsa:2048", "-nodes")
    run("openssl", *new, *ca, cwd=folder)
    run("openssl", *new, "-keyout", "key.pem", "-out", "own.csr", "-subj", "/CN=localhost", cwd=folder)
    (folder / "names").write_text("subjectAltName=DNS:localhost\n")
    sign = ("x509", "-req", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
    run("openssl", *sign, "-in", "own.csr", "-out", "cert.pem", cwd=folder)


@contextmanager
def trusted(folder: Path) -> Iterator[None]:
    """The authority is one of the system's."""
    place = Path("/usr/local/share/ca-certificates/test-of-drains.crt")
    place.write_text((folder / "ca.crt").read_text())
    run("update-ca-certificates")
    try:
        yield
    finally:
        place.unlink()
        run("update-ca-certificates", "--fresh")


@contextmanager
def rsyslog(folder: Path, port: int, tls: bool) -> Iterator[Path]:
    """Debian's rsyslogd; the file it writes what it got to."""
    modules = folder / LIBRARIES / "rsyslog"
    secure = (
        f'global(DefaultNetstreamDriver="gtls" DefaultNetstreamDriverCAFile="{folder}/ca.crt" '
        f'DefaultNetstreamDriverCertFile="{folder}/cert.pem" DefaultNetstreamDriverKeyFile="{folder}/key.pem")\n'
        'module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")\n'
        if tls
        else 'module(load="imtcp")\n'
    )
    kept = folder / "kept.log"
    (folder / "rsyslog.conf").write_text(
        f'global(workDirectory="{folder}" maxMessageSize="64k")\n{secure}'
        'template(name="all" type="string" string="%pri% %timereported:::date-rfc3339% %hostname% %app-name% %procid% '
        '%msgid% %structured-data% %msg%\\n")\n'
        f'input(type="imtcp" port="{port}" address="127.0.0.1")\n'
        f'action(type="omfile" file="{kept}" template="all")\n'
    )
    process = subprocess.Popen(
        [str(folder / "usr/sbin/rsyslogd"), "-n", "-f", "rsyslog.conf", "-i", str(folder / "pid"), "-M", str(modules)],
        cwd=folder,
        env={"LD_LIBRARY_PATH": str(folder / LIBRARIES), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: listens(port), "rsyslog")
        yield kept
    finally:
        process.terminate()
        process.wait()


def _rows(kept: Path) -> list[str]:
    return kept.read_text().splitlines() if kept.exists() else []


def syslog() -> Any:
    port = free_port()
    with app() as made, beside("rsyslog") as folder, rsyslog(folder, port, tls=False) as kept:
        drain = made.add(f"syslog://127.0.0.1:{port}", "--process", "web")
        made.write("print('caf\\u00e9 \\u65e5\\u672c'); print('x' * 20000)")
        made.count(1, 2000)
        rows = until(lambda: _rows(kept)[2002:] and _rows(kept), "2,003 messages")
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
            error = until(lambda: made.status(drain)["last_error"], "an error")["message"]
            told = until(lambda: [row for row in made.log("-s", "heroku") if "Error L14" in row], "an L14")
            nothing = _rows(kept)
            with trusted(folder):
                rows = until(lambda: _rows(kept)[199:] and _rows(kept), "200 messages")
                name = until(
                    lambda: "IP address mismatch" in made.status(wrong)["last_error"]["message"], "the wrong name"
                )
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
        until(lambda: len(_rows(kept)) == 100, "100 lines")
        kept.rename(kept.with_suffix(".old"))
        made.count(101, 200)
        until(lambda: len(_rows(kept)) == 100, "100 lines more")
        found = {
            "form": _rows(kept)[0].partition(" ")[2],
            "mode": oct(kept.stat().st_mode & 0o777),
            "owner": kept.owner(),
            "numbers": [int(row.rpartition(" ")[2]) for row in [*_rows(kept.with_suffix(".old")), *_rows(kept)]]
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
    """Addresses inside, by number and by name."""
    with app() as made:
        drains = [
            made.add(f"syslog://{host}:514", "--source", "heroku")
            for host in ("10.0.0.1", "169.254.169.254", "[::1]", "0.0.0.0")
        ]
        return [
            until(lambda drain=drain: made.status(drain)["last_error"], "an error")["message"].partition(" is ")[2]
            for drain in drains
        ]


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
