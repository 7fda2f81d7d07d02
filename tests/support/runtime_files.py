"""What the processes of an app have mapped: the proof that a slug brings its runtime with it."""

from __future__ import annotations

from tests.support.platform import Platform

_SCRIPT = """
import json, pathlib, sys
from buildpacks.lib import debs, relocate

names = debs.names(debs.base(pathlib.Path("/var/lib/dpkg/status").read_text()))
info = pathlib.Path("/var/lib/dpkg/info")
lists = [list for name in names for list in [info / f"{name}.list", *info.glob(f"{name}:*.list")] if list.exists()]
base = {str(pathlib.Path(relocate.merged(line)).resolve()) for list in lists for line in list.read_text().splitlines()}
mapped = {}
for folder in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        if f"/hostd-{sys.argv[1]}-" not in folder.joinpath("cgroup").read_text():
            continue
        lines = folder.joinpath("maps").read_text().splitlines()
        name = folder.joinpath("comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        continue
    paths = {line.split(None, 5)[5] for line in lines if line.count("/")}
    files = {path for path in paths if path.startswith("/") and not path.startswith(("/dev/", "/memfd:", "/SYSV"))}
    mapped.setdefault(name, set()).update(files)
print(json.dumps({name: [sorted(files), sorted(files - base)] for name, files in mapped.items()}))
"""


def own_files(platform: Platform, app: str) -> dict[str, list[str]]:
    """The files that the running processes of an app have mapped, by the names of the processes.

    All must come with the slug or with the base that every stack has. Two files of the base are made on the machine,
    so that no package lists them: those of locales and of gconv. What is in /tmp the process itself has made: Java
    maps its figures there.
    """
    found: dict[str, list[list[str]]] = platform.python(_SCRIPT, app)
    assert found, f"no process of {app} runs"
    strange = {file for _, some in found.values() for file in some}
    made = ("/locale-archive", "/gconv-modules.cache")
    assert {file for file in strange if not file.startswith(("/app/", "/tmp/")) and not file.endswith(made)} == set()
    return {name: files for name, (files, _) in found.items()}
