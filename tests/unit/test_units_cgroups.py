from units.cgroups import Cgroups, Usage, parse_table

GROUP = "/hostd.slice/hostd-apps.slice/x.service"


def write(root, files):
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def test_flat_keyed_files():
    assert parse_table("anon 12\nfile 3\nbroken\nmax never\n") == {"anon": 12, "file": 3}


def test_version_2(tmp_path):
    write(
        tmp_path,
        {
            "cgroup.controllers": "cpu memory pids\n",
            f".{GROUP}/memory.current": "100\n",
            f".{GROUP}/memory.stat": "anon 60\nfile 30\nshmem 10\n",
            f".{GROUP}/memory.swap.current": "0\n",
            f".{GROUP}/memory.events": "low 0\noom 3\noom_kill 2\n",
            f".{GROUP}/cpu.stat": "usage_usec 1500000\nuser_usec 1\n",
            f".{GROUP}/pids.current": "7\n",
        },
    )
    assert Cgroups(tmp_path).usage(GROUP) == Usage(
        memory=100, rss=60, cache=30, swap=0, cpu_seconds=1.5, tasks=7, oom_kills=2, shared=10
    )


def version_1(root):
    write(
        root,
        {
            f"systemd{GROUP}/cgroup.procs": "",
            f"memory{GROUP}/memory.usage_in_bytes": "100\n",
            f"memory{GROUP}/memory.stat": "rss 1\ntotal_rss 60\ntotal_cache 30\ntotal_shmem 10\ntotal_swap 0\n",
            f"memory{GROUP}/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
            f"pids{GROUP}/pids.current": "7\n",
        },
    )


def test_version_1(tmp_path):
    version_1(tmp_path)
    write(tmp_path, {f"cpuacct{GROUP}/cpuacct.usage": "1500000000\n"})
    assert Cgroups(tmp_path).usage(GROUP) == Usage(
        memory=100, rss=60, cache=30, swap=0, cpu_seconds=1.5, tasks=7, oom_kills=2, shared=10
    )


def test_version_1_with_cpuacct_apart_from_cpu(tmp_path):
    version_1(tmp_path)
    write(tmp_path, {f"unified{GROUP}/cpu.stat": "usage_usec 250000\n"})
    usage = Cgroups(tmp_path).usage(GROUP)
    assert usage is not None
    assert usage.cpu_seconds == 0.25


def test_controllers_that_are_not_there_count_nothing(tmp_path):
    write(tmp_path, {f"systemd{GROUP}/cgroup.procs": ""})
    assert Cgroups(tmp_path).usage(GROUP) == Usage(None, None, None, None, None, None, None)


def test_a_group_that_is_gone(tmp_path):
    assert Cgroups(tmp_path).usage(GROUP) is None
    assert Cgroups(tmp_path).usage("") is None
