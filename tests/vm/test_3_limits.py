"""Limits, as systemd was told, as the kernel has them in control groups of version 2, and as apps meet them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.apps import Deployed
from tests.support.formation import current
from tests.support.platform import Platform
from tests.support.waiting import wait_until
from tests.vm.conftest import SHOP

GROUPS = "/sys/fs/cgroup"
MB = 1 << 20


@pytest.fixture
def dyno(shop: Deployed) -> Iterator[Callable[[str, str], str]]:
    """`dyno("over", "64M")` starts one dyno of a type beside the others; its unit. It is gone after the test."""
    started = []

    def start(type_: str, size: str) -> str:
        started.append(type_)
        shop.hostctl("ps:scale", f"{type_}=1:{size}")
        return f"hostd-{SHOP}-{type_}.1-v{current(shop.platform, SHOP)}.service".replace("far-over", "far.over")

    yield start
    shop.hostctl("ps:scale", *(f"{type_}=0" for type_ in started))


def test_the_kernel_has_what_the_size_says(platform: Platform, shop: Deployed) -> None:
    shop.hostctl("ps:type", "worker", "--memory", "100M", "--cpu", "0.5")
    shop.scale(web=2, worker=1)
    unit = f"hostd-{SHOP}-worker.1-v{current(platform, SHOP)}.service"
    limits = shown(platform, unit, "MemoryMax", "TasksMax", "CPUQuotaPerSecUSec", "ControlGroup")
    assert limits.pop("ControlGroup") == f"/hostd.slice/hostd-apps.slice/hostd-apps-{SHOP}.slice/{unit}"
    assert limits == {"MemoryMax": str(300 * MB), "TasksMax": "256", "CPUQuotaPerSecUSec": "500ms"}
    assert (of_kernel(platform, unit, "memory.max"), of_kernel(platform, unit, "pids.max")) == (str(300 * MB), "256")
    quota, period = map(int, of_kernel(platform, unit, "cpu.max").split())
    assert quota * 2 == period


def test_more_memory_than_the_quota_is_told(shop: Deployed, dyno: Callable[[str, str], str]) -> None:
    dyno("over", "64M")
    logged(shop, "over", "Process running mem=1", "Error R14 (Memory quota exceeded)")


def test_three_times_the_quota_is_the_end(shop: Deployed, dyno: Callable[[str, str], str]) -> None:
    dyno("far-over", "64M")
    logged(
        shop,
        "far-over",
        "Error R15 (Memory quota vastly exceeded)",
        "Stopping process with SIGKILL",
        "Process exited with status 137",
    )
    assert "up" in shop.hostctl("ps", "web")


def test_a_fork_bomb_is_bound(platform: Platform, shop: Deployed, dyno: Callable[[str, str], str]) -> None:
    unit = dyno("bomb", "standard-1x")
    wait_until(lambda: int(of_kernel(platform, unit, "pids.current")) > 250, 30, what="the fork bomb")
    assert int(of_kernel(platform, unit, "pids.current")) <= 256
    assert "max 0\n" not in of_kernel(platform, unit, "pids.events") + "\n"
    assert shop.get().status == 200


def test_a_dyno_has_its_share_of_the_processors(
    platform: Platform, shop: Deployed, dyno: Callable[[str, str], str]
) -> None:
    shop.hostctl("ps:type", "spinner", "--memory", "100M", "--cpu", "0.2")
    unit = dyno("spinner", "100M-0.2CPU")
    wait_until(lambda: throttled(platform, unit) > 10, 30, what="the limit of processor time")


def throttled(platform: Platform, unit: str) -> int:
    """In how many periods the dyno had used up its share."""
    counted = dict(line.split() for line in of_kernel(platform, unit, "cpu.stat").splitlines())
    return int(counted["nr_throttled"])


def shown(platform: Platform, unit: str, *properties: str) -> dict[str, str]:
    """Properties as systemctl shows them."""
    text = platform.run(["systemctl", "show", f"--property={','.join(properties)}", unit]).stdout
    return dict(line.split("=", 1) for line in text.splitlines())


def of_kernel(platform: Platform, unit: str, name: str) -> str:
    """What a file of the unit's control group has."""
    group = shown(platform, unit, "ControlGroup")["ControlGroup"]
    return platform.run(["cat", f"{GROUPS}{group}/{name}"]).stdout.strip()


def logged(shop: Deployed, process: str, *lines: str) -> None:
    """Wait until the log of a process has these."""

    def there() -> bool:
        log = shop.hostctl("logs", "-p", process, "-n", "200")
        assert all(line in log for line in lines), log
        return True

    wait_until(there, 60)
