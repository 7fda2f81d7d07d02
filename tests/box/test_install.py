"""The installation as its users meet it."""

import json
import re

import pytest


def test_an_app_goes_from_push_to_page(app, repository, push, http_get):
    files = {
        "Procfile": "web: python3 -m http.server $PORT\n",
        "requirements.txt": "",
        "index.html": "hello from the test\n",
    }
    pushed = push(repository(files), app)
    assert "done, v" in pushed.stderr
    assert http_get(app).text == "hello from the test\n"


def test_hostctl_speaks_from_the_machine_and_over_ssh(app, hostctl, ssh):
    assert app in hostctl("apps", "--all", check=False).stdout + hostctl("apps").stdout
    assert re.search(r"\d+\.\d+", ssh("version").stdout)


def test_the_router_is_compiled_by_nobody_but_root(box, hostctl):
    workers = json.loads(hostctl("router", "--json").stdout)
    assert [worker["compiled"] for worker in workers] == [True] * len(workers) != []
    for worker in workers:
        assert "/opt/hostd/compiled/" in box.run(["cat", f"/proc/{worker['pid']}/maps"]).stdout
    others = box.run(["find", "/opt/hostd/compiled", "(", "!", "-user", "root", "-o", "-perm", "/022", ")"]).stdout
    assert others == ""


def test_limits_are_enforced(box):
    script = "x = bytearray(200 * 2**20)"
    done = box.run(["systemd-run", "--wait", "--quiet", "-p", "MemoryMax=64M", "python3", "-c", script], check=False)
    assert done.returncode != 0


def test_no_unit_of_the_box_has_failed(box):
    listed = json.loads(box.run(["systemctl", "list-units", "--failed", "--output=json"]).stdout)
    assert [
        unit["unit"] for unit in listed if unit["unit"].startswith(("hostd.", "hostd-router", "hostd-logplex"))
    ] == []


@pytest.mark.parametrize("unit", ["hostd-router@1.service", "hostd-logplex.service"])
def test_our_own_services_are_confined(box, unit):
    text = box.run(["systemd-analyze", "security", "--no-pager", unit]).stdout
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", text)
    assert found is not None
    assert float(found[1]) <= 2.5


def test_sshd_gives_no_shell_and_no_forwarding(platform, ssh):
    assert ssh("sh", "-c", "id", check=False).returncode != 0
    tunnel = ssh("version", options=["-o", "ExitOnForwardFailure=yes", "-R", "0:localhost:1"], check=False)
    assert tunnel.returncode != 0


UNINSTALL = """
import json, sys
from pathlib import Path
import btrfsutil
from hostd.install.uninstall import delete_subvolumes
pool = Path("/var/lib/hostd/pool/test-uninstall")
if sys.argv[1] == "subvolume":
    btrfsutil.create_subvolume(str(pool))
else:
    pool.mkdir()
for kind in ("slugs", "dynos"):
    (pool / kind).mkdir()
    btrfsutil.create_subvolume(str(pool / kind / "one"))
    btrfsutil.create_subvolume(str(pool / kind / "one/inside"))
    btrfsutil.create_snapshot(str(pool / kind / "one"), str(pool / kind / "two"), read_only=True)
    btrfsutil.set_subvolume_read_only(str(pool / kind / "one"), True)
delete_subvolumes(pool)
print(json.dumps([[path.name for path in pool.glob(each)] for each in ("*/*", "*")]))
for path in (*pool.glob("*"), *pool.parent.glob(pool.name)):
    path.rmdir()
"""


@pytest.mark.parametrize(("kind", "left"), [("folder", ["slugs", "dynos"]), ("subvolume", [])])
def test_the_pool_of_a_server_whose_own_disk_is_btrfs_can_be_deleted(box, kind, left):
    """There it is no disk of its own that goes as a whole, and slugs cannot be written to."""
    assert box.python(UNINSTALL, kind) == [[], left]
