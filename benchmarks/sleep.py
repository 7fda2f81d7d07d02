"""How long the first request to a sleeping app waits: `python3 benchmarks/sleep.py [ROUNDS]`.

Wake: from connecting to the router to the end of the answer. In the same rounds, for comparison: the same program
started bare, from its execution to the end of its first answer, and a request to the app once it is awake.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

from kit import HEADER, App, app, hostctl, row

_SLEEP_SECONDS = 60.0
_POLL_SECONDS = 0.002


def main(rounds: int) -> None:
    print(HEADER)
    with app("hello-python") as made:
        hostctl("deploy", str(made.directory), "-a", made.name)
        made.wait_for("v2")
        hostctl("ps:idle", "--after", "1s", "-a", made.name)
        wakes, bare, awake = [], [], []
        for _ in range(rounds):
            wait_until_asleep(made)
            wakes.append(answered(*made.address))
            awake.append(answered(*made.address))
            bare.append(started(made.directory))
    print(row("hello-python: wake until first answer", wakes, "under 400"))
    print(row("hello-python: the program alone, bare", bare))
    print(row("hello-python: a request when awake", awake))
    print(f"wake : bare = {statistics.median(wakes) / statistics.median(bare):.1f}")


def wait_until_asleep(made: App) -> None:
    deadline = time.monotonic() + _SLEEP_SECONDS
    while {dyno["state"] for dyno in json.loads(hostctl("ps", "--json", "-a", made.name))} != {"idle"}:
        if time.monotonic() > deadline:
            raise SystemExit(f"{made.name} did not fall asleep within {_SLEEP_SECONDS:g} s")
        time.sleep(0.1)


def answered(host: str, port: int) -> float:
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=90)
    connection.request("GET", "/", headers={"Host": host})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    if answer.status != 200:
        raise SystemExit(f"the app answered {answer.status}")
    return time.monotonic() - began


def started(directory: Path) -> float:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    began = time.monotonic()
    program = subprocess.Popen(
        ["python3", "server.py"], cwd=directory, env={**os.environ, "PORT": str(port)}, stdout=subprocess.DEVNULL
    )
    try:
        while True:
            try:
                answered("localhost", port)
            except ConnectionRefusedError:
                time.sleep(_POLL_SECONDS)
            else:
                return time.monotonic() - began
    finally:
        program.kill()
        program.wait()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
