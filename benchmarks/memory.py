"""What hostd itself needs when nothing happens: `python3 benchmarks/memory.py`.

The proportional set size (PSS, proc(5)) of every process in hostd-platform.slice: memory that processes share
is counted once. The namespace's journald is shown beside it.
"""

from __future__ import annotations

import json

from kit import inside

_SCRIPT = """
import json, pathlib, subprocess
names = ["hostd*", "systemd-journald@hostd*"]
units = subprocess.run(
    ["systemctl", "list-units", "--type=service", "--state=running", "--output=json", *names],
    check=True, capture_output=True, text=True).stdout
figures = {}
for unit in json.loads(units):
    show = ["systemctl", "show", "--property=Slice,ControlGroup", unit["unit"]]
    shown = subprocess.run(show, check=True, capture_output=True, text=True).stdout
    values = dict(line.split("=", 1) for line in shown.split("\\n") if "=" in line)
    if values["Slice"] not in ("hostd-platform.slice", "system-systemd\\\\x2djournald.slice"):
        continue
    kib = 0
    for tree in ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup"):
        procs = pathlib.Path(tree + values["ControlGroup"], "cgroup.procs")
        for pid in procs.read_text().split() if procs.exists() else ():
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                kib += int(line.split()[1]) if line.startswith("Pss:") else 0
    figures[unit["unit"]] = kib
print(json.dumps(figures))
"""


def main() -> None:
    figures = json.loads(inside(["/usr/bin/python3", "-"], _SCRIPT))
    journal = {unit: kib for unit, kib in figures.items() if unit.startswith("systemd-journald")}
    ours = {unit: kib for unit, kib in figures.items() if unit not in journal}
    whole = ("all of hostd (goal: under 150 MB)", sum(ours.values()))
    for unit, kib in [*sorted(ours.items()), whole, *journal.items()]:
        print(f"{unit:<44} {kib / 1024:7.1f} MiB PSS")


if __name__ == "__main__":
    main()
