"""More of `logs_scenarios.py`, which stands in front of this: how what is kept is searched, and many tails at once."""
# ruff: noqa: F821 - these names are in front of it
# mypy: disable-error-code="name-defined"


def spans() -> Any:
    """Lines by their time, written a moment apart."""
    dyno("for i in 1 2 3 4 5 6; do echo $i; sleep 0.05; done", process="web.1")
    rows = settled(6)
    at = [int(datetime.fromisoformat(row.partition(" ")[0]).timestamp() * 1e6 + 0.5) for row in rows]
    asked: dict[str, dict[str, Any]] = {
        "since": {"since": at[3], "lines": None},
        "until": {"until": at[1]},
        "between": {"since": at[1], "until": at[4], "lines": None},
        "the last of them": {"since": at[1], "until": at[4], "lines": 2},
        "before all": {"until": at[0] - 1_000_000},
        "after all": {"since": at[5] + 1, "lines": None},
        "not one": {"without": ("web",)},
        "nobody": {"only": ("worker",)},
    }
    return {name: texts(read(**wanted)) for name, wanted in asked.items()}


def searches() -> Any:
    """What is looked for lies far behind what others have written."""
    platform("at=info method=GET request_id=4f1c-77 status=503", "router")
    dyno("printf 'Traceback\\n  here\\nKeyError: 7\\n'", process="worker.1")
    dyno("for i in $(seq 30000); do echo noise $i; done; echo END", process="web.1")
    wait_for("END")
    begun = time.monotonic()
    found = {
        "pattern": texts(read(grep=r"status=5\d\d")),
        "any case": texts(read(grep="keyERROR", ignore_case=True)),
        "request": texts(read(request_id="4f1c-77")),
        "type": texts(read(only=("router",))),
        "all but": texts(read(without=("web",), lines=1)),
    }
    return {"found": found, "seconds": time.monotonic() - begun}


def runaway() -> Any:
    """A pattern that would take for ever, of a log that is read back and of one that is followed."""
    dyno(f"echo {'a' * 60}b")
    settled(1)
    follower = stream(tail=True, lines=0, grep="(a+)+$")
    dyno(f"echo {'a' * 60}c")
    other = texts(settled(2))
    return {
        "kept": texts(read(grep="(a+)+$")),
        "tail": texts([follower.readline().decode().rstrip()]),
        "tail ended": follower.read() == b"",
        "others": other,
    }


def harmless() -> Any:
    """What could harm a terminal, a line of 100 KB, and rows of one entry."""
    dyno(r"printf 'bell\a \033]0;title\007 \033[2J caf\xe9 \u009b31m\n'")
    settled(1)
    dyno("head -c 100000 /dev/zero | tr '\\0' y; echo")
    platform("nul\0 from the platform", "api")
    platform("Traceback:\n  in main\nKeyError", "web.1")
    rows = settled(15)
    return {
        "shown": texts(rows)[0],
        "nul": texts(read(only=("api",))),
        "raw": stream(form=Form.RAW, lines=1, until=None, grep="caf").read().partition(b": ")[2].hex(),
        "pieces": [len(text) for text in texts(rows) if text.startswith("y")],
        "trace": texts(read(grep="in main")),
        "json": [json.loads(row)["message"] for row in read(form=Form.JSON, lines=1)],
        "only its last rows": texts(read(lines=2)),
    }


def vacuumed() -> Any:
    """The journal loses its oldest lines: a tail goes on, and whoever comes back for them is told."""
    follower = stream(tail=True, lines=0)
    dyno("for i in $(seq 500); do echo line $i; done")
    settled(500)
    first = next(event for event in _events_of(stream(EVENTS)) if event[1].endswith("line 1"))
    rows = []
    for text in ("one", "two"):
        subprocess.run(["journalctl", f"--namespace={JOURNAL}", "--rotate", "--quiet"], check=True)
        # journald writes a note of its own into each of these files, in front of the line. It has a number as lines
        # have, and one that is removed before it is read is counted with them.
        dyno(f"echo {text}")
        rows += _rows_until(text, follower)
    subprocess.run(["journalctl", f"--namespace={JOURNAL}", "--vacuum-files=1", "--quiet"], check=True)
    dyno("echo after; echo END")
    rows += _rows_until("END", follower)
    back = texts(stream({"Last-Event-ID": first[0]}).read().decode().splitlines())
    return {
        "tail": texts(rows) == [*(f"line {number}" for number in range(1, 501)), "one", "two", "after", "END"]
        or texts(rows)[495:],
        "told": "Error L11" in back[0] and "dropped some messages" in back[0],
        "then": back[1:],
    }


def _rows_until(text: str, follower: http.client.HTTPResponse) -> list[str]:
    rows: list[str] = []
    while not rows or not rows[-1].endswith(f": {text}"):
        rows.append(follower.readline().decode().rstrip())
    return rows


def many() -> Any:
    """Two hundred readers of one log, one of them asleep; what the process does while nothing is written."""
    readers = [stream(tail=True, lines=0) for _ in range(200)]
    pid = logplex("MainPID")
    before = _cpu(pid)
    idle_for = 2.0
    threading.Event().wait(idle_for)
    idle = (_cpu(pid) - before) / idle_for
    dyno("for i in $(seq 500); do echo line $i; done; echo END", wait=False)
    whole = [f"line {number}" for number in range(1, 501)] + ["END"]
    got = []
    for reader in readers[1:]:
        rows = []
        while not rows or not rows[-1].endswith(": END"):
            rows.append(reader.readline().decode().rstrip())
        got.append(texts(rows) == whole)
    return {"all": got.count(True), "idle": idle, "pss_mb": _pss(pid)}


def hundred() -> Any:
    """A hundred logs, each with a reader of its own: every one gets its own lines, and no other's."""
    apps = [str(uuid.uuid4()) for _ in range(100)]
    pid = logplex("MainPID")
    try:
        for app in apps:
            config_path(namespace(app)).write_text(config_text(Limits(16), "A test's."))
        subprocess.run(["systemctl", "start", *map(target, apps)], check=True)
        writers = {app: Writer(namespace(app)) for app in apps}
        _say_in_all(writers, "begin")
        readers = {app: stream(tail=True, app=app) for app in apps}
        before = _cpu(pid)
        threading.Event().wait(3)
        idle = (_cpu(pid) - before) / 3
        for number in range(5):
            _say_in_all(writers, f"line {number}")
        whole = ["begin of {}", *(f"line {number} of {{}}" for number in range(5))]
        got = [texts([reader.readline().decode().rstrip() for _ in whole]) for reader in readers.values()]
        wrong = [rows for app, rows in zip(apps, got, strict=True) if rows != [row.format(app) for row in whole]]
        return {"wrong": wrong, "idle": idle, "pss_mb": _pss(pid)}
    finally:
        services = [f"systemd-journald@{namespace(app)}.service" for app in apps]
        subprocess.run(["systemctl", "stop", *map(target, apps), *services], check=True)
        subprocess.run(["systemctl", "clean", "--what=runtime", "--what=logs", *services], check=True)
        for app in apps:
            config_path(namespace(app)).unlink()


def delay() -> Any:
    """Milliseconds from a write until a tail has it, at 1,000 lines a second."""
    program = (
        "import time; begun = time.time(); "
        "[(time.sleep(max(0, begun + n / 1000 - time.time())), print(time.time(), flush=True)) for n in range(3000)]"
    )
    follower = stream(tail=True, lines=0)
    dyno(f"python3 -c '{program}'", wait=False)
    late = []
    while len(late) < 3000:
        row = follower.readline().decode()
        late.append((time.time() - float(row.rpartition(" ")[2])) * 1000)
    late.sort()
    return {"median": late[1500], "p99": late[2970]}


def _say_in_all(writers: dict[str, Writer], text: str) -> None:
    for app, writer in writers.items():
        writer.send(f"{text} of {app}", HOSTD_APP=app, HOSTD_SOURCE="heroku", HOSTD_PROCESS="api")


def _events_of(response: http.client.HTTPResponse) -> Iterator[tuple[str, str]]:
    for event in response.read().decode().split("\n\n"):
        fields = [row.partition(": ") for row in event.split("\n")]
        named = {name: value for name, _, value in fields}
        if "id" in named:
            yield named["id"], named["data"]


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _pss(pid: int) -> float:
    rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return int(next(row for row in rows if row.startswith("Pss:")).split()[1]) / 1024
