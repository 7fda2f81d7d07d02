"""Who has too much on disk, with a pool that is made of numbers."""

import math
from pathlib import Path

import pytest

from hostd.manager import words
from hostd.manager.disk import DiskWatch

LIMIT = 1000
GB = 1 << 30
SLUG = Path("slugs", "of-worker")


class FakePool:
    """`taken` is what each dyno has; writing changes its generation, and takes room from the pool."""

    def __init__(self, **taken):
        self.used, self.free = 0, 100 * GB
        self.taken = taken
        self.generations = dict.fromkeys(taken, 1)
        self.counted, self.asked = [], []
        self.now = 1000.0

    def write(self, name, amount, generation=1):
        self.taken[name] += amount
        self.generations[name] += generation
        self.used += amount

    def used_bytes(self):
        return self.used

    def free_bytes(self):
        return self.free

    def dyno_folders(self, name):
        return [Path("dynos", name), Path("scratch", name)]

    def generation(self, folder):
        return self.generations.get(folder.name, 0)

    def origin(self, name):
        self.asked.append(name)
        return SLUG if name == "worker" else None

    async def count(self, folders):
        if folders == [SLUG]:
            return 3 * GB
        assert [folder.parent.name for folder in folders] == ["dynos", "scratch"]
        self.counted.append(folders[0].name)
        return self.taken.get(folders[0].name, 0)


@pytest.fixture
def pool():
    return FakePool(web=10, worker=20)


@pytest.fixture
def watch(pool):
    return DiskWatch(pool, LIMIT, pool.count, lambda: pool.now)


async def test_nothing_is_counted_until_the_pool_has_lost_room(pool, watch):
    for _ in range(3):
        pool.write("web", 41)
        assert await watch.look(["web", "worker"]) == {}
    assert pool.counted == []
    pool.write("web", 41)
    assert await watch.look(["web", "worker"]) == {}
    assert pool.counted == ["web", "worker"]


async def test_room_that_came_back_is_not_lost_again(pool, watch):
    pool.used -= 5000
    assert await watch.look(["web"]) == {}
    pool.used += 100
    assert await watch.look(["web"]) == {}
    assert pool.counted == []


async def settle(pool, watch):
    """Look until nothing that was written until now can be unseen."""
    pool.write("web", 200)
    await watch.look(["web", "worker"])
    pool.now += 35
    await watch.look(["web", "worker"])
    pool.counted.clear()


async def test_only_what_has_changed_is_counted_again(pool, watch):
    await settle(pool, watch)
    pool.write("worker", 200)
    assert await watch.look(["web", "worker"]) == {}
    assert pool.counted == ["worker"]


async def test_what_is_written_to_the_same_commit_as_a_new_folder_is_found(pool, watch):
    """The folder's generation is that of the commit to come, and stays so."""
    pool.write("web", 200)
    assert await watch.look(["web", "worker"]) == {}
    pool.now += 20
    pool.write("web", 2000, generation=0)
    assert await found(watch, "web", "worker") == {"web": words.disk(2210, LIMIT)}


async def test_what_shows_only_when_btrfs_has_committed_it_is_found_then(pool, watch):
    await settle(pool, watch)
    pool.write("web", 2000, generation=0)
    assert await watch.look(["web", "worker"]) == {}
    pool.now += 34
    pool.write("web", 0)
    assert await watch.look(["web", "worker"]) == {}
    pool.now += 1
    assert await found(watch, "web", "worker") == {"web": words.disk(2210, LIMIT)}
    pool.counted.clear()
    pool.now += 1000
    pool.write("web", 0)
    assert await watch.look(["web", "worker"]) == {}
    assert pool.counted == []


async def test_who_has_too_much_is_found(pool, watch):
    pool.write("web", 2000)
    assert await found(watch, "web", "worker") == {"web": words.disk(2010, LIMIT)}


async def test_what_cannot_be_counted_is_too_much_and_what_is_gone_is_not_blamed(pool, watch):
    pool.write("web", 2000)
    pool.taken["web"] = math.inf
    assert await found(watch, "web", "gone") == {"web": words.disk(math.inf, LIMIT)}


async def test_when_the_pool_is_full_who_has_written_most_is_stopped_and_then_nobody_for_a_while(pool):
    """What a dyno began with it has not written: that is its slug's."""
    watch = DiskWatch(pool, 10 * GB, pool.count, lambda: pool.now)
    pool.free = 100 << 20
    pool.taken.update(web=2 * GB, worker=4 * GB)
    assert await found(watch, "web", "worker") == {"web": words.disk_full(2 * GB, 100 << 20)}
    pool.now += 29
    assert await found(watch, "worker") == {}
    pool.now += 1
    assert await found(watch, "worker") == {"worker": words.disk_full(1 * GB, 100 << 20)}
    assert pool.asked == ["web", "worker"]


async def test_nobody_is_stopped_for_a_pool_that_something_else_has_filled(pool):
    watch = DiskWatch(pool, 10 * GB, pool.count, lambda: pool.now)
    pool.free = 0
    pool.taken.update(web=1 << 20, worker=3 * GB)
    assert await found(watch, "web", "worker") == {}


async def found(watch, *names):
    """What is said of those who are to be stopped."""
    return {name: trouble.said for name, trouble in (await watch.look(names)).items()}


def test_the_log_says_how_much_and_what_the_limit_is():
    assert words.disk(11 << 30, 10 << 30) == [
        "Error: 11.0G of files in /app and /tmp, and a dyno may have 10.0G (dyno_disk_mb)",
        "Stopping process with SIGKILL",
    ]
    assert words.disk(math.inf, 10 << 30)[0].startswith("Error: more than can be counted of files in")
    assert words.disk_full(2 << 30, 1 << 20)[0] == (
        "Error: the disk of all dynos is full (1.0M free), and this one has written most: 2.0G"
    )
