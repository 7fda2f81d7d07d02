"""Runs inside the box: units write to a namespace of its own, which is read in two ways. Prints JSON."""

import asyncio
import json
import shutil
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from units.journal import Entry, Reader, Writer
from units.journald import Limits, config_text, synchronize
from units.live_journal import LiveJournal
from units.ticking import Ticker

FIELDS = ("HOSTD_APP", "HOSTD_PROCESS", "_TRANSPORT", "_UID", "_CMDLINE")
NAMESPACE = f"hostd-test-{uuid.uuid4().hex[:8]}"
FOLDER = Path("/var/log/journal") / f"{Path('/etc/machine-id').read_text().strip()}.{NAMESPACE}"
CONFIG = Path(f"/etc/systemd/journald@{NAMESPACE}.conf")


def believed(fields: Any) -> bool:
    return fields.get("_TRANSPORT") != "journal" or fields.get("_UID") == "0"


def run(*argv: str) -> None:
    subprocess.run(argv, check=True)


def unit(script: str, *options: str) -> None:
    run("systemd-run", "--quiet", "--wait", "--collect", f"--property=LogNamespace={NAMESPACE}",
        "--property=LogExtraFields=HOSTD_APP=one", "--property=LogExtraFields=HOSTD_PROCESS=web.1", *options,
        "bash", "-c", script)  # fmt: skip


def written() -> None:
    asyncio.run(synchronize(NAMESPACE))


def by_libsystemd(namespace: str) -> list[Entry]:
    reader = Reader(namespace, fields=FIELDS, believed=believed)
    reader.seek_head()
    found: list[Entry] = []
    while entries := reader.read():
        found += entries
    return found


def live(namespace: str = NAMESPACE) -> LiveJournal:
    return LiveJournal(namespace, fields=FIELDS, believed=believed, ticker=Ticker())


def rest(journal: LiveJournal) -> list[Entry]:
    found: list[Entry] = []
    while entries := journal.read():
        found += entries
    return found


def plain(entry: Entry) -> Any:
    return entry.cursor, entry.realtime_us, repr(entry.message), dict(entry.fields)


def compared(namespace: str) -> tuple[list[Entry], list[Any]]:
    journal = live(namespace)
    journal.seek_head()
    ours = rest(journal)
    theirs = by_libsystemd(namespace)[: len(ours)]
    different = [
        (plain(one), plain(other)) for one, other in zip(ours, theirs, strict=True) if plain(one) != plain(other)
    ]
    return ours, different[:3]


def filled() -> None:
    unit("seq -f 'line %g' 3000")
    unit("for i in $(seq 50); do echo the same; echo another; done; printf 'caf\\xe9 \\001 no line end'")
    unit("head -c 100000 /dev/zero | tr '\\0' x; echo", f"--setenv=LONG={'y' * 100}")
    unit("head -c 5000 /dev/zero | tr '\\0' z; echo", "--property=LogExtraFields=OTHER=1")
    with_long_command_line()
    Writer(NAMESPACE).send("true", HOSTD_APP="one", HOSTD_PROCESS="router", MORE="x")
    forge = f"from units.journal import Writer; Writer({NAMESPACE!r}).send('a lie', HOSTD_APP='one')"
    run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c", forge)
    written()


def with_long_command_line() -> None:
    """journald looks at a process when it likes to: this one writes until its command line was seen."""
    name = f"test-of-journals-{uuid.uuid4().hex[:8]}"
    run("systemd-run", "--quiet", "--collect", f"--unit={name}", f"--property=LogNamespace={NAMESPACE}", "bash", "-c",
        "while echo with a long command line; do sleep 0.2; done", "w" * 4000)  # fmt: skip
    deadline = time.monotonic() + 60
    while not any(has_long_command_line(entry) for entry in by_libsystemd(NAMESPACE)):
        assert time.monotonic() < deadline, "journald never saw the command line"
        written()
    run("systemctl", "stop", name)


def has_long_command_line(entry: Entry) -> bool:
    return "w" * 4000 in entry.fields.get("_CMDLINE", "")


def same() -> Any:
    filled()
    entries, different = compared(NAMESPACE)
    texts = [entry.message for entry in entries]
    kinds = {
        "repeated": texts.count(b"the same") == 50,
        "not text": any(b"\xe9" in text for text in texts),
        "long": sum(len(text) for text in texts if text.startswith(b"xxx")) == 100_000,
        "compressed": b"z" * 5000 in texts and any(map(has_long_command_line, entries)),
        "native": any(entry.fields.get("HOSTD_PROCESS") == "router" for entry in entries),
        "forged": any(entry.fields.get("_UID") == "65534" and not entry.message for entry in entries),
    }
    return {
        "entries": len(entries),
        "different": different,
        "kinds": sorted(name for name, is_there in kinds.items() if is_there),
    }


def places() -> Any:
    filled()
    run("journalctl", f"--namespace={NAMESPACE}", "--rotate")
    unit("seq -f 'more %g' 500")
    written()
    entries = by_libsystemd(NAMESPACE)
    chosen = range(0, len(entries), max(1, len(entries) // 40))
    journal, cursors, times = live(), True, True
    for place in chosen:
        cursors &= journal.seek_after(entries[place].cursor)
        cursors &= [plain(entry) for entry in journal.read(3)] == [
            plain(entry) for entry in entries[place + 1 : place + 4]
        ]
        journal.seek_realtime(entries[place].realtime_us)
        times &= journal.read(1)[0].realtime_us == entries[place].realtime_us
    last = [plain(entry) for entry in journal.last(700)] == [plain(entry) for entry in entries[-700:]]
    return {"cursors": cursors, "times": times, "last": last}


def killed() -> Any:
    """50,000 lines while journald begins new files and is killed."""
    unit("echo first")
    journal = live()
    journal.last()
    script = "for i in $(seq 50000); do echo line $i; done"
    writing = subprocess.Popen(
        ["systemd-run", "--quiet", "--wait", "--collect", f"--property=LogNamespace={NAMESPACE}", "bash", "-c", script]
    )
    found: list[Entry] = []
    acts = [("journalctl", f"--namespace={NAMESPACE}", "--rotate")] * 3
    acts.append(("systemctl", "kill", "--signal=KILL", f"systemd-journald@{NAMESPACE}"))
    while writing.poll() is None:
        found += journal.read()
        if acts and len(found) > (5 - len(acts)) * 8000:
            subprocess.run(acts.pop(0), check=False)
    written()
    found += rest(journal)
    ours = [entry.cursor for entry in found if entry.message.startswith(b"line ")]
    # What journald had read and not written yet when it was killed is in no file.
    kept = [entry.cursor for entry in by_libsystemd(NAMESPACE) if entry.message.startswith(b"line ")]
    return {
        "in order, once": ours == kept,
        "nearly all": len(ours) > 45_000,
        "files": len(list(FOLDER.glob("*.journal*"))) > 4,
        "missed": journal.take_missed(),
    }


def platform() -> Any:
    return compared("hostd")[1]


def main(name: str) -> None:
    CONFIG.write_text(config_text(Limits(64), "a test"))
    try:
        print(json.dumps(globals()[name]()))
    finally:
        stopped = [f"systemd-journald@{NAMESPACE}.{kind}" for kind in ("socket", "service")]
        subprocess.run(["systemctl", "stop", *stopped, f"systemd-journald-varlink@{NAMESPACE}.socket"], check=False)
        CONFIG.unlink()
        shutil.rmtree(FOLDER, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
