from pathlib import Path

from units.properties import encode
from units.sandbox import Bind, Limits, hardened

MEGABYTE = 1024 * 1024


def sandbox(**changes):
    settings = {
        "root": Path("/pool/stacks/host"),
        "uid": 200_001,
        "gid": 200_001,
        "binds": [Bind(Path("/usr"), Path("/usr")), Bind(Path("/pool/dynos/d"), Path("/app"), writable=True)],
        "limits": Limits(memory_max=512 * MEGABYTE, cpu_weight=100, tasks_max=256),
        "slice_name": "hostd-apps-hello.slice",
        "description": "hello web.1 v3 at 127.0.0.1:20001",
        "command": ["/bin/bash", "/.hostd/launch", "echo $PORT $$"],
        "environment_file": Path("/run/hostd/env/x.env"),
    }
    return hardened(**{**settings, **changes})


def test_every_property_has_a_wire_type():
    assert encode(sandbox(runtime_max=5, log_namespace="hostd", log_fields={"A": "b"}, syslog_identifier="x"))
    assert encode(sandbox(stdio=(0, 1, 2), environment_file=None))
    assert encode(sandbox(network=Path("/proc/1/fd/7")))


def test_the_process_is_shut_in():
    properties = sandbox()
    expected = {
        "User": "200001",
        "Group": "200001",
        "RootDirectory": "/pool/stacks/host",
        "PrivateUsers": True,
        "PrivateTmp": True,
        "PrivateDevices": True,
        "PrivateIPC": True,
        "CapabilityBoundingSet": 0,
        "NoNewPrivileges": True,
        "RestrictNamespaces": 0x04000000,
        "SystemCallFilter": (True, ["@system-service"]),
        "SystemCallFilter~": ["@privileged", "@resources", "@aio", "@keyring", "userfaultfd"],
        "LimitCORE": 1,
        "LimitCORESoft": 1,
        "SystemCallFilter+": ["setresuid", "setresgid"],
        "SystemCallArchitectures": ["native"],
        "ProtectProc": "invisible",
        "ProtectSystem": "strict",
        "KeyringMode": "private",
        "UMask": 0o077,
    }
    assert {name: properties[name] for name in expected} == expected


def test_it_runs_in_the_network_that_it_is_given():
    assert sandbox(network=Path("/proc/1/fd/7"))["NetworkNamespacePath"] == "/proc/1/fd/7"
    assert "NetworkNamespacePath" not in sandbox()


def test_in_a_network_of_its_own_it_sees_no_interfaces_of_the_machine():
    own, shared = sandbox(network=Path("/proc/1/fd/7")), sandbox()
    assert ("/sys/class/net", "ro,mode=0555") in own["TemporaryFileSystem"]
    assert own["InaccessiblePaths"] == ["/sys/devices/virtual/net"]
    assert "InaccessiblePaths" not in shared
    assert len(shared["TemporaryFileSystem"]) == 1


def test_only_writable_binds_can_be_written_to():
    properties = sandbox()
    assert properties["BindReadOnlyPaths"] == [("/usr", "/usr", False, 0)]
    assert properties["BindPaths"] == [("/pool/dynos/d", "/app", False, 0)]
    assert properties["ReadWritePaths"] == ["/app"]


def test_systemd_expands_nothing_in_the_command():
    assert sandbox()["ExecStart"] == [("/bin/bash", ["/bin/bash", "/.hostd/launch", "echo $$PORT $$$$"], False)]


def test_secrets_come_by_file_and_never_as_a_property():
    assert sandbox()["EnvironmentFiles"] == [("/run/hostd/env/x.env", False)]
    assert sandbox(environment_file=None)["EnvironmentFiles"] == []
    assert "Environment" not in sandbox()


def test_limits():
    properties = sandbox(
        limits=Limits(memory_max=64 * MEGABYTE, memory_high=32 * MEGABYTE, cpu_weight=50, cpu_quota=1.5, tasks_max=9)
    )
    expected = {
        "Slice": "hostd-apps-hello.slice",
        "MemoryMax": 64 * MEGABYTE,
        "MemoryHigh": 32 * MEGABYTE,
        "MemorySwapMax": 0,
        "CPUWeight": 50,
        "CPUQuotaPerSecUSec": 1_500_000,
        "TasksMax": 9,
        "OOMPolicy": "kill",
    }
    assert {name: properties[name] for name in expected} == expected
    assert "MemoryHigh" not in sandbox()
    assert "CPUQuotaPerSecUSec" not in sandbox()
    assert "IOAccounting" not in sandbox()
    assert sandbox(limits=Limits(1, 1, 1, count_io=True))["IOAccounting"] is True


def test_an_ended_unit_keeps_its_result_and_is_not_started_again():
    properties = sandbox(stop_timeout=2.5, runtime_max=60)
    assert properties["Restart"] == "no"
    assert properties["RemainAfterExit"] is True
    assert properties["CollectMode"] == "inactive"
    assert properties["TimeoutStopUSec"] == 2_500_000
    assert properties["RuntimeMaxUSec"] == 60_000_000


def test_output_goes_to_the_journal_or_to_the_descriptors_given():
    logged = sandbox(log_namespace="hostd", log_fields={"HOSTD_PROCESS": "web.1"}, syslog_identifier="hello[web.1]")
    assert logged["StandardOutput"] == "journal"
    assert logged["LogNamespace"] == "hostd"
    assert logged["LogExtraFields"] == [b"HOSTD_PROCESS=web.1"]
    assert logged["SyslogIdentifier"] == "hello[web.1]"
    assert "LogRateLimitBurst" not in logged
    limited = sandbox(log_namespace="hostd-a1", log_rate=5000)
    assert (limited["LogRateLimitIntervalUSec"], limited["LogRateLimitBurst"]) == (10_000_000, 50_000)
    attached = sandbox(stdio=(7, 8, 9))
    assert attached["StandardInputFileDescriptor"] == 7
    assert attached["StandardOutputFileDescriptor"] == 8
    assert attached["StandardErrorFileDescriptor"] == 9
    assert "StandardOutput" not in attached
