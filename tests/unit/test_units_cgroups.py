"""Control groups as the kernel shows them: files of a box on a machine with v1, and made-up ones in the form of v2."""

import os

from units.cgroups import Cgroups, Usage, parse_table

GROUP = "/hostd.slice/hostd-apps.slice/x.service"
MEMORY_V1 = """\
cache 4096
rss 26693632
shmem 4096
swap 0
pgpgin 6712
pgpgout 194
pgfault 7183
inactive_anon 26693632
unevictable 0
hierarchical_memory_limit 9223372036854771712
total_cache 1052672
total_rss 26693632
total_rss_huge 0
total_shmem 4096
total_mapped_file 32768
total_swap 8192
total_swapcached 0
total_pgpgin 348836
total_pgpgout 343403
total_pgfault 7183
"""
MEMORY_V2 = """\
anon 21626880
file 12288
kernel 1372160
kernel_stack 65536
pagetables 163840
percpu 2960
sock 0
vmalloc 8192
shmem 8192
zswap 0
file_mapped 0
swapcached 0
anon_thp 0
inactive_anon 21618688
slab 1044744
workingset_refault_anon 0
pgfault 9021
pgmajfault 3
pgrefill 0
pgscan 0
thp_fault_alloc 0
"""
CPU_V2 = """\
usage_usec 1500000
user_usec 1200000
system_usec 300000
nr_periods 0
nr_throttled 0
throttled_usec 0
"""
IO_V2 = """\
254:0 rbytes=8192 wbytes=40960 rios=2 wios=9 dbytes=0 dios=0
7:3 rbytes=999424 wbytes=0 rios=14 wios=0 dbytes=0 dios=0
8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0
8:16
"""


def write(root, files):
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def version_2(root):
    write(
        root,
        {
            "cgroup.controllers": "cpuset cpu io memory hugetlb pids rdma misc\n",
            f".{GROUP}/memory.stat": MEMORY_V2,
            f".{GROUP}/memory.swap.current": "4096\n",
            f".{GROUP}/cpu.stat": CPU_V2,
            f".{GROUP}/cgroup.threads": "411\n412\n",
        },
    )
    return Cgroups(root, root / "proc")


def version_1(root):
    write(root, {f"systemd{GROUP}/tasks": "411\n412\n", f"memory{GROUP}/memory.stat": MEMORY_V1})
    return Cgroups(root, root / "proc")


def test_flat_keyed_files():
    assert parse_table("anon 12\nfile 3\nbroken\nmax never\n") == {"anon": 12, "file": 3}


def test_version_2(tmp_path):
    cgroups = version_2(tmp_path)
    assert cgroups.usage(GROUP) == Usage(rss=21626880, cache=12288, shared=8192, swap=4096, cpu_seconds=1.5)
    assert cgroups.threads(GROUP) == [411, 412]


def test_version_2_with_pages_counted(tmp_path):
    """What goes through a loop device is read from the disk below it, too."""
    cgroups = version_2(tmp_path)
    write(tmp_path, {f".{GROUP}/io.stat": IO_V2})
    usage = cgroups.usage(GROUP)
    assert (usage.pages_in, usage.pages_out) == (3, 10)


def test_version_1(tmp_path):
    cgroups = version_1(tmp_path)
    write(tmp_path, {f"cpuacct{GROUP}/cpuacct.usage": "1500000000\n"})
    assert cgroups.usage(GROUP) == Usage(
        rss=26693632, cache=1052672, shared=4096, swap=8192, pages_in=348836, pages_out=343403, cpu_seconds=1.5
    )
    assert cgroups.threads(GROUP) == [411, 412]


def test_version_1_with_cpuacct_apart_from_cpu(tmp_path):
    cgroups = version_1(tmp_path)
    write(tmp_path, {f"unified{GROUP}/cpu.stat": "usage_usec 250000\n"})
    assert cgroups.usage(GROUP).cpu_seconds == 0.25


def test_controllers_that_are_not_there_count_nothing(tmp_path):
    write(tmp_path, {f"systemd{GROUP}/cgroup.procs": ""})
    assert Cgroups(tmp_path).usage(GROUP) == Usage()


def test_a_group_that_is_gone(tmp_path):
    cgroups = Cgroups(tmp_path)
    assert (cgroups.usage(GROUP), cgroups.usage(""), cgroups.threads(GROUP)) == (None, None, [])


def test_threads_of_groups_within_count_too(tmp_path):
    """A command inside a dyno (ps:exec) has a group of its own below the dyno's."""
    cgroups = version_2(tmp_path)
    write(tmp_path, {f".{GROUP}/visit/cgroup.threads": "500\n", f".{GROUP}/visit/deeper/cgroup.threads": "501\n"})
    assert cgroups.threads(GROUP) == [411, 412, 500, 501]


def test_how_long_threads_have_waited(tmp_path):
    cgroups = version_2(tmp_path)
    write(tmp_path, {"proc/411/schedstat": "105366 2546472 2\n", "proc/412/schedstat": ""})
    assert cgroups.waited([411, 412, 413]) == {411: 2546472}


def test_the_kernel_says_of_this_process_how_long_it_has_waited():
    [(thread, waited)] = Cgroups().waited([os.getpid()]).items()
    assert thread == os.getpid()
    assert waited >= 0
