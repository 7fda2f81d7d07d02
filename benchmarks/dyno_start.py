"""What a dyno's sandbox costs at its start: `python3 benchmarks/dyno_start.py [ROUNDS]`.

Until PID 1 says that the program was executed: a bare transient unit of `sleep`, the same with the whole sandbox of a
dyno and a new network of its own, and that without one property at a time, which shows what that one costs. The
networks are made beside those of the installation, in a network namespace of the benchmark's own.
"""

from __future__ import annotations

import json
import statistics
import sys

from kit import inside

_SCRIPT = """
import asyncio, json, sys, tempfile, time
from ipaddress import IPv4Network
from pathlib import Path
from slugs.pool import Pool
from slugs.stacks import drop_identity, ensure_host_stack, identity_binds
from units.network import Networks
from units.properties import AND_SYSTEM_CALLS, EXCEPT_SYSTEM_CALLS
from units.sandbox import Bind, Limits, hardened
from units.systemd import Systemd
from units.users import ensure_user, remove_user
from hostd.settings import load

UID, ROUNDS, NAME = 199999, {rounds}, "hostd-benchmark-start.service"
GROUPS = {{
    "its network": ["NetworkNamespacePath", "InaccessiblePaths"],
    "ProtectKernelTunables": ["ProtectKernelTunables"],
    "ProtectControlGroups": ["ProtectControlGroups"],
    "ProtectProc": ["ProtectProc", "ProcSubset"],
    "ProtectSystem, ProtectHome": ["ProtectSystem", "ProtectHome"],
    "PrivateTmp": ["PrivateTmp"],
    "PrivateDevices": ["PrivateDevices"],
    "PrivateUsers": ["PrivateUsers"],
    "PrivateIPC": ["PrivateIPC"],
    "system call filters": ["SystemCallFilter", EXCEPT_SYSTEM_CALLS, AND_SYSTEM_CALLS, "RestrictAddressFamilies"],
}}

async def main():
    systemd = Systemd()
    systemd.attach(asyncio.get_running_loop())
    pool = Pool(load().pool_dir)
    stack = ensure_host_stack(pool)
    await ensure_user(UID)
    tree = pool.create_build("benchmark", UID)
    networks = Networks(name="bench", prefix=IPv4Network("10.83.0.0/16"), run_dir=Path(tempfile.mkdtemp()))
    await networks.start()
    whole = hardened(
        root=stack.root, uid=UID, gid=UID, limits=Limits(512 << 20, 100, 256), slice_name="hostd-apps.slice",
        binds=[*stack.binds, *identity_binds(stack, UID), Bind(tree, Path("/app"), writable=True)],
        description="benchmark", command=["/usr/bin/sleep", "60"], environment_file=None, log_namespace="hostd",
        network=Path("/"),
    )
    bare = {{key: whole[key] for key in ("Type", "ExecStart", "CollectMode", "Slice")}}
    cases = {{"bare": bare, "whole sandbox": whole}}
    for name, left_out in GROUPS.items():
        cases[name] = {{key: value for key, value in whole.items() if key not in left_out}}
    taken = {{name: [] for name in cases}}
    for _ in range(ROUNDS):
        for name, properties in cases.items():
            began = time.monotonic()
            if "NetworkNamespacePath" in properties:
                network = await networks.lease("benchmark")
                properties = {{**properties, "NetworkNamespacePath": str(network.path)}}
            await systemd.start(NAME, properties)
            taken[name].append(time.monotonic() - began)
            systemd.kill(NAME, 9)
            await systemd.stop(NAME)
            systemd.unref(NAME)
            while systemd.info(NAME) is not None:
                await asyncio.sleep(0.002)
            await networks.release("benchmark")
    await networks.close()
    pool.delete_build("benchmark")
    drop_identity(stack, UID)
    await remove_user(UID)
    print(json.dumps(taken))

asyncio.run(main())
"""


def main(rounds: int) -> None:
    taken = json.loads(inside(["unshare", "--net", "/opt/hostd/venv/bin/python", "-"], _SCRIPT.format(rounds=rounds)))
    median = {name: statistics.median(values) * 1e3 for name, values in taken.items()}
    bare, whole = median.pop("bare"), median.pop("whole sandbox")
    print(f"{'bare transient unit':<34} {bare:7.1f} ms")
    print(f"{'the same with the whole sandbox':<34} {whole:7.1f} ms")
    print(f"{'the sandbox (goal: under 100 ms)':<34} {whole - bare:7.1f} ms, of which")
    parts = sorted(((whole - without, name) for name, without in median.items()), reverse=True)
    for cost, name in parts:
        print(f"  {name:<32} {cost:7.1f} ms")
    print(f"  {'the rest: mounts of the stack, ...':<32} {whole - bare - sum(cost for cost, _ in parts):7.1f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
