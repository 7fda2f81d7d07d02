"""What dynos that do nothing cost: memory beyond their programs' own, and the processor's time of those who keep them.

Two readings are taken, without the dynos and with them, of the proportional set size of the platform's processes, of
the kernel's own memory, and of what the dynos' first processes have. The kernel's is read twice: as it is charged to
the control groups of hostd.slice (a network namespace is charged to hostd, which makes it), and as it grew on the whole
machine, which counts what is charged to nobody, but also whatever else the machine does meanwhile. A program's own is
what the same programs take as plain processes: their anonymous memory, and the kernel's for a process.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from kit import inside

MIB = 1 << 20

_READ = """
import json, os, pathlib, subprocess, time

def show(*names):
    argv = ["systemctl", "show", "--property=Id,MainPID,ControlGroup,ExecMainStartTimestampMonotonic", *names]
    text = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in text.split("\\n\\n") if block]
    return {block["Id"]: block for block in blocks}

def rollup(pid, name):
    try:
        lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(name + ":"))

def ticks(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

def charged(group):
    old = pathlib.Path(f"/sys/fs/cgroup/memory{group}/memory.kmem.usage_in_bytes")
    if old.exists():
        return int(old.read_text())
    stat = pathlib.Path(f"/sys/fs/cgroup{group}/memory.stat").read_text()
    return int(dict(line.split() for line in stat.splitlines())["kernel"])

ours = show("hostd.service", "hostd-networks.service", "hostd-logplex.service", "systemd-journald@hostd*.service",
            "hostd-router@*.service")
pids = {"systemd (PID 1)": 1, **{name: int(unit["MainPID"]) for name, unit in ours.items()}}
dynos = {name: unit for name, unit in show("hostd-*.*-v*.service").items() if int(unit["MainPID"])}
slices = show("hostd.slice", "hostd-apps.slice")
meminfo = dict(line.split(":") for line in pathlib.Path("/proc/meminfo").read_text().splitlines())
kernels = ("SUnreclaim", "Percpu", "VmallocUsed", "PageTables")
print(json.dumps({
    "at": time.monotonic(),
    "cpu": {name: ticks(pid) for name, pid in pids.items() if pid},
    "pss": {name: rollup(pid, "Pss") for name, pid in pids.items() if pid},
    "dynos": {name: [int(unit["MainPID"]), int(unit["ExecMainStartTimestampMonotonic"])]
              for name, unit in dynos.items()},
    "programs": sum(rollup(int(unit["MainPID"]), "Pss_Anon") for unit in dynos.values()),
    "charged": {name: charged(unit["ControlGroup"]) for name, unit in slices.items()},
    "kernel": sum(int(meminfo[name].split()[0]) << 10 for name in kernels),
}))
"""

_BARE = """
import json, pathlib, subprocess, tempfile, time

def kernel():
    fields = dict(line.split(":") for line in pathlib.Path("/proc/meminfo").read_text().splitlines())
    names = ("SUnreclaim", "Percpu", "VmallocUsed", "PageTables")
    return sum(int(fields[name].split()[0]) << 10 for name in names)

def anonymous(pid):
    lines = pathlib.Path(f"/proc/{{pid}}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss_Anon:"))

with tempfile.TemporaryDirectory() as folder:
    pathlib.Path(folder, "server.pl").write_text({server!r})
    before, programs = kernel(), []
    for argv, count in ((["perl", "server.pl", "bare"], {web}), (["sleep", "infinity"], {workers})):
        programs += [subprocess.Popen(argv, cwd=folder, env={{"PATH": "/usr/bin", "PORT": "0"}}) for _ in range(count)]
    time.sleep(2)
    figures = {{"kernel": kernel() - before, "anonymous": sum(anonymous(program.pid) for program in programs)}}
    for program in programs:
        program.kill()
        program.wait()
print(json.dumps(figures))
"""


@dataclass(frozen=True)
class Reading:
    """What was read at one moment; times in seconds, sizes in bytes."""

    at: float
    cpu: dict[str, float]
    pss: dict[str, int]
    dynos: dict[str, tuple[int, int]]
    """Of each unit its first process, and when that was started, in microseconds."""
    programs: int
    charged: dict[str, int]
    kernel: int


def read() -> Reading:
    """Look at the installation now."""
    return Reading(**json.loads(inside(["/usr/bin/python3", "-"], _READ)))


def bare(server: str, web: int, workers: int) -> dict[str, int]:
    """What the programs of so many dynos take as plain processes."""
    script = _BARE.format(server=server, web=web, workers=workers)
    found: dict[str, int] = json.loads(inside(["/usr/bin/python3", "-"], script))
    return found


def memory(empty: Reading, full: Reading, own: dict[str, int]) -> None:
    """Print what a dyno costs beyond its program's own."""
    count = len(full.dynos)
    parts = {name: full.pss[name] - empty.pss.get(name, 0) for name in full.pss}
    own_kernel = own["kernel"]
    slices = {name: full.charged[name] - empty.charged[name] for name in full.charged}
    dyno, platform = slices["hostd-apps.slice"], slices["hostd.slice"] - slices["hostd-apps.slice"]
    machine = full.kernel - empty.kernel
    print(f"memory of each of {count} dynos, in MiB:")
    _line("its program: anonymous memory", full.programs / count)
    _line("  the same as a plain process", own["anonymous"] / count)
    _line("kernel, as a plain process", own_kernel / count)
    _line("kernel, charged to its control group", dyno / count)
    _line("kernel, charged to hostd (its network, ...)", platform / count)
    _line("kernel, by what the machine's grew", machine / count)
    for name, size in parts.items():
        _line(f"{name}, PSS", size / count)
    shares = sum(parts.values()) + full.programs - own["anonymous"]
    _line("beyond the program's own, as charged", (shares + dyno + platform - own_kernel) / count, "under 1.5")
    _line("beyond the program's own, by the machine", (shares + machine - own_kernel) / count, "under 1.5")


def processor(first: Reading, last: Reading) -> None:
    """Print the share of one processor that each of the platform's processes took."""
    seconds = last.at - first.at
    print(f"of one processor, with {len(last.dynos)} idle dynos, over {seconds:.0f} s:")
    for name, used in last.cpu.items():
        goal = "under 1 %" if name == "hostd.service" else ""
        print(f"  {name:<50} {100 * (used - first.cpu[name]) / seconds:8.2f} %   {goal}")


def idle(seconds: float) -> tuple[Reading, Reading]:
    """Two readings, so many seconds apart."""
    first = read()
    time.sleep(seconds)
    return first, read()


def _line(name: str, size: float, goal: str = "") -> None:
    print(f"  {name:<50} {size / MIB:8.2f}   {goal}")
