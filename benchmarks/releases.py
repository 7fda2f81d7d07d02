"""What a release of a large app costs where little changes: `python3 benchmarks/releases.py [RELEASES]`.

An app of 20,000 files and 300 MB, of which each release changes 10. Each release is what a build does with the tree:
unpacked anew into a fresh subvolume as the app's user, measured while what changed is put into a copy of the slug
before it (`slugs.tree_unit`), and frozen; then a dyno's snapshot of it. Timed inside the platform, without git and
buildpacks.
"""

from __future__ import annotations

import json
import statistics
import sys

from kit import HEADER, inside, row

FILES, FILE_BYTES, CHANGED = 20_000, 15_729, 10
MIB = 1 << 20

_SCRIPT = """
import asyncio, io, json, os, random, subprocess, tarfile, time, uuid
from slugs.pool import Pool
from slugs.space import freed
from slugs.stacks import ensure_host_stack
from slugs.tree_unit import TreeUnits
from units.systemd import Systemd
from units.users import ensure_user, remove_user
from hostd.settings import load

UID, RELEASES, FILES, BYTES, CHANGED = 299998, {releases}, {files}, {file_bytes}, {changed}
APP = str(uuid.uuid4())

def unpack(tree, versions):
    # As the app's user: what owns a file may make it share blocks.
    as_app = ["setpriv", f"--reuid={{UID}}", f"--regid={{UID}}", "--clear-groups"]
    with subprocess.Popen([*as_app, "tar", "-x"], cwd=tree, stdin=subprocess.PIPE) as tar:
        with tarfile.open(fileobj=tar.stdin, mode="w|") as archive:
            for number, version in enumerate(versions):
                entry = tarfile.TarInfo(f"folder{{number % 200}}/file{{number}}")
                entry.size = BYTES
                content = random.Random(f"{{number}} {{version}}").randbytes(BYTES)
                archive.addfile(entry, io.BytesIO(content))
        tar.stdin.close()
        assert tar.wait() == 0

async def used(pool):
    pool.empty_trash()
    await freed(pool)
    status = os.statvfs(pool.root)
    return (status.f_blocks - status.f_bfree) * status.f_frsize

async def main():
    systemd = Systemd()
    systemd.attach(asyncio.get_running_loop())
    pool = Pool(load().pool_dir)
    stack, trees = ensure_host_stack(pool), TreeUnits(systemd)
    await ensure_user(UID)
    versions, slugs, rows = [0] * FILES, [], []
    try:
        for release in range(RELEASES + 1):
            for number in random.Random(release).sample(range(FILES), CHANGED):
                versions[number] += 1
            build, slug, before = str(uuid.uuid4()), str(uuid.uuid4()), await used(pool)
            tree = pool.create_build(build, UID)
            pool.borrow_cache(APP, build, UID)
            unpack(tree, versions)
            previous = slugs[-1] if slugs else None
            marks = [time.monotonic()]
            measured = await trees.measure(
                f"hostd-build-{{build}}-tree.service", stack=stack, uid=UID, tree=tree, manifest=pool.manifest(build),
                successor=pool.create_successor(build, previous) if previous else None,
                known=pool.manifest(previous) if previous else None,
            )
            marks.append(time.monotonic())
            slugs.append(slug)
            pool.finish_build(APP, build, slug, previous)
            marks.append(time.monotonic())
            pool.snapshot(slug, "benchmark")
            marks.append(time.monotonic())
            pool.delete_dyno("benchmark")
            took = [after - before for before, after in zip(marks, marks[1:])]
            rows.append({{"took": took, "grown": await used(pool) - before, "size": measured.size}})
        began = time.monotonic()
        for slug in slugs[:-1]:
            pool.delete_slug(slug)
        deleted = (time.monotonic() - began) / len(slugs[:-1])
    finally:
        for slug in slugs:
            pool.delete_slug(slug)
        for build in pool.builds():
            pool.delete_build(build)
        pool.empty_trash()
        pool.drop_cache(APP)
        await remove_user(UID)
    print(json.dumps({{"rows": rows, "deleted": deleted}}))

asyncio.run(main())
"""


def main(releases: int) -> None:
    script = _SCRIPT.format(releases=releases, files=FILES, file_bytes=FILE_BYTES, changed=CHANGED)
    found = json.loads(inside(["/opt/hostd/venv/bin/python", "-"], script))
    first, *later = found["rows"]
    measure, freeze, snapshot = zip(*(row["took"] for row in later), strict=True)
    print(f"{FILES} files, {first['size'] / MIB:.0f} MiB, {CHANGED} of them changed in each of {releases} releases")
    print(HEADER)
    print(row("measuring the first release", [first["took"][0]]))
    print(row("measuring a release, copying what changed", measure))
    print(row("freezing it into a slug", freeze, "under 200 ms"))
    print(row("a dyno's snapshot of it", snapshot, "under 200 ms"))
    print(row("deleting a slug", [found["deleted"]]))
    grown = [each["grown"] / MIB for each in later]
    changed = CHANGED * FILE_BYTES / MIB
    print(f"the first release takes {first['grown'] / MIB:.1f} MiB of the pool, all {releases} others {sum(grown):.1f}")
    print(f"a release grows it by {statistics.median(grown):.2f} MiB (median), where {changed:.2f} MiB changed")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
