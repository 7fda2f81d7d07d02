"""Inside the box: apps that write, and real receivers of what drains send."""

import http.server
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


def rows_of(kept: Path) -> list[str]:
    return kept.read_text().splitlines() if kept.exists() else []


def error_with(made: App, drain: dict[str, Any], words: str) -> str | None:
    """The last error of a drain if it has these words in it."""
    message: str = (made.status(drain)["last_error"] or {"message": ""})["message"]
    return message if words in message else None
