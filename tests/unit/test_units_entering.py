"""The unit that enters a sandbox, and the filter that it puts on last."""

import ctypes
import errno
import os
import platform
import socket
import struct
from pathlib import Path

import pytest

from units import enter, reach
from units.entering import DONE_LAST, JOINED, KEPT, entering
from units.properties import AND_SYSTEM_CALLS, encode
from units.sandbox import Bind, Limits, hardened

CALLS = enter.CALLS.get(platform.machine())
EXTRA = {"ExecStopPost", "CapabilityBoundingSet"}


def sandbox():
    """A sandbox with all that one can have."""
    return hardened(
        root=Path("/stack"), uid=200_001, gid=200_001, binds=[Bind(Path("/usr"), Path("/usr")),
        Bind(Path("/x"), Path("/app"), writable=True)], limits=Limits(1, 100, 1, memory_high=1, cpu_quota=1.0),
        slice_name="hostd-apps-hello.slice", description="hello", command=["/bin/bash"], environment_file=Path("/e"),
        runtime_max=5, stdio=(0, 1, 2), network=Path("/proc/1/ns/net"),
    )  # fmt: skip


def visit():
    return entering(
        order=Path("/run/hostd/sessions/x.json"), uid=200_001, slice_name="hostd-apps-hello.slice", description="x",
        stdio=(0, 1, 2), stop_timeout=10.0, runtime_max=60.0, python="/usr/bin/python3",
    )  # fmt: skip


def test_each_property_of_a_sandbox_is_kept_joined_or_done_last():
    """What is added to the sandbox must be put in one of the three, or visits would be shut in less."""
    assert set(sandbox()) - KEPT - JOINED - DONE_LAST == set()
    assert not (KEPT & JOINED or KEPT & DONE_LAST or JOINED & DONE_LAST)


def test_what_is_kept_is_as_in_the_sandbox():
    inside, other = visit(), sandbox()
    own = {"Description", "ExecStart", "WorkingDirectory", "EnvironmentFiles", "TimeoutStopUSec", "RuntimeMaxUSec"}
    assert set(inside) - EXTRA == KEPT
    differing = {name for name in KEPT if inside[name] != other[name]}
    assert differing == own | {AND_SYSTEM_CALLS}
    assert set(inside[AND_SYSTEM_CALLS]) - set(other[AND_SYSTEM_CALLS]) == set(enter.NEEDED)
    assert encode(inside)


def test_the_helper_is_run_apart_from_any_environment():
    ((program, argv, _),) = visit()["ExecStart"]
    assert (program, argv[1:4], argv[-1]) == ("/usr/bin/python3", ["-I", "-S", "-B"], "/run/hostd/sessions/x.json")
    ((_, leaving, _),) = visit()["ExecStopPost"]
    assert leaving == [*argv, "leave"]


def evaluate(program: bytes, number: int, argument: int = 0, audit: int | None = None) -> int:
    """What the filter says of a call: the BPF that is used, as a machine (linux/filter.h)."""
    lines = [struct.unpack("=HBBI", program[at : at + 8]) for at in range(0, len(program), 8)]
    data = struct.pack("<IIQQ", number, CALLS.audit if audit is None else audit, 0, argument)
    at = value = 0
    while True:
        code, yes, no, constant = lines[at]
        at += 1
        if code == 0x20:
            (value,) = struct.unpack_from("<I", data, constant)
        elif code == 0x06:
            return constant
        else:
            true = value == constant if code == 0x15 else bool(value & constant)
            at += yes if true else no


@pytest.mark.skipif(CALLS is None, reason="this architecture is refused altogether")
def test_the_last_filter_refuses_what_entering_needed():
    program, allow = enter.last_filter(CALLS), 0x7FFF0000
    refused = 0x50000 | errno.EPERM
    for number in (CALLS.setns, CALLS.setgroups, CALLS.fchown, CALLS.keyctl):
        assert evaluate(program, number) == refused
    assert evaluate(program, CALLS.clone3) == 0x50000 | errno.ENOSYS
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert evaluate(program, CALLS.unshare, flag) == refused
        assert evaluate(program, CALLS.clone, flag | 17) == refused
    # A fork, a thread, and a call that has nothing to do with it.
    others = ((CALLS.clone, 17), (CALLS.clone, 0x3D0F00), (39, 0))
    assert {evaluate(program, number, argument) for number, argument in others} == {allow}
    assert evaluate(program, 39, audit=0x40000003) == 0x80000000


@pytest.mark.skipif(CALLS is None, reason="this architecture is refused altogether")
def test_the_kernel_takes_the_last_filter():
    child = os.fork()
    if child == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        program = enter._Filter(enter.last_filter(CALLS))
        libc.prctl(38, 1, 0, 0, 0)
        taken = libc.prctl(22, ctypes.c_ulong(2), ctypes.c_ulong(program.pointer), 0, 0) == 0
        refused = libc.unshare(0x10000000) == -1 and ctypes.get_errno() == errno.EPERM
        os._exit(0 if taken and refused else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def proc(tmp_path, *, mountinfo, own, other):
    for name, text in {"self/mountinfo": mountinfo, "self/cgroup": own, "77/cgroup": other}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def order(**changes):
    return enter.Order(**{**{"pid": 77, "control_group": "/a.slice/x.service", "group": "inside-1", "uid": 200_001,
                             "argv": ["/bin/sh"], "env": {}}, **changes})  # fmt: skip


def test_the_groups_of_version_2(tmp_path):
    (tmp_path / "cg/a.slice/x.service").mkdir(parents=True)
    mounts = f"30 1 0:5 / {tmp_path}/cg rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
    where = proc(tmp_path, mountinfo=mounts, own="0::/a.slice/helper.service\n", other="0::/a.slice/x.service\n")
    assert list(enter.groups_to_join(order(), where)) == [tmp_path / "cg/a.slice/x.service/inside-1"]


def test_the_groups_of_version_1_but_for_those_it_is_in_already(tmp_path):
    (tmp_path / "cg/systemd/a.slice/x.service").mkdir(parents=True)
    mounts = "".join(
        f"3{number} 1 0:{number} / {tmp_path}/cg/{name} rw - cgroup cgroup rw,{option}\n"
        for number, (name, option) in enumerate(
            {"memory": "memory", "cpu": "cpu,cpuacct", "pids": "pids", "systemd": "xattr,name=systemd"}.items()
        )
    )
    # A part of a hierarchy that is mounted elsewhere is not that hierarchy.
    mounts += f"40 1 0:9 /part {tmp_path}/part rw - cgroup cgroup rw,memory\n"
    groups = "4:memory:{0}\n3:cpu,cpuacct:{0}\n2:pids:/a.slice\n1:name=systemd:{0}\n"
    own = groups.format("/a.slice/helper.service")
    where = proc(tmp_path, mountinfo=mounts, own=own, other=groups.format("/a.slice/x.service"))
    found = set(enter.groups_to_join(order(), where))
    unit = "a.slice/x.service"
    assert found == {
        tmp_path / f"cg/memory/{unit}", tmp_path / f"cg/cpu/{unit}", tmp_path / f"cg/systemd/{unit}/inside-1",
    }  # fmt: skip


def test_a_process_of_another_unit_is_not_entered():
    """As when the number of a process that ended was given to another meanwhile."""
    with pytest.raises(enter.Refused):
        enter.opened(os.getpid(), "/a.slice/x.service")


def test_an_order_shows_no_secrets(tmp_path):
    assert "s3cret" not in repr(order(env={"KEY": "s3cret"}))


async def test_a_port_is_reached_where_the_process_is():
    groups = enter._by_hierarchy(Path("/proc/self/cgroup").read_text())
    target = reach.Target(os.getpid(), next(iter(groups.values())), os.getuid(), 1)
    if os.getuid() != 0:
        with pytest.raises(PermissionError):
            await reach.connect(target)
        return
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = reach.Target(target.pid, target.control_group, target.uid, server.getsockname()[1])
        with await reach.connect(target) as made:
            assert made.getpeername() == server.getsockname()
    with pytest.raises(ConnectionRefusedError):
        await reach.connect(target)
