"""Who has too much on disk, with a pool that is made of numbers."""

import math
from pathlib import Path

import pytest

from hostd.manager import words
from hostd.manager.disk import DiskWatch

LIMIT = 1000


class FakePool:
    """`taken` is what each dyno has; writing changes its generation, and takes room from the pool."""

    def __init__(self, **taken):
        self.free = 100_000
        self.taken = taken
        self.generations = dict.fromkeys(taken, 1)
        self.counted = []

    def write(self, name, amount, generation=1):
        self.taken[name] += amount
        self.generations[name] += generation
        self.free -= amount

    def free_bytes(self):
        return self.free

    def dyno_folders(self, name):
        return [Path("dynos", name), Path("scratch", name)]

    def generation(self, folder):
        return self.generations.get(folder.name, 0)

    async def count(self, folders):
        assert [folder.parent.name for folder in folders] == ["dynos", "scratch"]
        self.counted.append(folders[0].name)
        return self.taken.get(folders[0].name, 0)


@pytest.fixture
def pool():
    return FakePool(web=10, worker=20)


@pytest.fixture
def watch(pool):
    return DiskWatch(pool, LIMIT, pool.count)


async def test_nothing_is_counted_until_the_pool_has_lost_room(pool, watch):
    for _ in range(3):
        pool.write("web", 41)
        assert await watch.look(["web", "worker"]) == {}
    assert pool.counted == []
    pool.write("web", 41)
    assert await watch.look(["web", "worker"]) == {}
    assert pool.counted == ["web", "worker"]


async def test_room_that_came_back_is_not_lost_again(pool, watch):
    pool.free += 5000
    assert await watch.look(["web"]) == {}
    pool.free -= 100
    assert await watch.look(["web"]) == {}
    assert pool.counted == []


async def test_only_what_has_changed_is_counted_again(pool, watch):
    pool.write("web", 200)
    await watch.look(["web", "worker"])
    pool.counted.clear()
    pool.write("worker", 200)
    assert await watch.look(["web", "worker"]) == {}
    assert pool.counted == ["worker"]


async def test_who_has_too_much_is_found(pool, watch):
    pool.write("web", 2000)
    assert await watch.look(["web", "worker"]) == {"web": 2010}


async def test_what_cannot_be_counted_or_is_gone_is_not_blamed(pool, watch, caplog):
    pool.write("web", 2000)
    pool.taken["web"] = math.inf
    assert await watch.look(["web", "gone"]) == {}
    assert "the files of web are too many to be counted" in caplog.text


def test_the_log_says_how_much_and_what_the_limit_is():
    assert words.disk(11 << 30, 10 << 30) == [
        "Error: 11.0G of files in /app and /tmp, and a dyno may have 10.0G (dyno_disk_mb)",
        "Stopping process with SIGKILL",
    ]
