"""rsyslog's imjournal, which reads an app's journal as if it were the machine's."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from kit import Api

SETTLE_SECONDS = 3.0
# No limit of its own (by default 20,000 lines in ten minutes), and its place written every 1,000 lines, not every 10:
# the logplex writes a drain's once for each batch.
CONFIGURATION = """global(workDirectory="{folder}")
module(load="imjournal" StateFile="{folder}/state" Ratelimit.Interval="0" PersistStateInterval="1000"
  IgnorePreviousMessages="on")
main_queue(queue.type="LinkedList" queue.size="100000" queue.dequeueBatchSize="1024")
*.* action(type="omfwd" target="127.0.0.1" port="{port}" protocol="tcp" TCP_Framing="octet-counted"
  template="RSYSLOG_SyslogProtocol23Format")
"""
# libsystemd watches files by /proc/self/fd: it needs a /proc that knows the process, and is told of nothing otherwise.
SCRIPT = """mount -t proc proc /proc && mount --bind "$1" "$2" && mount --rbind "$3" /var/log/journal && shift 3 &&
exec "$@" """


@contextmanager
def imjournal(api: Api, app_id: str, port: int) -> Iterator[int]:
    """An rsyslogd that sends an app's lines to a port here; its pid. Prints what it said if it ended by itself."""
    machine = api.path("/etc/machine-id").read_text().strip()
    folder = f"/run/hostd-benchmark-{app_id}"
    here = api.path(folder)
    (here / "journal" / machine).mkdir(parents=True)
    (here / "rsyslog.conf").write_text(CONFIGURATION.format(folder=folder, port=port))
    journal = f"/var/log/journal/{machine}.hostd-{app_id}"
    # Where the installation's files are: in the box, or here.
    enter = ["nsenter", f"--target={api.path('/').parent.name}", "--mount", "--"] if api.box else []
    argv = ["rsyslogd", "-n", "-f", f"{folder}/rsyslog.conf", "-i", f"{folder}/pid"]
    words = [journal, f"{folder}/journal/{machine}", f"{folder}/journal", *argv]
    with (here / "said").open("wb") as said:
        process = subprocess.Popen(
            [*enter, "unshare", "--mount", "sh", "-c", SCRIPT, "sh", *words], stdout=said, stderr=said
        )
    try:
        time.sleep(SETTLE_SECONDS)
        yield process.pid
    finally:
        if (status := process.poll()) is not None:
            text = (here / "said").read_text(errors="replace").strip()
            print(f"rsyslog ended by itself with status {status}: {text or 'it said nothing'}", flush=True)
        process.terminate()
        process.wait()
        shutil.rmtree(here)
