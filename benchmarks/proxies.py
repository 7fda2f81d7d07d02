"""The proxies that `router.py` compares, each as one worker on a core of its own with an access log in a file, and the
server behind them: nginx 1.22, which answers faster than any of them can ask.

nginx and HAProxy are set to do what the router does for a dyno: keep connections on both sides, stream bodies both
ways, add the same headers, and speak TLS 1.3, which nginx 1.22 does not by itself.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from hostd.install.compiling import compiled_tree
from router.store import save
from router.table import App, Dyno, State, Table

PROJECT = Path(__file__).parents[1]
HOST = "127.0.0.1"
CONNECTIONS = 12_000
_APPS = 1000
FILES = 16_000
STARTS_SECONDS = 30

_NGINX = """
worker_processes 1; worker_rlimit_nofile {files}; daemon off; pid {folder}/{name}.pid; error_log {folder}/{name}.err;
events {{ worker_connections {connections}; }}
http {{
  access_log {log}; keepalive_requests 1000000000; client_max_body_size 0; server_names_hash_max_size 65536;
  client_body_temp_path {folder}/{name}-b; proxy_temp_path {folder}/{name}-p; fastcgi_temp_path {folder}/{name}-f;
  uwsgi_temp_path {folder}/{name}-u; scgi_temp_path {folder}/{name}-s;
  {body}
}}
"""
_BACKEND = """
  server {{ listen {host}:{port} backlog=4096; root {folder}/files; sendfile on;
    location / {{ return 200 "hello world\\n"; }} location /files/ {{ alias {folder}/files/; }} }}
"""
_PROXY = """
  upstream dyno {{ server {host}:{backend}; keepalive 128; keepalive_requests 1000000000; }}
  upstream echo {{ server {host}:{echo}; }}
  upstream sink {{ server {host}:{sink}; }}
  server {{ listen {host}:{port} backlog=4096; listen {host}:{tls} ssl http2 backlog=4096; server_name {names};
    ssl_certificate {folder}/tls/cert.pem; ssl_certificate_key {folder}/tls/key.pem; ssl_session_cache shared:s:10m;
    ssl_protocols TLSv1.2 TLSv1.3;
    proxy_http_version 1.1; proxy_set_header Host $host; proxy_set_header X-Request-ID $request_id;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Port $server_port; proxy_set_header X-Request-Start $msec;
    proxy_set_header Via "1.1 nginx"; proxy_request_buffering off; proxy_max_temp_file_size 0;
    location / {{ proxy_pass http://dyno; proxy_set_header Connection ""; }}
    location /echo {{ proxy_pass http://echo;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }}
    location /sink {{ proxy_pass http://sink; proxy_set_header Connection ""; }}
  }}
"""
_HAPROXY = """
global
  nbthread 1
  maxconn {connections}
  no strict-limits
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  option forwardfor
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend all
  bind {host}:{port} backlog 4096
  bind {host}:{tls} ssl crt {folder}/tls/both.pem alpn h2,http/1.1 backlog 4096
  http-request set-header X-Request-ID %[uuid]
  http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
  http-request set-header X-Forwarded-Port %[dst_port]
  http-request set-header X-Request-Start %[date(0,ms)]
  http-request set-header Via "1.1 haproxy"
  use_backend %[req.hdr(host),field(1,:),lower,map({folder}/haproxy.map,none)]
backend dyno
  http-reuse always
  use-server echo if {{ path /echo }}
  use-server sink if {{ path /sink }}
  server dyno {host}:{backend}
  server echo {host}:{echo} weight 0
  server sink {host}:{sink} weight 0
backend none
  http-request return status 404
"""
_ROUTER = """
import os, socket, sys
made = [socket.create_server(("127.0.0.1", int(port)), backlog=4096) for port in sys.argv[1:3]]
high = [os.dup(os.dup(os.dup(one.fileno()))) for one in made]
for number, one in enumerate(high, 3):
    os.dup2(one, number)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "http:https"}
from router.worker import main
sys.exit(main(sys.argv[3:]))
"""


@dataclass(frozen=True)
class Proxy:
    """One of those compared: the process that serves, and where it listens for http and https."""

    name: str
    pid: int
    port: int
    tls: int


@dataclass(frozen=True)
class Setting:
    """What all of them are given: a folder, the ports of the server behind and of an echo of WebSockets, a core, names,
    and the port of a sink that takes uploads (by default one where nobody listens)."""

    folder: Path
    backend: int
    echo: int
    core: int
    names: Sequence[str]
    sink: int = 9


@contextmanager
def nginx(setting: Setting) -> Iterator[Proxy]:
    """nginx as a proxy."""
    port, tls = free_port(), free_port()
    body = _PROXY.format(
        host=HOST, port=port, tls=tls, backend=setting.backend, echo=setting.echo, sink=setting.sink,
        folder=setting.folder, names=" ".join(setting.names),
    )  # fmt: skip
    with _nginx(setting.folder, "proxy", body, port, setting.core, f"{setting.folder}/nginx.log") as pid:
        yield Proxy("nginx", pid, port, tls)


@contextmanager
def haproxy(setting: Setting) -> Iterator[Proxy]:
    """HAProxy."""
    port, tls = free_port(), free_port()
    known = [*setting.names, "echo.localhost", "sink.localhost", HOST]
    (setting.folder / "haproxy.map").write_text("".join(f"{name} dyno\n" for name in known))
    path = setting.folder / "haproxy.cfg"
    path.write_text(
        _HAPROXY.format(
            host=HOST, port=port, tls=tls, backend=setting.backend, echo=setting.echo, sink=setting.sink,
            folder=setting.folder, connections=CONNECTIONS,
        )
    )  # fmt: skip
    argv = ["taskset", "-c", str(setting.core), "haproxy", "-db", "-f", str(path)]
    with (setting.folder / "haproxy.log").open("wb") as log, running(argv, port, stdout=log, stderr=log) as pid:
        yield Proxy("HAProxy", pid, port, tls)


@contextmanager
def hostd_router(setting: Setting) -> Iterator[Proxy]:
    """A worker of ours. The echo and the sink are apps of their own: a route is a host."""
    port, tls = free_port(), free_port()
    usual, *others = [(Dyno("web.1", HOST, place),) for place in (setting.backend, setting.echo, setting.sink)]
    apps = [
        App(f"app-{number}", f"app-{number}", hosts(setting.names[number::_APPS], number), State.UP, usual)
        for number in range(_APPS)
    ]
    apps += [
        App(name, name, (f"{name}.localhost",), State.UP, dynos)
        for name, dynos in zip(("echo", "sink"), others, strict=True)
    ]
    save(setting.folder / "routes.json", Table(1, "localhost", tuple(apps)))
    options = [f"--{name}={setting.folder / path}" for name, path in _PATHS.items()]
    # As it is installed: compiled.
    environment = {**os.environ, "PYTHONPATH": f"{compiled_tree(PROJECT)}:{PROJECT}"}
    argv = ["taskset", "-c", str(setting.core), sys.executable, "-P", "-c", _ROUTER, str(port), str(tls), *options]
    with (setting.folder / "router.log").open("wb") as log, running(argv, port, stderr=log, env=environment) as pid:
        yield Proxy("hostd-router", pid, port, tls)


_PATHS = {"routes": "routes.json", "control": "1.sock", "tls-directory": "tls"}


def hosts(names: Sequence[str], number: int) -> tuple[str, ...]:
    """An app's names; the first app answers to the address too, which is what loads of one name ask for."""
    return (*names, HOST) if number == 0 else tuple(names)


@contextmanager
def backend(folder: Path, core: int) -> Iterator[int]:
    """The server behind: `/` is twelve bytes, `/files/NAME` a file of `folder/files`; yields its port."""
    port = free_port()
    with _nginx(folder, "backend", _BACKEND.format(host=HOST, port=port, folder=folder), port, core, "off"):
        yield port


@contextmanager
def running(argv: Sequence[str], port: int, **options: Any) -> Iterator[int]:
    """A child process that listens on the port when the block begins and is ended with it; yields its pid."""
    process = subprocess.Popen(argv, **{"env": {**os.environ, "PYTHONPATH": str(PROJECT)}, **options})
    try:
        _wait_for(port, process)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def _nginx(folder: Path, name: str, body: str, port: int, core: int, log: str) -> Iterator[int]:
    path = folder / f"{name}.conf"
    path.write_text(
        _NGINX.format(
            folder=folder, name=name, log=log, body=body, connections=CONNECTIONS, files=FILES
        )
    )
    argv = ["taskset", "-c", str(core), "nginx", "-e", str(folder / "start.err"), "-c", str(path)]
    with running(argv, port) as master:
        children = Path(f"/proc/{master}/task/{master}/children")
        # It listens before it has a worker.
        while not children.read_text():
            time.sleep(0.01)
        yield int(children.read_text().split()[0])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + STARTS_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        try:
            raise RuntimeError(f"{process.args!r} ended with status {process.wait(0.02)}")
        except subprocess.TimeoutExpired:
            continue
    raise RuntimeError(f"{process.args!r} does not listen on port {port}")
